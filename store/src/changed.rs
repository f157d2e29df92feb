//! Which series something arrived for, so that a listener need not look at all of them.

use gantry_terms::uid::Uid;
use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, PoisonError};

/// Beyond so many it is cheaper to look at everything. Bounds the memory when nobody listens, too.
const MOST: usize = 4096;

#[derive(Debug, Default, PartialEq, Eq)]
pub enum Changed {
    #[default]
    Everything,
    Series(BTreeSet<Uid>),
}

#[derive(Default)]
pub(crate) struct Changes(Mutex<Changed>);

impl Changes {
    pub(crate) fn add<'a>(&self, series: impl Iterator<Item = &'a Uid>) {
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for uid in series {
            let Changed::Series(uids) = &mut *changed else { return };
            if !uids.contains(uid) {
                uids.insert(uid.clone());
            }
            if uids.len() > MOST {
                *changed = Changed::Everything;
            }
        }
    }

    pub(crate) fn take(&self) -> Changed {
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut *changed, Changed::Series(BTreeSet::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::uid;

    fn take(changes: &Changes, expected: &[&str]) {
        let expected = expected.iter().map(|text| uid(text)).collect();
        assert_eq!(changes.take(), Changed::Series(expected));
    }

    #[test]
    fn everything_at_first_and_then_each_series_once_for_each_time_it_changed() {
        let changes = Changes::default();
        changes.add([uid("1.2")].iter());
        assert_eq!(changes.take(), Changed::Everything);
        take(&changes, &[]);
        changes.add([uid("1.3"), uid("1.2"), uid("1.3")].iter());
        take(&changes, &["1.2", "1.3"]);
        take(&changes, &[]);
    }

    #[test]
    fn too_many_are_everything() {
        let changes = Changes::default();
        changes.take();
        let many: Vec<Uid> = (0..=MOST).map(|number| uid(&format!("1.{number}"))).collect();
        changes.add(many.iter());
        assert_eq!(changes.take(), Changed::Everything);
    }
}
