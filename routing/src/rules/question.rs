//! Rules of one hospital ask the same again and again: each question has a number, so that it is answered once.

use super::rule::Rule;
use super::select::{Condition, LONGEST_SHOWN, Test};
use super::subject::Subject;
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers of the distinct conditions of all rules, from 0.
#[derive(Default)]
pub(super) struct Questions {
    known: HashMap<Asked, u32>,
    next: u32,
}

/// Two conditions that are equal here are answered and traced in the same words.
#[derive(PartialEq, Eq, Hash)]
struct Asked {
    /// None for a combination of groups.
    subject: Option<Subject>,
    key: Arc<str>,
    wanted: Arc<str>,
    groups: Vec<Vec<u32>>,
}

impl Questions {
    pub(super) fn number(&mut self, rule: &mut Rule) {
        for selection in &mut rule.selections {
            self.all(&mut selection.conditions);
        }
    }

    fn all(&mut self, conditions: &mut [Condition]) -> Vec<u32> {
        conditions.iter_mut().map(|condition| self.one(condition)).collect()
    }

    fn one(&mut self, condition: &mut Condition) -> u32 {
        let (subject, groups) = match &mut condition.test {
            Test::Value { subject, .. } | Test::Item { sequence: subject, .. } => {
                (Some(subject.clone()), Vec::new())
            }
            Test::Groups { groups, .. } => {
                (None, groups.iter_mut().map(|group| self.all(group)).collect())
            }
        };
        let (key, wanted) = (condition.key.clone(), condition.wanted.clone());
        // What is shown in part may go on differently.
        let is_whole = wanted.len() < LONGEST_SHOWN;
        let next = self.next;
        let number = match is_whole {
            true => *self.known.entry(Asked { subject, key, wanted, groups }).or_insert(next),
            false => next,
        };
        self.next += u32::from(number == next);
        condition.question = Some(number);
        number
    }
}
