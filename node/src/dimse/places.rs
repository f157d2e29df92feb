//! Limits of how many at a time, of all and of each: a place is taken and given back by itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places for all together; each `K` may have a limit of its own.
pub(super) struct Places<K> {
    most: usize,
    taken: Mutex<Taken<K>>,
}

struct Taken<K> {
    all: usize,
    by: HashMap<K, usize>,
}

/// Free again when dropped.
pub(super) struct Place<K: Hash + Eq> {
    places: Arc<Places<K>>,
    whose: K,
}

/// Which limit leaves no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Own,
}

impl<K: Hash + Eq + Clone> Places<K> {
    pub fn new(most: usize) -> Arc<Self> {
        let taken = Mutex::new(Taken { all: 0, by: HashMap::new() });
        Arc::new(Self { most, taken })
    }

    /// A place for `whose`, who may have `most` at a time.
    pub fn take(self: &Arc<Self>, whose: K, most: usize) -> Result<Place<K>, Full> {
        let mut taken = self.taken();
        let own = taken.by.get(&whose).copied().unwrap_or_default();
        if own >= most {
            return Err(Full::Own);
        }
        if taken.all >= self.most {
            return Err(Full::All);
        }
        taken.all += 1;
        taken.by.insert(whose.clone(), own + 1);
        Ok(Place { places: self.clone(), whose })
    }
}

impl<K> Places<K> {
    /// Counts only: nothing in here panics half way.
    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_limit_all_have_one_together_and_what_is_given_back_can_be_taken_again() {
        let places = Places::new(3);
        let first = places.take("CT1", 2).expect("free");
        let _second = places.take("CT1", 2).expect("free");
        assert_eq!(places.take("CT1", 2).err(), Some(Full::Own));
        let other = places.take("CT2", 2).expect("free");
        assert_eq!(places.take("CT2", 2).err(), Some(Full::All));
        drop(first);
        assert!(places.take("CT1", 2).is_ok());
        drop(other);
        assert_eq!(places.taken().by.len(), 1, "who has no place is forgotten");
    }
}
