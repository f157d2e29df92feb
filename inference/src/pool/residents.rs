//! Which models are loaded, what each of them takes of the budget, who may begin, and which ones are too large for it.

use super::needs::Needs;
use std::collections::BTreeMap;

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
    /// Set aside for what its process does now: opening the graph, or a run; as much as it takes, where that is more.
    set_aside: Option<u64>,
    /// Higher: used later.
    used: u64,
    /// The most bytes that the process which is there has taken; 0: there is none.
    holds: u64,
    /// Voxels of the largest run that this process has answered; 0: it has opened its graph only.
    ran: usize,
    needs: Needs,
    /// Its processes do without large pages from now on: in one that has them it outgrew the budget.
    lean: bool,
    /// So many times what runs beside it left it too little room since a run of it came back.
    outgrew: u32,
    too_large: Option<TooLarge>,
}

/// Who had too little room beside others so often has the whole budget the next time, so that no run begins a fourth
/// time for what others do.
const OUTGREW_AT_MOST: u32 = 2;

/// What took more than the whole budget.
#[derive(Debug, Clone, Copy)]
struct TooLarge {
    /// At least so many in one run; 0: opening its graph was enough.
    voxels: usize,
    bytes: u64,
}

/// May it begin?
#[derive(Debug)]
pub(super) enum Admission<W> {
    /// In this process, if there is one, and when those have gone.
    Now { worker: Option<W>, gone: Vec<(String, W)> },
    /// Others have to end first.
    Later,
    /// It can never fit: why.
    Never(String),
}

/// May it go on?
#[derive(Debug)]
pub(super) enum Growth<W> {
    /// When those have gone.
    Fits(Vec<(String, W)>),
    /// It took more than was set aside for it, and nothing that is idle is left to go, or more than it would in a process
    /// of its own: again, in another one, when there is room.
    Again,
    /// It can never fit: why.
    Never(String),
}

impl<W> Residents<W> {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, models: BTreeMap::new(), uses: 0 }
    }

    /// A model that was not there before: bytes of its graph.
    pub(super) fn known(&mut self, model: &str, graph: u64) {
        self.models
            .entry(model.to_string())
            .or_insert_with(|| Resident { needs: Needs::of_graph(graph), ..Resident::default() });
    }

    /// As if it had never been there, but while it does something.
    pub(super) fn forget(&mut self, model: &str) -> Option<W> {
        let rests = |resident: &&mut Resident<W>| resident.set_aside.is_none();
        let idle = self.models.get_mut(model).filter(rests)?.idle.take();
        self.models.remove(model);
        idle
    }

    /// Room for a run on so many voxels, or for opening the graph. It is set aside until [`Self::leave`].
    pub(super) fn admit(&mut self, model: &str, voxels: usize) -> Admission<W> {
        if let Some(why) = self.refusal(model, voxels) {
            return Admission::Never(why);
        }
        let alone = |resident: &Resident<W>| resident.outgrew >= OUTGREW_AT_MOST;
        let need = match self.models.get(model).is_some_and(alone) {
            true => self.budget,
            false => self.need(model, voxels).min(self.budget),
        };
        let busy = self.busy_beside(model);
        let itself = self.models.get(model).is_some_and(|resident| resident.set_aside.is_some());
        if itself || (busy > 0 && busy.saturating_add(need) > self.budget) {
            return Admission::Later;
        }
        let gone = self.make_room(model, need);
        let resident = self.resident(model);
        resident.set_aside = Some(need);
        let worker = resident.idle.take();
        Admission::Now { worker, gone }
    }

    /// Why a run of the model on so many voxels would take more than all models may; asked before
    /// anything is unloaded for it.
    pub(super) fn refusal(&self, model: &str, voxels: usize) -> Option<String> {
        let resident = self.models.get(model)?;
        if let Some(found) = resident.too_large.filter(|found| voxels >= found.voxels) {
            return Some(self.why(model, found));
        }
        let least = resident.needs.least(voxels);
        (least > self.budget).then(|| {
            let [least, budget] = [least.div_ceil(1 << 20), self.budget >> 20];
            let what = match voxels {
                0 => "for its graph".to_string(),
                _ => format!("for its graph and {voxels} voxels"),
            };
            format!(
                "the model `{model}` needs at least {least} MiB {what}, and all models together may take \
                 {budget}: set inference.memory-mib to more than {least} if the machine has it, {}",
                match resident.needs.least(0) > self.budget {
                    true => "or take the model away",
                    false => "or let the rule select fewer images",
                }
            )
        })
    }

    fn why(&self, model: &str, TooLarge { voxels, bytes }: TooLarge) -> String {
        let [took, budget] = [bytes.div_ceil(1 << 20), self.budget >> 20];
        let (what, or) = match voxels {
            0 => ("to open its graph".to_string(), "take the model away"),
            _ => (format!("for {voxels} voxels"), "let the rule select fewer images"),
        };
        format!(
            "the model `{model}` took at least {took} MiB {what}, and all models together may take {budget}: set \
             inference.memory-mib to more than {took} if the machine has it, or {or}"
        )
    }

    /// What a run takes when it is over, as far as is known, in the process that is there.
    fn need(&self, model: &str, voxels: usize) -> u64 {
        let of = |resident: &Resident<W>| resident.needs.of(voxels).max(resident.holds);
        self.models.get(model).map_or(0, of)
    }

    /// What the others take that do something.
    fn busy_beside(&self, model: &str) -> u64 {
        self.others(model).filter(|other| other.set_aside.is_some()).map(Resident::takes).sum()
    }

    fn beside(&self, model: &str) -> u64 {
        self.others(model).map(Resident::takes).sum()
    }

    fn others(&self, model: &str) -> impl Iterator<Item = &Resident<W>> {
        self.models.iter().filter(move |(name, _)| *name != model).map(|(_, other)| other)
    }

    /// Gives those that must go so that there are so many bytes for the model, the one that was not used for longest first.
    fn make_room(&mut self, model: &str, wanted: u64) -> Vec<(String, W)> {
        let mut gone = Vec::new();
        while self.beside(model).saturating_add(wanted) > self.budget {
            let others = self.models.iter_mut().filter(|(name, _)| *name != model);
            let idle = others.filter(|(_, resident)| resident.idle.is_some());
            let Some((name, resident)) = idle.min_by_key(|(_, resident)| resident.used) else {
                break;
            };
            resident.holds = 0;
            gone.extend(resident.idle.take().map(|worker| (name.clone(), worker)));
        }
        gone
    }

    /// What the process of the model has taken by now, while it opens the graph or runs on so many voxels.
    pub(super) fn grows(&mut self, model: &str, voxels: usize, bytes: u64) -> Growth<W> {
        let budget = self.budget;
        let resident = self.resident(model);
        resident.holds = resident.holds.max(bytes);
        let within = resident.set_aside.is_some_and(|set_aside| bytes <= set_aside);
        if within && bytes <= budget {
            return Growth::Fits(Vec::new());
        }
        if bytes > budget {
            return self.outgrown(model, voxels, bytes);
        }
        if self.busy_beside(model).saturating_add(bytes) <= budget {
            self.resident(model).set_aside = Some(bytes);
            return Growth::Fits(self.make_room(model, bytes));
        }
        // The next time more is set aside, so that this comes to an end.
        let resident = self.resident(model);
        resident.outgrew += 1;
        match voxels {
            0 => resident.needs.opened(bytes.saturating_add(bytes / 8), false),
            _ => resident.needs.ran(voxels.max(resident.ran), bytes),
        }
        Growth::Again
    }

    /// More than the whole budget. What earlier runs left in a process is no fault of this one, nor are large pages, which
    /// count as a whole where a part is used: only what a lean process takes in which nothing ran before tells what
    /// the run takes. The least of those counts from then on.
    fn outgrown(&mut self, model: &str, voxels: usize, bytes: u64) -> Growth<W> {
        let resident = self.resident(model);
        if resident.ran > 0 || !resident.lean {
            resident.lean = true;
            return Growth::Again;
        }
        resident.outgrew = 0;
        let found = TooLarge { voxels, bytes };
        if resident.too_large.is_none_or(|known| voxels < known.voxels) {
            resident.too_large = Some(found);
        }
        Growth::Never(self.why(model, found))
    }

    /// Whether its next process does without large pages.
    pub(super) fn is_lean(&self, model: &str) -> bool {
        self.models.get(model).is_some_and(|resident| resident.lean)
    }

    /// A new process has opened the graph, and took so many bytes.
    pub(super) fn opened(&mut self, model: &str, bytes: u64) {
        let resident = self.resident(model);
        (resident.holds, resident.ran) = (bytes, 0);
        resident.needs.opened(bytes, resident.lean);
    }

    /// It has opened its graph, or run on so many voxels, took so many bytes at most by now, and is idle.
    /// Gives who has to go then: itself if that was more than the budget, or than what others leave of it.
    pub(super) fn back(
        &mut self,
        model: &str,
        worker: W,
        voxels: usize,
        bytes: u64,
    ) -> Vec<(String, W)> {
        if bytes > self.budget {
            self.outgrown(model, voxels, bytes);
            return vec![(model.to_string(), worker)];
        }
        let fits = self.busy_beside(model).saturating_add(bytes) <= self.budget;
        self.uses += 1;
        let used = self.uses;
        let resident = self.resident(model);
        resident.outgrew = 0;
        resident.ran = resident.ran.max(voxels);
        if resident.ran > 0 {
            resident.needs.ran(resident.ran, bytes);
        }
        if !fits {
            return vec![(model.to_string(), worker)];
        }
        resident.idle = Some(worker);
        resident.used = used;
        resident.holds = bytes;
        self.make_room(model, bytes)
    }

    /// Nothing is set aside for it any more. Where it is not idle by now its process is gone.
    pub(super) fn leave(&mut self, model: &str) {
        if let Some(resident) = self.models.get_mut(model) {
            resident.set_aside = None;
            if resident.idle.is_none() {
                (resident.holds, resident.ran) = (0, 0);
            }
        }
    }

    /// The most bytes that its processes took while they kept to the budget.
    pub(super) fn peak(&self, model: &str) -> Option<u64> {
        self.models.get(model)?.needs.most()
    }

    fn resident(&mut self, model: &str) -> &mut Resident<W> {
        self.models.entry(model.to_string()).or_default()
    }
}

impl<W> Resident<W> {
    fn takes(&self) -> u64 {
        self.holds.max(self.set_aside.unwrap_or(0))
    }
}

impl<W> Default for Resident<W> {
    fn default() -> Self {
        let (idle, set_aside, needs, too_large) = (None, None, Needs::default(), None);
        let (holds, ran, outgrew) = (0, 0, 0);
        Self { idle, set_aside, used: 0, holds, ran, needs, lean: false, outgrew, too_large }
    }
}

#[cfg(test)]
mod tests;
