//! Images that were read ahead, within a bound, until a job takes them or nobody wants them any more.

use gantry_inference::assembly::ImageSlices;
use gantry_store::digest::Digest;
use gantry_terms::uid::Uid;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// An image as one input of a model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub sop_instance: Uid,
    /// Digest of the model's manifest, which says how.
    pub manifest: String,
    /// The input's name.
    pub input: String,
}

/// What was read, by the series or the study that a rule would run on.
#[derive(Debug)]
pub struct Kept {
    /// Bytes of voxels that may be kept.
    most: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    read: HashMap<Uid, Read>,
}

#[derive(Debug)]
struct Read {
    images: HashMap<Wanted, (Digest, ImageSlices)>,
    /// What could not be read, or found no room: its job will see to it.
    left: HashSet<Wanted>,
    /// When the last image was put.
    touched: Instant,
}

impl Held {
    fn of(&mut self, on: &Uid) -> &mut Read {
        let touched = Instant::now();
        let of = self.read.entry(on.clone()).or_insert_with(|| Read {
            images: HashMap::new(),
            left: HashSet::new(),
            touched,
        });
        of.touched = touched;
        of
    }
}

impl Kept {
    /// 0: nothing is read ahead.
    pub fn new(most: u64) -> Self {
        Self { most, held: Mutex::default() }
    }

    pub fn is_off(&self) -> bool {
        self.most == 0
    }

    pub fn has(&self, on: &Uid, wanted: &Wanted) -> bool {
        self.held().read.get(on).is_some_and(|of| of.images.contains_key(wanted))
    }

    /// Whether there is still something to be done about it.
    pub fn lacks(&self, on: &Uid, wanted: &Wanted) -> bool {
        let held = self.held();
        let of = held.read.get(on);
        of.is_none_or(|of| !of.images.contains_key(wanted) && !of.left.contains(wanted))
    }

    /// Is not tried again.
    pub fn leave(&self, on: &Uid, wanted: Wanted) {
        self.held().of(on).left.insert(wanted);
    }

    pub fn voxels_left(&self) -> usize {
        let left = self.most.saturating_sub(self.held().bytes) / size_of::<f32>() as u64;
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Whether an image of so many bytes, as it was sent, may be read: its voxels take twice of that.
    pub fn has_room_for(&self, sent: u64) -> bool {
        self.held().bytes.saturating_add(sent.saturating_mul(2)) <= self.most
    }

    /// False where there is no room: then the job reads the image itself.
    pub fn put(&self, on: &Uid, wanted: Wanted, digest: Digest, image: ImageSlices) -> bool {
        let mut held = self.held();
        let bytes = image.bytes();
        if held.bytes + bytes > self.most {
            return false;
        }
        let before = held.of(on).images.insert(wanted, (digest, image));
        held.bytes += bytes;
        held.bytes -= before.map_or(0, |(_, image)| image.bytes());
        true
    }

    /// What was read of these very bytes, once.
    pub fn take(&self, on: &Uid, wanted: &Wanted, digest: &Digest) -> Option<ImageSlices> {
        let mut held = self.held();
        let of = held.read.get_mut(on)?;
        let (of_bytes, image) = of.images.remove(wanted)?;
        if of.images.is_empty() && of.left.is_empty() {
            held.read.remove(on);
        }
        held.bytes -= image.bytes();
        (of_bytes == *digest).then_some(image)
    }

    /// What got nothing for so long: no rule ran on it after all, or its job waits for others.
    pub fn forget_idle(&self, idle: Duration) {
        let mut held = self.held();
        let Held { bytes, read } = &mut *held;
        read.retain(|_, of| {
            let stays = of.touched.elapsed() < idle;
            if !stays {
                *bytes -= of.images.values().map(|(_, image)| image.bytes()).sum::<u64>();
            }
            stays
        });
    }

    /// Of voxels, in memory.
    pub fn bytes(&self) -> u64 {
        self.held().bytes
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
