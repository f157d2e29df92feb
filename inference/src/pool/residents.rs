//! Which models are loaded, what each of them takes of the budget, and which ones are too large for it.

use std::collections::BTreeMap;

/// What a voxel is taken to need in a run until it is known: float32 ten times over, for the images on their way, the graph's
/// input and output, and what lies between them. Less is found out while it runs, when it may be too late.
const GUESS: u64 = 10 * 4;

/// The models by name, each with its process `W` where it is idle. What runs is with who runs it.
#[derive(Debug)]
pub(super) struct Residents<W> {
    /// Bytes for all processes together.
    budget: u64,
    models: BTreeMap<String, Resident<W>>,
    uses: u64,
}

#[derive(Debug)]
struct Resident<W> {
    idle: Option<W>,
    /// Another device's run, while this one is asked for room.
    runs: bool,
    /// Higher: used later.
    used: u64,
    /// The most bytes that its processes took while they kept to the budget; 0: not known.
    peak: u64,
    /// The most voxels of a run that is in the peak; 0: only its graph was opened.
    voxels: usize,
    too_large: Option<TooLarge>,
}

/// What took more than the whole budget.
#[derive(Debug, Clone, Copy)]
struct TooLarge {
    /// At least so many in one run; 0: opening its graph was enough.
    voxels: usize,
    bytes: u64,
}

impl<W> Residents<W> {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, models: BTreeMap::new(), uses: 0 }
    }

    /// Why a run of the model on so many voxels would take more than all models may; asked before
    /// anything is unloaded for it.
    pub(super) fn refusal(&self, model: &str, voxels: usize) -> Option<String> {
        let found = self.models.get(model)?.too_large?;
        (voxels >= found.voxels).then(|| self.why(model, found))
    }

    fn why(&self, model: &str, TooLarge { voxels, bytes }: TooLarge) -> String {
        let [took, budget] = [bytes.div_ceil(1 << 20), self.budget >> 20];
        let what = match voxels {
            0 => "to open its graph".to_string(),
            _ => format!("for {voxels} voxels"),
        };
        format!(
            "the model `{model}` took {took} MiB {what}, and all models together may take {budget}: set \
             inference.memory-mib to more than {took} if the machine has it, or take the model away"
        )
    }

    /// Idle until now.
    pub(super) fn take(&mut self, model: &str) -> Option<W> {
        self.models.get_mut(model)?.idle.take()
    }

    /// What is known of the model's need, or `now` where it takes more already, has to fit: gives those
    /// that must go for it, the one that was not used for longest first.
    pub(super) fn make_room(&mut self, model: &str, now: u64) -> Vec<(String, W)> {
        let wanted = self.models.get(model).map_or(0, |resident| resident.peak).max(now);
        let mut gone = Vec::new();
        while self.beside(model).saturating_add(wanted) > self.budget {
            let others = self.models.iter_mut().filter(|(name, _)| *name != model);
            let idle = others.filter(|(_, resident)| resident.idle.is_some());
            let Some((name, resident)) = idle.min_by_key(|(_, resident)| resident.used) else {
                break;
            };
            gone.extend(resident.idle.take().map(|worker| (name.clone(), worker)));
        }
        gone
    }

    /// The same before a run on so many voxels.
    pub(super) fn make_room_for(&mut self, model: &str, voxels: usize) -> Vec<(String, W)> {
        let need = self.need(model, voxels);
        self.make_room(model, need)
    }

    /// An eighth more than was found, since no run takes what the last one took; in proportion for more voxels than it
    /// ever had; or a guess.
    fn need(&self, model: &str, voxels: usize) -> u64 {
        let (peak, known) =
            self.models.get(model).map_or((0, 0), |found| (found.peak, found.voxels));
        if known == 0 {
            return peak.saturating_add(GUESS.saturating_mul(voxels as u64));
        }
        let parts = (voxels as f64 / known as f64).max(1.0);
        ((peak + peak / 8) as f64 * parts) as u64
    }

    /// A run of the model begins or has ended: what it takes is not there for those on other devices.
    pub(super) fn running(&mut self, model: &str, runs: bool) {
        self.resident(model).runs = runs;
    }

    /// What the others take that are loaded.
    fn beside(&self, model: &str) -> u64 {
        let others = self.models.iter().filter(|(name, _)| *name != model);
        let loaded = others.filter(|(_, other)| other.idle.is_some() || other.runs);
        loaded.map(|(_, other)| other.peak).sum()
    }

    /// It has opened its graph, or run on so many voxels, took so many bytes at most by now, and is idle.
    /// Gives who has to go then: itself if that was more than the budget.
    pub(super) fn back(
        &mut self,
        model: &str,
        worker: W,
        voxels: usize,
        bytes: u64,
    ) -> Vec<(String, W)> {
        if bytes > self.budget {
            self.exceeded(model, voxels, bytes);
            return vec![(model.to_string(), worker)];
        }
        self.uses += 1;
        let used = self.uses;
        let resident = self.resident(model);
        resident.idle = Some(worker);
        resident.used = used;
        resident.peak = resident.peak.max(bytes);
        resident.voxels = resident.voxels.max(voxels);
        self.make_room(model, bytes)
    }

    /// A run on so many voxels took more than the budget. The least of them counts from then on.
    pub(super) fn exceeded(&mut self, model: &str, voxels: usize, bytes: u64) -> String {
        let found = TooLarge { voxels, bytes };
        let resident = self.resident(model);
        if resident.too_large.is_none_or(|known| voxels < known.voxels) {
            resident.too_large = Some(found);
        }
        self.why(model, found)
    }

    pub(super) fn exceeds(&self, bytes: u64) -> bool {
        bytes > self.budget
    }

    /// The most bytes that its processes took while they kept to the budget.
    pub(super) fn peak(&self, model: &str) -> Option<u64> {
        self.models.get(model).map(|resident| resident.peak).filter(|peak| *peak > 0)
    }

    fn resident(&mut self, model: &str) -> &mut Resident<W> {
        let unknown =
            || Resident { idle: None, runs: false, used: 0, peak: 0, voxels: 0, too_large: None };
        self.models.entry(model.to_string()).or_insert_with(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn names(gone: Vec<(String, &str)>) -> Vec<String> {
        gone.into_iter().map(|(name, _)| name).collect()
    }

    /// As the pool does it: room, then a run on so many voxels that took so many MiB.
    fn run(residents: &mut Residents<&'static str>, model: &str, mib: u64) -> Vec<String> {
        let mut gone = names(residents.make_room(model, 0));
        let worker = residents.take(model).unwrap_or("new");
        gone.extend(names(residents.back(model, worker, 100, mib * MIB)));
        gone
    }

    #[test]
    fn what_was_not_used_for_longest_goes_until_the_known_need_fits() {
        let mut residents = Residents::new(100 * MIB);
        let none: [String; 0] = [];
        assert_eq!(run(&mut residents, "a", 30), none);
        assert_eq!(run(&mut residents, "b", 30), none);
        assert_eq!(run(&mut residents, "c", 40), none);
        assert_eq!(run(&mut residents, "a", 30), none);
        assert_eq!(run(&mut residents, "d", 20), ["b"], "it is known only behind its run");
        assert!(residents.take("d").is_some(), "it runs");
        assert_eq!(names(residents.make_room("d", 20 * MIB)), none);
        assert_eq!(names(residents.make_room("d", 31 * MIB)), ["c"], "it grows while it runs");
        assert_eq!(run(&mut residents, "c", 40), none);
        assert_eq!(run(&mut residents, "b", 30), none, "exactly the budget");
        assert_eq!(run(&mut residents, "e", 90), ["a", "c", "b"]);
        assert_eq!(run(&mut residents, "a", 30), ["e"], "as its need is known");
    }

    #[test]
    fn room_is_made_before_a_run_whose_need_is_not_known_yet() {
        let mut residents = Residents::new(100 * MIB);
        run(&mut residents, "a", 30);
        assert!(residents.back("b", "opened", 0, 10 * MIB).is_empty());
        let of_mib = |mib: u64| (mib * MIB / GUESS) as usize;
        assert!(residents.make_room_for("b", of_mib(60)).is_empty(), "30, and 10 and 60");
        assert_eq!(names(residents.make_room_for("b", of_mib(61))), ["a"]);
        run(&mut residents, "a", 30);
        let worker = residents.take("b").expect("it stays");
        assert!(residents.back("b", worker, 1000, 20 * MIB).is_empty());
        assert!(
            residents.make_room_for("b", 3111).is_empty(),
            "30, and 70 of 100: 20 and an eighth, 3.111 times"
        );
        assert_eq!(names(residents.make_room_for("b", 3112)), ["a"]);
        assert!(residents.make_room_for("b", 10).is_empty(), "what is known fits");
        assert!(residents.make_room_for("new", usize::MAX).iter().any(|(name, _)| name == "b"));
    }

    #[test]
    fn what_runs_on_another_device_is_counted_until_it_has_ended() {
        let mut residents = Residents::new(100 * MIB);
        for (model, mib) in [("a", 60), ("b", 30), ("c", 20)] {
            run(&mut residents, model, mib);
        }
        assert!(residents.take("a").is_none(), "it went for c");
        run(&mut residents, "a", 60);
        residents.running("a", true);
        assert!(residents.take("a").is_some());
        run(&mut residents, "b", 30);
        assert_eq!(names(residents.make_room("c", 20 * MIB)), ["b"]);
        residents.running("a", false);
        run(&mut residents, "b", 30);
        assert!(residents.make_room("c", 20 * MIB).is_empty());
    }

    #[test]
    fn what_needs_more_than_the_budget_is_refused_and_unloads_no_other() {
        let mut residents = Residents::new(100 * MIB);
        assert!(run(&mut residents, "a", 30).is_empty());
        assert_eq!(residents.refusal("b", 0), None);
        let gone = residents.back("b", "new", 0, 200 * MIB);
        assert_eq!(names(gone), ["b"], "its process ends");
        let why = "the model `b` took 200 MiB to open its graph, and all models together may take 100: \
                   set inference.memory-mib to more than 200 if the machine has it, or take the model away";
        assert_eq!(residents.refusal("b", 1).as_deref(), Some(why));
        assert_eq!(residents.refusal("a", 1), None);
        assert!(residents.take("a").is_some(), "it stays loaded");
    }

    #[test]
    fn a_volume_that_was_too_large_refuses_larger_ones_and_no_smaller_ones() {
        let mut residents = Residents::new(100 * MIB);
        assert!(residents.back("a", "new", 50, 60 * MIB).is_empty());
        assert_eq!(names(residents.back("a", "same", 90, 101 * MIB)), ["a"]);
        residents.exceeded("a", 95, 120 * MIB);
        assert_eq!(residents.refusal("a", 89), None);
        let why = residents.refusal("a", 90).unwrap();
        assert!(why.contains("took 101 MiB for 90 voxels"), "{why}");
        residents.exceeded("a", 80, 101 * MIB);
        assert!(residents.refusal("a", 80).is_some());
    }
}
