//! What runs of one model take, by their size: measured where it was, else estimated from what was, or guessed.

use std::collections::BTreeMap;

/// What a voxel is taken to need in a run until it is known: float32 ten times over, for the images on their way, the graph's
/// input and output, and what lies between them. Less is found out while it runs, when it may be too late.
pub(super) const GUESS: u64 = 10 * 4;
/// What a process takes beside its graph until it is known: its code, ONNX Runtime, and what these keep.
pub(super) const EMPTY: u64 = 48 << 20;
/// A voxel on its way to the graph, whatever the model does with it: float32.
const VOXEL: u64 = 4;

/// In bytes.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Of the file.
    graph: u64,
    /// What opening the graph took, the last time; 0: not known.
    opened: u64,
    /// The same in a lean process.
    opened_lean: u64,
    /// Of the largest run of each magnitude of two: its voxels, and the most that a process took whose largest
    /// run it was.
    runs: BTreeMap<u32, (usize, u64)>,
}

impl Needs {
    pub(super) fn of_graph(graph: u64) -> Self {
        Self { graph, ..Self::default() }
    }

    pub(super) fn opened(&mut self, bytes: u64, lean: bool) {
        self.opened = bytes;
        if lean {
            self.opened_lean = bytes;
        }
    }

    /// A process took so much whose largest run was on so many voxels.
    pub(super) fn ran(&mut self, voxels: usize, bytes: u64) {
        let known = self.runs.entry(voxels.max(1).ilog2()).or_default();
        *known = (known.0.max(voxels), known.1.max(bytes));
    }

    /// To open the graph, and for a run on so many voxels. An eighth more than was found, since no run takes what the last
    /// one took: of the smallest run that was as large; in proportion for more voxels than there ever were; or a guess.
    pub(super) fn of(&self, voxels: usize) -> u64 {
        let open = match self.opened {
            0 => self.graph.saturating_mul(2).saturating_add(EMPTY),
            opened => opened,
        };
        if voxels == 0 {
            return open;
        }
        let as_large = self.runs.values().find(|(known, _)| *known >= voxels);
        let known = as_large.or_else(|| self.runs.values().next_back());
        let Some((known, bytes)) = known else {
            return open.saturating_add(GUESS.saturating_mul(voxels as u64));
        };
        let parts = (voxels as f64 / *known as f64).max(1.0);
        open.max(((bytes + bytes / 8) as f64 * parts) as u64)
    }

    /// What no run on so many voxels does without: the graph, and the numbers of the voxels; beside what opening the graph took
    /// where no large pages are counted in that. The file is read once for its digest, and what that took may hold
    /// voxels afterwards.
    pub(super) fn least(&self, voxels: usize) -> u64 {
        let voxels = VOXEL.saturating_mul(voxels as u64);
        let beside = self.opened_lean.saturating_sub(self.graph);
        self.graph.max(self.opened_lean).max(beside.saturating_add(voxels))
    }

    /// The most that was found.
    pub(super) fn most(&self) -> Option<u64> {
        let runs = self.runs.values().map(|(_, bytes)| *bytes);
        runs.chain([self.opened]).max().filter(|bytes| *bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_run_is_estimated_by_the_next_larger_one_by_proportion_or_by_a_guess() {
        let mut needs = Needs::of_graph(10 * MIB);
        assert_eq!(needs.of(0), EMPTY + 20 * MIB, "not even opened");
        needs.opened(80 * MIB, false);
        assert_eq!(needs.of(0), 80 * MIB);
        assert_eq!(needs.of(MIB as usize), 120 * MIB, "a guess");
        needs.ran(1000, 160 * MIB);
        needs.ran(100_000, 800 * MIB);
        for (voxels, mib) in [(1, 180), (1000, 180), (1001, 900), (100_000, 900), (200_000, 1800)] {
            assert_eq!(needs.of(voxels), mib * MIB, "{voxels}");
        }
        needs.ran(999, 170 * MIB);
        assert_eq!(needs.of(10), (170 * MIB) / 8 * 9, "of one magnitude the most counts");
        assert_eq!(needs.most(), Some(800 * MIB));
        assert_eq!(needs.of(usize::MAX), u64::MAX, "and nothing overflows");
    }

    #[test]
    fn no_run_does_without_the_numbers_of_its_voxels() {
        let mut needs = Needs::of_graph(100 * MIB);
        assert_eq!(needs.least(0), 100 * MIB, "a graph that was never opened");
        assert_eq!(needs.least(50 * MIB as usize), 200 * MIB);
        needs.opened(300 * MIB, false);
        assert_eq!(needs.least(0), 100 * MIB, "large pages count as a whole");
        needs.opened(250 * MIB, true);
        assert_eq!(needs.least(0), 250 * MIB);
        assert_eq!(needs.least(10 * MIB as usize), 250 * MIB, "in the place of the file");
        assert_eq!(needs.least(50 * MIB as usize), 350 * MIB);
    }
}
