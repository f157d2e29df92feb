//! ONNX Runtime, NVIDIA's libraries, devices, and on which of them each model will run.

use super::{Line, State};
use crate::config::{Config, InferenceConfig};
use gantry_inference::cuda::{self, Card, Driver};
use gantry_inference::device::{Chosen, Device, Wanted, placed};
use gantry_inference::models::Models;
use gantry_inference::pool::sizes;
use gantry_inference::runtime::{self, About, RuntimeError};
use std::path::Path;

const THE_ADMIN: &str = "the admin of this machine";

/// What is there for models.
pub(super) struct Found {
    runtime: Result<About, RuntimeError>,
    driver: Driver,
    compiler: Option<(i32, i32)>,
    devices: Result<Chosen, String>,
    /// A CUDA device was named.
    named: bool,
    tensorrt: bool,
}

impl Found {
    pub(super) fn look(library: Option<&Path>, inference: &InferenceConfig) -> Self {
        let is_cuda = |device: &Device| matches!(device, Device::Cuda(_));
        Self {
            runtime: runtime::about(library),
            driver: cuda::driver(),
            compiler: cuda::compiler(),
            devices: cuda::devices(&inference.devices),
            named: match &inference.devices {
                Wanted::Auto => false,
                Wanted::These(devices) => devices.iter().any(is_cuda),
            },
            tensorrt: inference.tensorrt,
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![self.library(), self.providers()];
        lines.extend(self.driver());
        lines.extend([self.compiler(), self.tensorrt(), self.devices()]);
        lines
    }

    fn library(&self) -> Line {
        let what = "ONNX Runtime";
        match &self.runtime {
            Ok(about) => {
                let version = match about.version.as_str() {
                    "" => "new enough",
                    version => version,
                };
                let says = format!("version {version}, {}", about.library.display());
                Line::good(what, says)
            }
            Err(error) => Line::bad(
                what,
                error.to_string(),
                format!(
                    "{THE_ADMIN}: without it the node receives and forwards, and jobs of models wait"
                ),
            ),
        }
    }

    fn providers(&self) -> Line {
        let what = "providers";
        let Ok(about) = &self.runtime else {
            return Line::note(what, "not known: there is no ONNX Runtime", "see above");
        };
        let has = [(true, "CPU"), (about.cuda, "CUDA"), (about.tensorrt, "TensorRT")];
        let has: Vec<&str> = has.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        let says = has.join(", ");
        match (about.cuda, &self.driver) {
            (false, Driver::Here { .. }) => self.missing(
                what,
                format!("{says}: this build of ONNX Runtime knows no CUDA"),
                format!(
                    "{THE_ADMIN}: install ONNX Runtime's GPU build, and name it in node.onnxruntime"
                ),
            ),
            _ => Line::good(what, says),
        }
    }

    fn driver(&self) -> Vec<Line> {
        let what = "CUDA driver";
        let Driver::Here { version, cards } = &self.driver else {
            let says = cuda::why(&self.driver);
            let then = format!("{THE_ADMIN}, if there is a device; models run on the CPU without");
            return vec![self.missing(what, says, then)];
        };
        let version = cuda::version_text(*version);
        let mut lines = vec![Line::good(what, format!("for CUDA {version}"))];
        lines.extend(cards.iter().map(|Card { ordinal, name, memory, capability }| {
            let (major, minor) = capability;
            let mib = memory >> 20;
            let says =
                format!("cuda:{ordinal}: {name}, {mib} MiB, compute capability {major}.{minor}");
            Line::good("device", says)
        }));
        lines
    }

    fn compiler(&self) -> Line {
        let what = "NVRTC";
        match (self.compiler, &self.driver) {
            (Some((major, minor)), _) => Line::good(what, format!("version {major}.{minor}")),
            (None, Driver::Here { .. }) => self.missing(
                what,
                cuda::NO_COMPILER,
                format!("{THE_ADMIN}; models run on the CPU without"),
            ),
            (None, _) => {
                Line::note(what, "not there", "nobody: it is only needed for a CUDA device")
            }
        }
    }

    fn tensorrt(&self) -> Line {
        let what = "TensorRT";
        let has = self.runtime.as_ref().is_ok_and(|about| about.tensorrt);
        match (self.tensorrt, has) {
            (false, _) => Line::good(what, "not asked for (inference.tensorrt)"),
            (true, true) => Line::good(what, "asked for, and ONNX Runtime knows it"),
            (true, false) => Line::bad(
                what,
                "asked for by inference.tensorrt, but this build of ONNX Runtime does not know it",
                format!("{THE_ADMIN}: install a build with it, or take the setting away"),
            ),
        }
    }

    fn devices(&self) -> Line {
        let what = "devices";
        match &self.devices {
            Ok(Chosen { devices, why }) => {
                let devices: Vec<String> = devices.iter().map(Device::to_string).collect();
                let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                Line::good(what, format!("models run on {}{why}", devices.join(", ")))
            }
            Err(why) => Line::bad(what, why, "the admin of the node, in its configuration"),
        }
    }

    /// Bad where a CUDA device was named.
    fn missing(&self, what: &'static str, says: impl Into<String>, then: String) -> Line {
        let state = if self.named { State::Bad } else { State::Note };
        Line { what, state, says: says.into(), then: Some(then) }
    }

    pub(super) fn models(&self, config: &Config) -> Vec<Line> {
        let models = match Models::load(&config.models) {
            Ok(models) => models,
            Err(problems) => {
                let bad = |problem: &gantry_inference::problem::ModelProblem| {
                    Line::bad("models", problem.to_string(), "the author of the model")
                };
                return problems.iter().map(bad).collect();
            }
        };
        if models.is_empty() {
            let says = format!("none in {}", config.models.display());
            return vec![Line::good("models", says)];
        }
        let cpu = [Device::Cpu];
        let devices = self.devices.as_ref().map_or(&cpu[..], |chosen| chosen.devices.as_slice());
        let placed = placed(&sizes(&models), devices);
        let line = |model: &std::sync::Arc<gantry_inference::models::Model>| {
            let device = placed.get(&model.name).copied().unwrap_or_default();
            self.model(&model.name, device, model.manifest.cpu)
        };
        models.iter().map(line).collect()
    }

    fn model(&self, name: &str, device: Device, cpu: bool) -> Line {
        let what = "model";
        let knows = self.runtime.as_ref().map_or(true, |about| about.cuda);
        match (device, cpu) {
            (Device::Cuda(_), true) if !knows => Line::note(
                what,
                format!("{name}: on cpu and not on {device}: ONNX Runtime knows no CUDA"),
                "see the providers above",
            ),
            (Device::Cuda(_), false) if !knows => Line::bad(
                what,
                format!("{name}: `cpu = false`, and ONNX Runtime knows no CUDA"),
                "see the providers above",
            ),
            (Device::Cuda(_), true) => {
                Line::good(what, format!("{name}: on {device}, or on the CPU"))
            }
            (Device::Cuda(_), false) => Line::good(what, format!("{name}: on {device} alone")),
            (Device::Cpu, true) => Line::good(what, format!("{name}: on cpu")),
            (Device::Cpu, false) => Line::bad(
                what,
                format!("{name}: its manifest says `cpu = false`, and models run on the CPU"),
                "the admin of this machine, or the author of the model",
            ),
        }
    }
}
