//! Rules of one hospital ask the same again and again: conditions that are alike share their question, so that it is answered once.

use super::rule::Rule;
use super::select::{Condition, LONGEST_SHOWN, Test};
use super::subject::Subject;
use std::collections::HashSet;
use std::sync::Arc;

/// What a condition asks. Of one set of rules, conditions that are answered and traced in the same
/// words have the very same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question(Arc<Asked>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    /// None for a combination of groups.
    subject: Option<Subject>,
    key: Arc<str>,
    wanted: Arc<str>,
    groups: Vec<Vec<Question>>,
    /// What is shown in part may go on differently: then nothing is like it.
    alone: Option<usize>,
}

impl Question {
    /// Tells questions of living rules apart, those of different sets of rules too.
    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// The distinct questions of a set of rules.
#[derive(Default)]
pub(super) struct Questions(HashSet<Question>);

impl Questions {
    pub(super) fn share(&mut self, rule: &mut Rule) {
        for selection in &mut rule.selections {
            self.all(&mut selection.conditions);
        }
    }

    fn all(&mut self, conditions: &mut [Condition]) -> Vec<Question> {
        conditions.iter_mut().map(|condition| self.one(condition)).collect()
    }

    fn one(&mut self, condition: &mut Condition) -> Question {
        let (subject, groups) = match &mut condition.test {
            Test::Value { subject, .. } | Test::Item { sequence: subject, .. } => {
                (Some(subject.clone()), Vec::new())
            }
            Test::Groups { groups, .. } => {
                (None, groups.iter_mut().map(|group| self.all(group)).collect())
            }
        };
        let (key, wanted) = (condition.key.clone(), condition.wanted.clone());
        let alone = (wanted.len() >= LONGEST_SHOWN).then_some(self.0.len());
        let question = Question(Arc::new(Asked { subject, key, wanted, groups, alone }));
        let question = match self.0.get(&question) {
            Some(known) => known.clone(),
            None => {
                self.0.insert(question.clone());
                question
            }
        };
        condition.question = Some(question.clone());
        question
    }
}
