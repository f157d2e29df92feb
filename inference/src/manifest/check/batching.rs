//! What a manifest says of films that go through the graph together.

use super::super::Batching;
use super::super::written::{Inputs, Written, WrittenBatching, WrittenKind};
use super::Check;
use std::time::Duration;
use toml::Spanned;

/// Films in a run: each is held in memory as it came.
const MOST: usize = 64;
/// Longer than the run of a film that is worth a batch.
const LONGEST_WAIT_MS: u64 = 10_000;

impl Check<'_> {
    /// What batches ask of the inputs.
    pub(super) fn films_together(&mut self, written: &Written<Inputs>) {
        let Some(batching) = &written.batching else { return };
        let mut kinds = written.input.iter().map(|(_, input)| *input.kind.get_ref());
        let text = "batches are of films, kind = \"image\": the pieces of a volume have a `batch` of their \
                    own, in [input.windows]";
        self.require(kinds.all(|kind| kind == WrittenKind::Image), batching.span(), text);
        let neither = written.detections.is_empty() && written.images.is_empty();
        let text = "in a batch there are classifications and measurements: boxes and images are made of one \
                    film at a time";
        self.require(neither, batching.span(), text);
    }

    pub(super) fn batching(&mut self, written: Spanned<WrittenBatching>) -> Batching {
        let WrittenBatching { most, wait_ms } = written.into_inner();
        let fits = (2..=MOST).contains(most.get_ref());
        self.require(fits, most.span(), &format!("a batch has 2 to {MOST} films at most"));
        let wait = wait_ms.as_ref().map_or(0, |wait| *wait.get_ref());
        if let Some(written) = &wait_ms {
            let text = format!("`wait-ms` is at most {LONGEST_WAIT_MS}");
            self.require(wait <= LONGEST_WAIT_MS, written.span(), &text);
        }
        Batching { most: *most.get_ref(), wait: Duration::from_millis(wait) }
    }
}
