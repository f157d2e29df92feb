//! Reads images while their series arrives: what a rule would run on is decoded before the series is complete, so that then only the model remains.

pub mod kept;

use crate::ahead::kept::{Kept, Wanted};
use crate::facts::{self, Peers};
use crate::in_force::InForce;
use crate::rules::{Judgement, On};
use crate::versions::VersionsInForce;
use crate::wait::Stop;
use gantry_inference::assembly::ImageSlices;
use gantry_inference::manifest::{Input, InputKind};
use gantry_inference::models::Model;
use gantry_store::error::StoreError;
use gantry_store::images::{Image, SeriesImages};
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use std::collections::HashMap;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// What arrives within this is looked at together.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// What nobody asked for is given up after this.
const IDLE: Duration = Duration::from_secs(600);

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
        let mut known = HashMap::new();
        while !self.kept.is_off() {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            tokio::select! {
                () = stop.stopped() => return,
                looked = self.look(&mut known) => if let Err(error) = looked {
                    tracing::warn!(%error, "cannot read images ahead; their jobs will read them");
                },
            }
            self.kept.forget_idle(IDLE);
            tokio::select! {
                () = stop.stopped() => return,
                _ = bell.changed() => tokio::time::sleep(BETWEEN_LOOKS).await,
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }

    /// At each series that has more images than when it was looked at last.
    async fn look(&self, known: &mut HashMap<Uid, u32>) -> Result<(), StoreError> {
        let receiving = self.store.series_receiving().await?;
        let now: HashMap<Uid, u32> =
            receiving.iter().map(|row| (row.uid.clone(), row.instances)).collect();
        for (series, instances) in &now {
            if known.get(series) != Some(instances) {
                self.look_at(series).await?;
            }
        }
        *known = now;
        Ok(())
    }

    /// Judges what is there as if it were all that comes.
    async fn look_at(&self, series: &Uid) -> Result<(), StoreError> {
        let images = self.store.images(series).await?;
        let judgements =
            self.rules.now().judge(&facts::of_series(slice::from_ref(&images), &self.peers));
        for judgement in judgements.iter().filter(|judgement| judgement.runs) {
            self.read_for(judgement, &images).await?;
        }
        Ok(())
    }

    /// The volume that the rule's model would get.
    async fn read_for(
        &self,
        judgement: &Judgement,
        images: &SeriesImages,
    ) -> Result<(), StoreError> {
        let versions = self.models.now();
        let called = judgement.then.run.as_ref();
        let model = called.and_then(|called| versions.runs(called, &images.series));
        let (On::Series, Some(model)) = (judgement.on, model) else { return Ok(()) };
        let ([input], [selected]) =
            (model.manifest.inputs.as_slice(), judgement.selected.as_slice())
        else {
            return Ok(());
        };
        if !matches!(input.kind, InputKind::Volume) {
            return Ok(());
        }
        for (at, image) in selected.images.among(&images.images).enumerate() {
            let wanted = wanted(model, input, &image.identity.sop_instance);
            if !self.kept.has(&images.series, &wanted) && self.kept.has_room_for(image.bytes) {
                self.read(&images.series, image, at + 1, input, wanted).await?;
            }
        }
        Ok(())
    }

    /// Why one cannot be read is told by its job.
    async fn read(
        &self,
        series: &Uid,
        image: &Image,
        place: usize,
        input: &Input,
        wanted: Wanted,
    ) -> Result<(), StoreError> {
        let found = self.store.object_and_digest(&image.identity.sop_instance).await?;
        let Some((part10, digest)) = found else { return Ok(()) };
        let input = input.clone();
        let read = move || ImageSlices::read(&part10, place, &input);
        if let Ok(Ok(slices)) = tokio::task::spawn_blocking(read).await {
            self.kept.put(series, wanted, digest, slices);
        }
        Ok(())
    }
}

/// What a job asks for.
pub fn wanted(model: &Model, input: &Input, sop_instance: &Uid) -> Wanted {
    Wanted {
        sop_instance: sop_instance.clone(),
        manifest: model.manifest_digest.clone(),
        input: input.name.clone(),
    }
}
