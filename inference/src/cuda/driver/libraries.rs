//! What of NVIDIA's libraries is there, asked before a device is opened.

use super::{DeviceError, told};
use crate::cuda::kernels;
use crate::device::Fault;
use cudarc::driver::{CudaContext, DriverError, sys};
use cudarc::nvrtc;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A driver that knows less than this lacks calls that are made.
const LEAST_DRIVER: i32 = 12000;

/// What is asked before a device is opened.
const CALLS: [&str; 7] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
];

/// What the machine has of NVIDIA's driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// No library.
    Absent,
    /// A version such as 11.4.
    TooOld(i32),
    /// In its own words.
    Refuses(String),
    /// At least one card.
    Here { version: i32, cards: Vec<Card> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub ordinal: usize,
    pub name: String,
    /// In bytes.
    pub memory: u64,
    /// Compute capability, as 9.0.
    pub capability: (i32, i32),
}

/// Asks the driver, if there is one. Opens no device.
pub fn driver() -> Driver {
    // SAFETY: opens and closes a library by its name; what that runs is the driver's own start.
    if !unsafe { sys::is_culib_present() } {
        return Driver::Absent;
    }
    // The bindings panic where a library lacks a call.
    // SAFETY: the library is there; a symbol is looked up and not called.
    let lacks = |name: &&&str| unsafe { sys::culib().get::<fn()>(name.as_bytes()) }.is_err();
    if let Some(name) = CALLS.iter().find(lacks) {
        return Driver::Refuses(format!("its library has no {name}"));
    }
    let asked = catch_unwind(AssertUnwindSafe(ask))
        .unwrap_or_else(|_| Ok(Driver::Refuses("its library lacks calls".into())));
    asked.unwrap_or_else(|error| Driver::Refuses(told(error)))
}

fn ask() -> Result<Driver, DriverError> {
    let mut version = 0;
    // SAFETY: writes one number to where it is told.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
    if version < LEAST_DRIVER {
        return Ok(Driver::TooOld(version));
    }
    let count = CudaContext::device_count()?;
    let card = |ordinal: i32| -> Result<Card, DriverError> {
        use cudarc::driver::result::device;
        let device = device::get(ordinal)?;
        let attribute = |attribute| {
            // SAFETY: the device was just given by the driver.
            unsafe { device::get_attribute(device, attribute) }
        };
        use sys::CUdevice_attribute::*;
        let major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        // SAFETY: as above.
        let memory = unsafe { device::total_mem(device) }? as u64;
        let name = device::get_name(device)?;
        Ok(Card { ordinal: ordinal as usize, name, memory, capability: (major, minor) })
    };
    let cards = (0..count).map(card).collect::<Result<Vec<_>, _>>()?;
    Ok(match cards.is_empty() {
        true => Driver::Refuses("it sees no device".into()),
        false => Driver::Here { version, cards },
    })
}

/// Major and minor version of the library that compiles kernels; none where it is not there.
pub fn compiler() -> Option<(i32, i32)> {
    // SAFETY: as in `driver`.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return None;
    }
    // SAFETY: as in `driver`.
    unsafe { nvrtc::sys::culib().get::<fn()>(b"nvrtcVersion") }.ok()?;
    let ask = || {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: writes two numbers to where it is told.
        let said = unsafe { nvrtc::sys::nvrtcVersion(&mut major, &mut minor) };
        said.result().ok().map(|()| (major, minor))
    };
    catch_unwind(ask).ok().flatten()
}

/// The kernels as PTX for this compute capability.
pub fn compile((major, minor): (i32, i32)) -> Result<nvrtc::Ptx, DeviceError> {
    let broken = |text: String| DeviceError::new(Fault::Device, text);
    if compiler().is_none() {
        return Err(broken(
            "there is no NVRTC library (libnvrtc.so) to compile kernels with".into(),
        ));
    }
    let options = nvrtc::CompileOptions {
        // Bit for bit as on the CPU.
        fmad: Some(false),
        ftz: Some(false),
        prec_div: Some(true),
        prec_sqrt: Some(true),
        options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
        name: Some("gantry.cu".into()),
        ..Default::default()
    };
    let compiled = catch_unwind(|| nvrtc::compile_ptx_with_opts(kernels::SOURCE, options));
    let compiled = compiled.map_err(|_| broken("the NVRTC library lacks calls".into()))?;
    compiled.map_err(|error| match error {
        nvrtc::CompileError::CompileError { log, .. } => {
            broken(format!("NVRTC does not compile the kernels: {}", log.to_string_lossy()))
        }
        error => broken(format!("NVRTC does not compile the kernels: {error}")),
    })
}
