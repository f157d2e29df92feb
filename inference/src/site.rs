//! Where a process runs its model: the device that it was given or, where that can not be and the manifest allows it, the CPU with the reason.

use crate::cuda::{DeviceError, Gpu};
use crate::device::Device;
use crate::engine::EngineOptions;
use ort::ep::ExecutionProviderDispatch;
use std::sync::Arc;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Site {
    pub threads: Option<usize>,
    /// None: the CPU.
    pub gpu: Option<Arc<Gpu>>,
    pub tensorrt: bool,
}

impl Site {
    pub fn open(options: &EngineOptions) -> Result<Self, DeviceError> {
        let gpu = match options.device {
            Device::Cpu => None,
            Device::Cuda(number) => Some(Arc::new(Gpu::open(number)?)),
        };
        Ok(Self { threads: options.threads, gpu, tensorrt: options.tensorrt })
    }

    pub fn on_cpu(&self) -> Self {
        Self { threads: self.threads, gpu: None, tensorrt: false }
    }

    pub fn device(&self) -> Device {
        self.gpu.as_ref().map_or(Device::Cpu, |gpu| gpu.device())
    }

    /// For a session. What ONNX Runtime lacks is an error there, and not another device in silence.
    pub fn providers(&self) -> Vec<ExecutionProviderDispatch> {
        let Some(gpu) = &self.gpu else { return Vec::new() };
        let tensorrt = self.tensorrt.then(|| gpu.tensorrt().build());
        let all = tensorrt.into_iter().chain([gpu.cuda().build()]);
        all.map(ExecutionProviderDispatch::error_on_failure).collect()
    }
}
