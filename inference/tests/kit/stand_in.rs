//! A stand-in for NVIDIA's driver and NVRTC, built from tests/stand_in/driver.cpp and the source of the kernels.

use std::path::Path;
use std::process::Command;

/// As its driver names its device.
pub const NAME: &str = "stand-in for a device";

/// A folder for LD_LIBRARY_PATH, or nothing with a word to the reader of the log.
pub fn build() -> Option<tempfile::TempDir> {
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../inference"));
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libcuda.so");
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let built = Command::new(&compiler)
        .args([
            "-std=c++17",
            "-O1",
            "-ffp-contract=off",
            "-Wall",
            "-Wno-unknown-pragmas",
            "-shared",
            "-fPIC",
            "-I",
        ])
        .arg(here.join("src/cuda/kernels"))
        .arg("-o")
        .arg(&library)
        .arg(here.join("tests/stand_in/driver.cpp"))
        .output();
    let Ok(built) = built else {
        println!(
            "skipped: there is no C++ compiler ({compiler}) to compile the kernels for this machine with"
        );
        return None;
    };
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    std::fs::copy(&library, folder.path().join("libnvrtc.so")).unwrap();
    Some(folder)
}
