//! `[inference]`: what models may take of the machine.

use super::machine;
use gantry_inference::device::{Device, Wanted};
use serde::Deserialize;

/// Where the system does not say how much memory it has.
const UNKNOWN: u64 = 8 << 30;
const MOST_MIB: u64 = 1 << 24;

#[derive(Debug, Clone)]
pub struct InferenceConfig {
    /// Bytes that the processes of all models may take together.
    pub memory: u64,
    /// What models run on.
    pub devices: Wanted,
    /// Bytes of the memory of each device that they may take there together; without it what is free, but for a sixteenth of all.
    pub device_memory: Option<u64>,
    /// By TensorRT what it can do of a graph, on a device.
    pub tensorrt: bool,
    /// Bytes of voxels that may be read while their series arrive.
    pub ahead: u64,
}

impl Default for InferenceConfig {
    /// Half of the machine, or of what its control group may take; and a sixteenth.
    fn default() -> Self {
        let machine = machine::memory().unwrap_or(2 * UNKNOWN);
        let (devices, tensorrt) = (Wanted::Auto, false);
        let (memory, ahead) = (machine / 2, machine / 16);
        Self { memory, devices, device_memory: None, tensorrt, ahead }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenInference {
    memory_mib: Option<u64>,
    ahead_mib: Option<u64>,
    devices: Option<WrittenDevices>,
    device_memory_mib: Option<u64>,
    tensorrt: bool,
}

/// `"auto"`, one device, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "\"auto\", \"cpu\", or a list such as [\"cuda:0\", \"cuda:1\"]")]
enum WrittenDevices {
    One(String),
    These(Vec<String>),
}

impl WrittenInference {
    pub(super) fn mean(&self, problems: &mut Vec<String>) -> InferenceConfig {
        let default = InferenceConfig::default();
        let mut bytes = |key: &str, written: Option<u64>, least: u64, default: u64| match written {
            Some(mib) if !(least..=MOST_MIB).contains(&mib) => {
                problems.push(format!(
                    "inference.{key} = {mib}: this must lie between {least} and {MOST_MIB}"
                ));
                default
            }
            Some(mib) => mib << 20,
            None => default,
        };
        let memory = bytes("memory-mib", self.memory_mib, 64, default.memory);
        let ahead = bytes("ahead-mib", self.ahead_mib, 0, default.ahead);
        let device_memory = bytes("device-memory-mib", self.device_memory_mib, 1024, 0);
        let device_memory = self.device_memory_mib.map(|_| device_memory);
        let devices = self.devices.as_ref().map_or(Ok(Wanted::Auto), WrittenDevices::mean);
        let devices = devices.unwrap_or_else(|problem| {
            problems.push(problem);
            Wanted::Auto
        });
        if self.tensorrt && devices == Wanted::These(vec![Device::Cpu]) {
            problems.push(
                "inference.tensorrt needs a CUDA device, and inference.devices is cpu".into(),
            );
        }
        if device_memory.is_some() && devices == Wanted::These(vec![Device::Cpu]) {
            problems.push(
                "inference.device-memory-mib needs a CUDA device, and inference.devices is cpu"
                    .into(),
            );
        }
        InferenceConfig { memory, devices, device_memory, tensorrt: self.tensorrt, ahead }
    }
}

impl WrittenDevices {
    fn mean(&self) -> Result<Wanted, String> {
        let written = match self {
            Self::One(one) if one == "auto" => return Ok(Wanted::Auto),
            Self::One(one) => std::slice::from_ref(one),
            Self::These(these) => these.as_slice(),
        };
        let mut devices = Vec::new();
        for text in written {
            let device = Device::parse(text).ok_or_else(|| {
                format!("inference.devices: `{text}` is no device, but cpu, cuda:0, cuda:1 ... are")
            })?;
            if devices.contains(&device) {
                return Err(format!("inference.devices names {device} twice"));
            }
            devices.push(device);
        }
        match devices.as_slice() {
            [] => Err("inference.devices names no device: leave it out, or say \"cpu\"".into()),
            _ => Ok(Wanted::These(devices)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(text: &str) -> Result<InferenceConfig, String> {
        let written: WrittenInference = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut problems = Vec::new();
        let config = written.mean(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems.join("\n")) }
    }

    #[test]
    fn devices_are_all_that_are_there_or_those_that_are_named() {
        let devices = |text: &str| mean(text).unwrap().devices;
        let these = |devices: &[Device]| Wanted::These(devices.to_vec());
        assert_eq!(devices(""), Wanted::Auto);
        assert_eq!(devices("devices = \"auto\""), Wanted::Auto);
        assert_eq!(devices("devices = \"cpu\""), these(&[Device::Cpu]));
        assert_eq!(devices("devices = \"cuda:1\""), these(&[Device::Cuda(1)]));
        let both = these(&[Device::Cuda(0), Device::Cuda(2)]);
        assert_eq!(devices("devices = [\"cuda:0\", \"cuda:2\"]"), both);
        assert!(mean("tensorrt = true").unwrap().tensorrt);
        assert_eq!(mean("").unwrap().device_memory, None);
        assert_eq!(mean("device-memory-mib = 2048").unwrap().device_memory, Some(2 << 30));
    }

    #[test]
    fn devices_that_can_not_be_meant_are_refused() {
        for (text, why) in [
            ("devices = \"gpu\"", "`gpu` is no device"),
            ("devices = [\"auto\"]", "`auto` is no device"),
            ("devices = []", "names no device"),
            ("devices = [\"cuda:0\", \"cuda:0\"]", "names cuda:0 twice"),
            ("devices = 1", "or a list such as"),
            ("devices = \"cpu\"\ntensorrt = true", "needs a CUDA device"),
            ("devices = \"cpu\"\ndevice-memory-mib = 2048", "needs a CUDA device"),
            ("device-memory-mib = 1000", "must lie between 1024 and"),
        ] {
            let error = mean(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
