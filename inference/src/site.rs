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
    /// Bytes of the device that ONNX Runtime may take for tensors; 0 on the CPU.
    pub most: u64,
}

impl Site {
    pub fn open(options: &EngineOptions) -> Result<Self, DeviceError> {
        let gpu = match options.device {
            Device::Cpu => None,
            Device::Cuda(number) => Some(Arc::new(Gpu::open(number)?)),
        };
        let most = match (&gpu, options.device_memory) {
            (None, _) => 0,
            (Some(_), Some(most)) => most,
            (Some(gpu), None) => without_reserve(gpu.free_at_first(), gpu.memory()?.1),
        };
        Ok(Self { threads: options.threads, gpu, tensorrt: options.tensorrt, most })
    }

    pub fn on_cpu(&self) -> Self {
        Self { threads: self.threads, gpu: None, tensorrt: false, most: 0 }
    }

    pub fn device(&self) -> Device {
        self.gpu.as_ref().map_or(Device::Cpu, |gpu| gpu.device())
    }

    /// For a session. What ONNX Runtime lacks is an error there, and not another device in silence.
    pub fn providers(&self) -> Vec<ExecutionProviderDispatch> {
        let Some(gpu) = &self.gpu else { return Vec::new() };
        let tensorrt = self.tensorrt.then(|| gpu.tensorrt().build());
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let all = tensorrt.into_iter().chain([gpu.cuda(most).build()]);
        all.map(ExecutionProviderDispatch::error_on_failure).collect()
    }
}

/// What models may take of a device where nobody has said it: what is free, but for a sixteenth of all.
fn without_reserve(free: usize, all: usize) -> u64 {
    free.saturating_sub(all / 16) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixteenth_of_a_device_stays_free_also_where_others_have_a_part_of_it() {
        assert_eq!(without_reserve(1600, 1600), 1500);
        assert_eq!(without_reserve(1000, 1600), 900);
        assert_eq!(without_reserve(90, 1600), 0);
    }
}
