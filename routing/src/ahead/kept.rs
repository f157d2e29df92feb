//! Images that were read ahead, within a bound, until a job takes them or nobody wants them any more.

use gantry_inference::assembly::ImageSlices;
use gantry_store::digest::Digest;
use gantry_terms::uid::Uid;
use std::collections::HashMap;
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

/// What was read, by series.
#[derive(Debug)]
pub struct Kept {
    /// Bytes of voxels that may be kept.
    most: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    series: HashMap<Uid, OfSeries>,
}

#[derive(Debug)]
struct OfSeries {
    images: HashMap<Wanted, (Digest, ImageSlices)>,
    /// When the last image was put.
    touched: Instant,
}

impl Kept {
    /// 0: nothing is read ahead.
    pub fn new(most: u64) -> Self {
        Self { most, held: Mutex::default() }
    }

    pub fn is_off(&self) -> bool {
        self.most == 0
    }

    pub fn has(&self, series: &Uid, wanted: &Wanted) -> bool {
        self.held().series.get(series).is_some_and(|of| of.images.contains_key(wanted))
    }

    /// Whether an image of so many bytes, as it was sent, may be read: its voxels take twice of that.
    pub fn has_room_for(&self, sent: u64) -> bool {
        self.held().bytes.saturating_add(sent.saturating_mul(2)) <= self.most
    }

    /// False where there is no room: then the job reads the image itself.
    pub fn put(&self, series: &Uid, wanted: Wanted, digest: Digest, image: ImageSlices) -> bool {
        let mut held = self.held();
        let bytes = image.bytes();
        if held.bytes + bytes > self.most {
            return false;
        }
        let touched = Instant::now();
        let of = held.series.entry(series.clone());
        let of = of.or_insert_with(|| OfSeries { images: HashMap::new(), touched });
        of.touched = touched;
        let before = of.images.insert(wanted, (digest, image));
        held.bytes += bytes;
        held.bytes -= before.map_or(0, |(_, image)| image.bytes());
        true
    }

    /// What was read of these very bytes, once.
    pub fn take(&self, series: &Uid, wanted: &Wanted, digest: &Digest) -> Option<ImageSlices> {
        let mut held = self.held();
        let of = held.series.get_mut(series)?;
        let (of_bytes, image) = of.images.remove(wanted)?;
        if of.images.is_empty() {
            held.series.remove(series);
        }
        held.bytes -= image.bytes();
        (of_bytes == *digest).then_some(image)
    }

    /// Series that got nothing for so long: no rule ran on them after all, or their jobs wait for others.
    pub fn forget_idle(&self, idle: Duration) {
        let mut held = self.held();
        let Held { bytes, series } = &mut *held;
        series.retain(|_, of| {
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
