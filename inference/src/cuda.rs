//! What a CUDA device does around a graph: the arithmetic of `voxels/` by kernels that are its twins, on the stream of ONNX Runtime.
//!
//! Nothing of CUDA is needed to build or to start: the libraries are looked for when they are used.

mod arithmetic;
mod driver;
mod kernels;
mod making;
pub mod run;

pub use arithmetic::Blending;
pub use driver::{Borrowed, Card, DeviceError, Driver, Gpu, OnDevice, compile, compiler, driver};
pub use making::{has_kernels, made};

use crate::device::{Chosen, Wanted, choose};

/// In a few words, for the admin.
pub fn why(driver: &Driver) -> String {
    match driver {
        Driver::Absent => {
            "the CUDA driver library (libcuda.so.1) is not there: install NVIDIA's driver".into()
        }
        Driver::TooOld(version) => format!(
            "the CUDA driver is for CUDA {}, and 12.0 is needed: update NVIDIA's driver",
            version_text(*version)
        ),
        Driver::Refuses(words) => format!(
            "the CUDA driver gives no device: {words}; `nvidia-smi` should list one, in a container it has to be \
             passed in"
        ),
        Driver::Here { cards, .. } => format!("{} CUDA devices are there", cards.len()),
    }
}

/// `12.4` of 12040.
pub fn version_text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// The devices for models, of those that are wanted and there. Kernels need NVRTC.
pub fn devices(wanted: &Wanted) -> Result<Chosen, String> {
    let found = match driver() {
        Driver::Here { cards, .. } if compiler().is_some() => Ok(cards.len()),
        Driver::Here { .. } => Err(NO_COMPILER.to_string()),
        other => Err(why(&other)),
    };
    choose(wanted, found)
}

/// What is said where the driver is there and NVRTC is not.
pub const NO_COMPILER: &str = "the NVRTC library (libnvrtc.so) is not there: install it from the CUDA toolkit, and \
                               name its folder in LD_LIBRARY_PATH";
