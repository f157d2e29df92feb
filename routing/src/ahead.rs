//! Reads images while their series and study arrive: what a rule would run on is decoded before that is complete, so that then only the model remains.

pub mod kept;

use crate::ahead::kept::{Kept, Wanted};
use crate::facts::{self, Peers};
use crate::in_force::InForce;
use crate::rules::{Judgement, On, Selected};
use crate::versions::VersionsInForce;
use crate::wait::Stop;
use gantry_inference::assembly::{ImageSlices, Room};
use gantry_inference::manifest::{Input, InputKind};
use gantry_inference::models::Model;
use gantry_store::error::StoreError;
use gantry_store::images::{Image, SeriesImages};
use gantry_store::store::Store;
use gantry_store::study::{StudyRow, StudyState};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What arrives within this is looked at together.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// What nobody asked for is given up after this.
const IDLE: Duration = Duration::from_secs(600);
/// To judge studies, which may be large, takes one part of so many of the time.
const STUDIES_APART: u32 = 10;

/// What was seen, so that it is looked at again only when there is more of it.
#[derive(Default)]
struct Seen {
    /// Images of those that receive.
    series: HashMap<Uid, u32>,
    /// Revision and last arrival of studies that wait, and of which nothing is on its way.
    quiet: HashMap<Uid, (u32, Moment)>,
    /// Studies to be looked at.
    studies: BTreeSet<Uid>,
    /// Not before this moment.
    rest: Option<Instant>,
}

/// Beside the stations: nothing waits for it, and nothing is lost without it.
pub struct Ahead {
    pub store: Store,
    pub rules: InForce,
    pub models: VersionsInForce,
    pub peers: Peers,
    pub kept: Arc<Kept>,
}

impl Ahead {
    /// Until told to stop. Does nothing where nothing may be kept.
    pub async fn run(self, mut stop: Stop) {
        let mut seen = Seen::default();
        while !self.kept.is_off() {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            let looked = tokio::select! {
                () = stop.stopped() => return,
                looked = self.look(&mut seen) => looked,
            };
            let next = looked.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read images ahead; their jobs will read them");
                None
            });
            self.kept.forget_idle(IDLE);
            let next = next.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                () = stop.stopped() => return,
                _ = bell.changed() => tokio::time::sleep(BETWEEN_LOOKS).await,
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// At each series that has more images than when it was looked at last, and at their studies. When studies are
    /// looked at again, where it is too early for them now.
    async fn look(&self, seen: &mut Seen) -> Result<Option<Instant>, StoreError> {
        let receiving = self.store.series_receiving().await?;
        for row in &receiving {
            if seen.series.get(&row.uid) != Some(&row.instances) {
                seen.studies.insert(row.study.clone());
                self.look_at(&row.uid).await?;
            }
        }
        seen.series = receiving.into_iter().map(|row| (row.uid, row.instances)).collect();
        self.look_at_studies(seen).await
    }

    /// Judges what is there as if it were all that comes.
    async fn look_at(&self, series: &Uid) -> Result<(), StoreError> {
        let images = [self.store.images(series).await?];
        let judgements = self.rules.now().judge(&facts::of_series(&images, &self.peers));
        self.read_for(series, On::Series, &judgements, &images).await
    }

    /// Those that got more, also when their last series was complete before it was seen to arrive.
    async fn look_at_studies(&self, seen: &mut Seen) -> Result<Option<Instant>, StoreError> {
        let rules = self.rules.now();
        if !rules.rules().iter().any(|rule| rule.on == On::Study && rule.then.run.is_some()) {
            seen.studies.clear();
            return Ok(None);
        }
        let now = Instant::now();
        if let Some(rest) = seen.rest.filter(|rest| now < *rest) {
            return Ok(Some(rest));
        }
        let quiet = self.store.studies_due(Moment::now()).await?;
        let mut took = now.elapsed();
        for StudyRow { uid, revision, last_arrival, .. } in &quiet {
            if seen.quiet.get(uid) != Some(&(*revision, *last_arrival)) {
                seen.studies.insert(uid.clone());
            }
        }
        let of = |row: StudyRow| (row.uid, (row.revision, row.last_arrival));
        seen.quiet = quiet.into_iter().map(of).collect();
        while let Some(study) = seen.studies.pop_first() {
            let began = Instant::now();
            if self.may_be_decided(&study).await? {
                let images = self.store.study_images(&study).await?;
                let judgements = rules.judge_study(&facts::of_series(&images, &self.peers));
                took += began.elapsed();
                self.read_for(&study, On::Study, &judgements, &images).await?;
            }
        }
        seen.rest = Some(Instant::now() + took * STUDIES_APART);
        Ok(None)
    }

    /// Otherwise its job has begun by now, and reads what is not there yet.
    async fn may_be_decided(&self, study: &Uid) -> Result<bool, StoreError> {
        let row = self.store.study(study).await?;
        let comes = |row: &StudyRow| row.series.receiving + row.series.complete > 0;
        Ok(row.is_some_and(|row| row.state == StudyState::Waiting || comes(&row)))
    }

    /// The volumes that the models of rules on this level would get, of a series or of a study.
    async fn read_for(
        &self,
        on: &Uid,
        level: On,
        judgements: &[Judgement],
        series: &[SeriesImages],
    ) -> Result<(), StoreError> {
        let images: Vec<&Image> = series.iter().flat_map(|series| &series.images).collect();
        let versions = self.models.now();
        for judgement in judgements.iter().filter(|judged| judged.runs && judged.on == level) {
            let called = judgement.model();
            let Some(model) = called.and_then(|called| versions.runs(called, on)) else { continue };
            for selected in &judgement.for_model {
                if let Some(input) = input_of(model, selected) {
                    let images = selected.images.among(&images).copied();
                    self.read_all(on, model, input, images).await?;
                }
            }
        }
        Ok(())
    }

    /// What there is room for.
    async fn read_all<'a>(
        &self,
        on: &Uid,
        model: &Model,
        input: &Input,
        images: impl Iterator<Item = &'a Image>,
    ) -> Result<(), StoreError> {
        for (at, image) in images.enumerate() {
            let wanted = wanted(model, input, &image.identity.sop_instance);
            if self.kept.lacks(on, &wanted) && self.kept.has_room_for(image.bytes) {
                self.read(on, image, at + 1, input, wanted).await?;
            }
        }
        Ok(())
    }

    /// Why one cannot be read is told by its job.
    async fn read(
        &self,
        on: &Uid,
        image: &Image,
        place: usize,
        input: &Input,
        wanted: Wanted,
    ) -> Result<(), StoreError> {
        // One that was evicted, or is damaged, keeps no other from being read.
        let Ok(found) = self.store.object_and_digest(&image.identity.sop_instance).await else {
            self.kept.leave(on, wanted);
            return Ok(());
        };
        let Some((part10, digest)) = found else { return Ok(()) };
        let (input, room) = (input.clone(), Room::of(self.kept.voxels_left()));
        let read = move || ImageSlices::read(&part10, place, &input, &room);
        let kept = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(slices)) => self.kept.put(on, wanted.clone(), digest, slices),
            _ => false,
        };
        if !kept {
            self.kept.leave(on, wanted);
        }
        Ok(())
    }
}

/// The input for which a selection is: by its name, or the only one. Films are read when their job is.
fn input_of<'a>(model: &'a Model, selected: &Selected) -> Option<&'a Input> {
    let inputs = &model.manifest.inputs;
    let input = match &selected.name {
        Some(name) => inputs.iter().find(|input| input.name == *name),
        None => inputs.first().filter(|_| inputs.len() == 1),
    };
    input.filter(|input| matches!(input.kind, InputKind::Volume))
}

/// What a job asks for.
pub fn wanted(model: &Model, input: &Input, sop_instance: &Uid) -> Wanted {
    Wanted {
        sop_instance: sop_instance.clone(),
        manifest: model.manifest_digest.clone(),
        input: input.name.clone(),
    }
}
