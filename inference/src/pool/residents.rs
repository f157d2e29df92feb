//! Which models are loaded, what each of them takes of the budget, who may begin, and which ones are too large for it.

use super::needs::Needs;
use crate::device::Device;
use std::collections::BTreeMap;

/// The models by name, each with its process `W` where it is idle. What runs is with who runs it.
#[derive(Debug)]
pub(super) struct Residents<W> {
    /// Bytes for all processes together.
    budget: u64,
    /// The same of the memory of a device.
    devices: BTreeMap<Device, u64>,
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
    /// What it takes of a device.
    there: Option<There>,
    /// Its processes do without large pages from now on: in one that has them it outgrew the budget.
    lean: bool,
    /// So many times what runs beside it left it too little room since a run of it came back.
    outgrew: u32,
    too_large: Option<TooLarge>,
}

/// The same three of the memory of the model's device, and what it needs there.
#[derive(Debug)]
struct There {
    device: Device,
    set_aside: u64,
    holds: u64,
    needs: Needs,
}

/// Which memory.
#[derive(Debug, Clone, Copy)]
enum Of {
    Machine,
    Device(Device),
}

/// Who had too little room beside others so often has the whole budget the next time, so that no run begins a fourth
/// time for what others do.
const OUTGREW_AT_MOST: u32 = 2;

/// This part of the budget is the most that is kept free for what a run takes until the next look.
const SOON: u64 = 64;

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
    /// `devices`: what is known of theirs.
    pub(super) fn new(budget: u64, devices: BTreeMap<Device, u64>) -> Self {
        Self { budget, devices, models: BTreeMap::new(), uses: 0 }
    }

    /// A model that was not there before: bytes of its graph, and where it runs.
    pub(super) fn known(&mut self, model: &str, graph: u64, on: Device) {
        let needs = || Needs::of_graph(graph);
        let there = || There { device: on, set_aside: 0, holds: 0, needs: needs() };
        self.models.entry(model.to_string()).or_insert_with(|| Resident {
            needs: needs(),
            there: (on != Device::Cpu).then(there),
            ..Resident::default()
        });
    }

    /// What all models together may take of the model's device, as it was told with the first process there.
    pub(super) fn budget_there(&self, model: &str) -> Option<u64> {
        let there = self.models.get(model)?.there.as_ref()?;
        self.devices.get(&there.device).copied()
    }

    /// What its process has taken of its device at the most, which is there while the process is, and what all may take there.
    pub(super) fn took_there(&mut self, model: &str, voxels: usize, took: u64, most: u64) {
        let Some(Resident { there: Some(there), ran, .. }) = self.models.get_mut(model) else {
            return;
        };
        // None: it runs on the CPU all the same.
        if took == 0 {
            return;
        }
        there.holds = there.holds.max(took);
        // It may be what an earlier run of the process took.
        match voxels.max(*ran) {
            0 => there.needs.opened(took, false),
            voxels => there.needs.ran(voxels, took),
        }
        self.devices.entry(there.device).or_insert(most);
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
        let needs = [Some((Of::Machine, need)), self.need_there(model, voxels)];
        let fits = |(of, need): &(Of, u64)| {
            let busy = self.busy_beside(model, *of);
            busy == 0 || busy.saturating_add(*need) <= self.budget_of(*of)
        };
        let itself = self.models.get(model).is_some_and(|resident| resident.set_aside.is_some());
        if itself || !needs.iter().flatten().all(fits) {
            return Admission::Later;
        }
        let mut gone = Vec::new();
        for (of, need) in needs.into_iter().flatten() {
            gone.extend(self.make_room(model, need, of));
        }
        let resident = self.resident(model);
        resident.set_aside = Some(need);
        if let (Some(there), Some((_, need))) = (&mut resident.there, needs[1]) {
            there.set_aside = need;
        }
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

    /// Of its device, where what there is of that is known. More than all of it is no reason to wait: the run finds out, and
    /// goes on with less at a time or on the CPU.
    fn need_there(&self, model: &str, voxels: usize) -> Option<(Of, u64)> {
        let there = self.models.get(model)?.there.as_ref()?;
        let budget = self.devices.get(&there.device)?;
        Some((Of::Device(there.device), there.needs.of(voxels).max(there.holds).min(*budget)))
    }

    fn budget_of(&self, of: Of) -> u64 {
        match of {
            Of::Machine => self.budget,
            Of::Device(device) => self.devices.get(&device).copied().unwrap_or(u64::MAX),
        }
    }

    /// What the others take that do something.
    fn busy_beside(&self, model: &str, of: Of) -> u64 {
        let busy = self.others(model).filter(|other| other.set_aside.is_some());
        busy.map(|other| other.takes(of)).sum()
    }

    fn beside(&self, model: &str, of: Of) -> u64 {
        self.others(model).map(|other| other.takes(of)).sum()
    }

    fn others(&self, model: &str) -> impl Iterator<Item = &Resident<W>> {
        self.models.iter().filter(move |(name, _)| *name != model).map(|(_, other)| other)
    }

    /// Gives those that must go so that there are so many bytes for the model, the one that was not used for longest first.
    fn make_room(&mut self, model: &str, wanted: u64, of: Of) -> Vec<(String, W)> {
        let mut gone = Vec::new();
        while self.beside(model, of).saturating_add(wanted) > self.budget_of(of) {
            let others = self.models.iter_mut().filter(|(name, _)| *name != model);
            let idle = others.filter(|(_, other)| other.idle.is_some() && other.takes(of) > 0);
            let Some((name, resident)) = idle.min_by_key(|(_, resident)| resident.used) else {
                break;
            };
            resident.has_ended();
            gone.extend(resident.idle.take().map(|worker| (name.clone(), worker)));
        }
        gone
    }

    /// What the process of the model has taken by now, while it opens the graph or runs on so many voxels.
    pub(super) fn grows(&mut self, model: &str, voxels: usize, bytes: u64) -> Growth<W> {
        let budget = self.budget;
        let resident = self.resident(model);
        let grown = bytes.saturating_sub(resident.holds);
        resident.holds = resident.holds.max(bytes);
        let within = resident.set_aside.is_some_and(|set_aside| bytes <= set_aside);
        if within && bytes <= budget {
            return Growth::Fits(Vec::new());
        }
        if bytes > budget {
            return self.outgrown(model, voxels, bytes);
        }
        if self.busy_beside(model, Of::Machine).saturating_add(bytes) <= budget {
            self.resident(model).set_aside = Some(bytes);
            // It may grow as much again until the next look; idle models are not unloaded for more than a little of that.
            let soon = bytes.saturating_add(grown.min(budget / SOON));
            return Growth::Fits(self.make_room(model, soon, Of::Machine));
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
        let fits = self.busy_beside(model, Of::Machine).saturating_add(bytes) <= self.budget;
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
        self.make_room(model, bytes, Of::Machine)
    }

    /// Nothing is set aside for it any more. Where it is not idle by now its process is gone.
    pub(super) fn leave(&mut self, model: &str) {
        if let Some(resident) = self.models.get_mut(model) {
            resident.set_aside = None;
            if let Some(there) = &mut resident.there {
                there.set_aside = 0;
            }
            if resident.idle.is_none() {
                resident.has_ended();
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
    fn takes(&self, of: Of) -> u64 {
        match (of, &self.there) {
            (Of::Machine, _) => self.holds.max(self.set_aside.unwrap_or(0)),
            (Of::Device(device), Some(there)) if there.device == device => {
                there.holds.max(there.set_aside)
            }
            (Of::Device(_), _) => 0,
        }
    }

    /// Its process.
    fn has_ended(&mut self) {
        (self.holds, self.ran) = (0, 0);
        if let Some(there) = &mut self.there {
            there.holds = 0;
        }
    }
}

impl<W> Default for Resident<W> {
    fn default() -> Self {
        let (idle, set_aside, needs, too_large) = (None, None, Needs::default(), None);
        let (holds, ran, outgrew) = (0, 0, 0);
        let (used, there, lean) = (0, None, false);
        Self { idle, set_aside, used, holds, ran, needs, there, lean, outgrew, too_large }
    }
}

#[cfg(test)]
mod tests;
