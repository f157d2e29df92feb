//! A run that is made again where it failed for want of memory or of its device.

use super::{Engine, InferError, Request, elsewhere, failed, gone};
use crate::cuda::run::stays;
use crate::device::recovery::{Next, Tried, next};
use crate::device::{Device, Fault};
use crate::models::Model;
use crate::prepare::{Prepared, Unprepared};
use crate::run::How;
use crate::tensors::Tensors;
use gantry_terms::images::Images;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

impl Engine {
    /// How a run begins.
    pub(super) fn how(&self, model: &Model) -> How {
        let left = self.is_lost() && model.manifest.cpu;
        How { gpu: self.site.gpu.clone().filter(|_| !left), batch: None }
    }

    /// Whether its images are prepared on the device.
    pub(super) fn is_prepared_there(&self, model: &Model) -> bool {
        self.how(model).gpu.is_some() && stays(model) && !self.others.contains(&model.name)
    }

    /// Runs; again with less at a time, and again on the CPU, where that may help. What was prepared on the
    /// device is prepared once more of `images` for that. With where it ran in the end.
    pub(super) async fn tensors(
        &self,
        model: &Arc<Model>,
        mut prepared: Arc<Prepared>,
        images: Option<&Arc<[Images]>>,
    ) -> Result<(Tensors, Device), InferError> {
        let mut how = self.how(model);
        loop {
            let on = if how.gpu.is_some() { self.site.device() } else { Device::Cpu };
            let error = match self.ask(model, prepared.clone(), how.clone()).await {
                Ok(tensors) => return Ok((tensors, on)),
                Err(error) => error,
            };
            let fault = Fault::of(&error.to_string());
            let windows = model.manifest.lead().windows.as_ref();
            let batch = how.batch.or(windows.map(|windows| windows.batch)).unwrap_or(1);
            let tried = Tried { on, batch, cpu: model.manifest.cpu };
            let step = next(fault, tried);
            if fault == Fault::Device && on != Device::Cpu {
                self.lost.store(true, Ordering::Relaxed);
            }
            match step {
                Next::Fail => return Err(error),
                Next::Batch(fewer) => how.batch = Some(fewer),
                Next::Cpu => {
                    how.gpu = None;
                    if let Some(images) = images {
                        prepared = self.prepared(model, images, &how).await?;
                    }
                }
            }
            tracing::error!(model = model.name, %error, next = ?step, "the run failed on {on}");
        }
    }

    pub(super) async fn prepared(
        &self,
        model: &Arc<Model>,
        images: &Arc<[Images]>,
        how: &How,
    ) -> Result<Arc<Prepared>, InferError> {
        let (of, given) = (model.clone(), images.clone());
        let gpu = how.gpu.clone().filter(|_| stays(model) && !self.others.contains(&model.name));
        let prepare = move || match gpu.map(|gpu| Prepared::on(&gpu, &of, &given)) {
            Some(Ok(prepared)) => Ok(prepared),
            Some(Err(Unprepared::Device(error))) if error.fault != Fault::Graph => {
                tracing::error!(model = of.name, %error, "prepared on the CPU: the device did not");
                Prepared::new(&of, &given)
            }
            Some(Err(error)) => Err(error),
            None => Prepared::new(&of, &given),
        };
        let prepared = elsewhere(model, prepare).await?;
        prepared.map(Arc::new).map_err(|error| failed(model, &error))
    }

    async fn ask(
        &self,
        model: &Arc<Model>,
        prepared: Arc<Prepared>,
        how: How,
    ) -> Result<Tensors, InferError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { model: model.clone(), prepared, how, reply };
        self.queue.send(request).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
