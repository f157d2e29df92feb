//! What was kept last, in memory as well: segments are written past the page cache, so that whoever sends it on at once would wait for the disk.

use crate::digest::Digest;
use bytes::Bytes;
use gantry_terms::uid::Uid;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Part 10 files up to a number of bytes; the oldest go first, whether they were asked for or not.
#[derive(Default)]
pub(crate) struct Recent {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    objects: HashMap<Uid, Object>,
    /// As they came.
    order: VecDeque<Uid>,
    room: usize,
}

struct Object {
    digest: Digest,
    part10: Bytes,
    /// Memory that it stands in.
    room: usize,
}

impl Recent {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: Mutex::default() }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.most > 0
    }

    /// The one that was there under this SOP Instance UID goes.
    pub(crate) fn hold(&self, sop_instance: Uid, digest: Digest, part10: Bytes, room: usize) {
        // Their memory is given back when nobody waits for the lock any more: what is declared last goes first.
        let mut over = Vec::new();
        let mut guard = self.held();
        let held = &mut *guard;
        if let Some(before) = held.objects.remove(&sop_instance) {
            held.room -= before.room;
            held.order.retain(|uid| *uid != sop_instance);
            over.push(before);
        }
        if room > self.most {
            return;
        }
        held.room += room;
        held.order.push_back(sop_instance.clone());
        held.objects.insert(sop_instance, Object { digest, part10, room });
        while held.room > self.most {
            let Some(oldest) = held.order.pop_front() else { break };
            if let Some(object) = held.objects.remove(&oldest) {
                held.room -= object.room;
                over.push(object);
            }
        }
    }

    /// The Part 10 file whose data set has this digest.
    pub(crate) fn get(&self, sop_instance: &Uid, digest: &Digest) -> Option<Bytes> {
        let held = self.held();
        let object = held.objects.get(sop_instance)?;
        (object.digest == *digest).then(|| object.part10.clone())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: usize) -> Uid {
        Uid::parse(&format!("1.2.{number}")).expect("a UID")
    }

    fn held(recent: &Recent) -> (usize, usize, usize) {
        let held = recent.held();
        (held.objects.len(), held.order.len(), held.room)
    }

    #[test]
    fn the_oldest_go_and_what_came_anew_counts_once() {
        let recent = Recent::new(100);
        let hold = |number: usize, digest: u8| {
            let part10 = Bytes::copy_from_slice(&[number as u8, digest]);
            recent.hold(uid(number), [digest; 16], part10, 30);
        };
        (0..3).for_each(|number| hold(number, 1));
        hold(0, 2);
        assert_eq!(recent.get(&uid(0), &[1; 16]), None, "those bytes are no longer kept");
        assert_eq!(recent.get(&uid(0), &[2; 16]).as_deref(), Some(&[0, 2][..]));
        assert_eq!(held(&recent).2, 90);
        hold(3, 1);
        assert_eq!(recent.get(&uid(1), &[1; 16]), None, "it was the oldest then");
        for (number, digest) in [(0, 2), (2, 1), (3, 1)] {
            assert!(recent.get(&uid(number), &[digest; 16]).is_some(), "{number}");
        }
        (4..400).for_each(|number| hold(number, 1));
        assert_eq!(held(&recent), (3, 3, 90));
        recent.hold(uid(399), [2; 16], Bytes::new(), 101);
        assert_eq!(recent.get(&uid(399), &[2; 16]), None, "it is larger than all of the room");
        assert_eq!(held(&recent).2, 60, "and takes no other's, but for what it takes the place of");
    }
}
