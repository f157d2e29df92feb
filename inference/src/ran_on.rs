//! On what a run was made: what else than graph, manifest and images decides over its last digits.

use crate::device::Device;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanOn {
    /// Where its graph ran in the end: after a failure that may be the CPU in the place of a device.
    pub device: Device,
    pub tensorrt: bool,
    /// ONNX Runtime's version and the commit that it was built of, as far as it tells them.
    pub runtime: String,
}

/// The device alone: `cpu`, `cuda:0`, `cuda:0 by TensorRT`.
impl fmt::Display for RanOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.device)?;
        if self.tensorrt { write!(f, " by TensorRT") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_with_what_runs_there() {
        let of =
            |device, tensorrt| RanOn { device, tensorrt, runtime: "1.31.1".into() }.to_string();
        assert_eq!(of(Device::Cpu, false), "cpu");
        assert_eq!(of(Device::Cuda(1), false), "cuda:1");
        assert_eq!(of(Device::Cuda(1), true), "cuda:1 by TensorRT");
    }
}
