//! On what a model runs: the CPU or a CUDA device; which are there, which are wanted, and which model goes where.

pub mod recovery;

pub use recovery::Fault;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Device {
    #[default]
    Cpu,
    /// By its number in the order of the driver.
    Cuda(usize),
}

impl Device {
    /// `cpu`, `cuda:0`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("cuda:") {
            None => (text == "cpu").then_some(Self::Cpu),
            Some(number) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
                number.parse().ok().filter(|number| *number < 64).map(Self::Cuda)
            }
            Some(_) => None,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// What the configuration says of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wanted {
    /// All CUDA devices that are there; the CPU where there is none.
    #[default]
    Auto,
    /// These, and no start without them.
    These(Vec<Device>),
}

/// What models run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// At least one.
    pub devices: Vec<Device>,
    /// Why it is the CPU though nobody asked for it.
    pub why: Option<String>,
}

/// `found` is how many CUDA devices can be used, or why none can. An error says what the admin has to do.
pub fn choose(wanted: &Wanted, found: Result<usize, String>) -> Result<Chosen, String> {
    match (wanted, found) {
        (Wanted::Auto, Ok(count)) if count > 0 => {
            Ok(Chosen { devices: (0..count).map(Device::Cuda).collect(), why: None })
        }
        (Wanted::Auto, Ok(_)) => Ok(on_cpu("there is no CUDA device".into())),
        (Wanted::Auto, Err(why)) => Ok(on_cpu(why)),
        (Wanted::These(devices), found) => {
            let there = |device: &Device| match (device, &found) {
                (Device::Cpu, _) => None,
                (Device::Cuda(number), Ok(count)) if number < count => None,
                (Device::Cuda(_), Ok(count)) => {
                    Some(format!("it is not there, this machine has {count}"))
                }
                (Device::Cuda(_), Err(why)) => Some(why.clone()),
            };
            match devices.iter().find_map(|device| there(device).map(|why| (device, why))) {
                None => Ok(Chosen { devices: devices.clone(), why: None }),
                Some((device, why)) => Err(format!(
                    "inference.devices names {device}, but {why}: mend that, or say \"auto\" or \"cpu\" there; \
                     `gantry doctor` tells more"
                )),
            }
        }
    }
}

fn on_cpu(why: String) -> Chosen {
    Chosen { devices: vec![Device::Cpu], why: Some(why) }
}

/// The device of each model: the largest first, each to where the least lies by then. `sizes` are bytes of
/// graphs by model.
pub fn placed(sizes: &BTreeMap<String, u64>, devices: &[Device]) -> BTreeMap<String, Device> {
    let mut largest: Vec<_> = sizes.iter().collect();
    largest.sort_by_key(|(name, size)| (std::cmp::Reverse(**size), name.as_str()));
    let mut loads: Vec<(u64, Device)> = devices.iter().map(|device| (0, *device)).collect();
    let mut placed = BTreeMap::new();
    for (name, size) in largest {
        // The first of those with the least.
        if let Some((load, device)) = loads.iter_mut().min_by_key(|(load, _)| *load) {
            *load += size.saturating_add(1);
            placed.insert(name.clone(), *device);
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::Device::{Cpu, Cuda};
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_written() {
        for (text, device) in [("cpu", Cpu), ("cuda:0", Cuda(0)), ("cuda:11", Cuda(11))] {
            assert_eq!(Device::parse(text), Some(device));
            assert_eq!(device.to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda:64", "CPU"] {
            assert_eq!(Device::parse(text), None, "{text}");
        }
    }

    #[test]
    fn auto_takes_all_devices_and_falls_to_the_cpu_with_the_reason() {
        let auto = |found| choose(&Wanted::Auto, found).unwrap();
        assert_eq!(auto(Ok(2)), Chosen { devices: vec![Cuda(0), Cuda(1)], why: None });
        let chosen = auto(Err("no driver".into()));
        assert_eq!(chosen, Chosen { devices: vec![Cpu], why: Some("no driver".into()) });
        assert_eq!(auto(Ok(0)).devices, [Cpu]);
    }

    #[test]
    fn what_was_named_and_is_not_there_is_an_error_that_says_what_to_do() {
        let these = |devices: &[Device], found| choose(&Wanted::These(devices.to_vec()), found);
        assert_eq!(these(&[Cuda(1)], Ok(2)).unwrap().devices, [Cuda(1)]);
        assert_eq!(these(&[Cpu], Err("no driver".into())).unwrap().devices, [Cpu]);
        let error = these(&[Cpu, Cuda(2)], Ok(2)).unwrap_err();
        assert!(
            error.starts_with("inference.devices names cuda:2, but it is not there"),
            "{error}"
        );
        let error = these(&[Cuda(0)], Err("there is no CUDA driver".into())).unwrap_err();
        let text =
            "names cuda:0, but there is no CUDA driver: mend that, or say \"auto\" or \"cpu\"";
        assert!(error.contains(text), "{error}");
    }

    #[test]
    fn models_are_spread_over_devices_by_size() {
        let sizes = [("a", 10), ("b", 90), ("c", 40), ("d", 45), ("e", 0)];
        let sizes = sizes.map(|(name, size)| (name.to_string(), size)).into();
        let placed = placed(&sizes, &[Cuda(0), Cuda(1)]);
        let on: Vec<Device> = ["a", "b", "c", "d", "e"].map(|name| placed[name]).to_vec();
        assert_eq!(on, [Cuda(1), Cuda(0), Cuda(1), Cuda(1), Cuda(0)]);
        assert!(super::placed(&sizes, &[Cpu]).values().all(|device| *device == Cpu));
    }
}
