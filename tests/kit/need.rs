//! What a scenario needs from outside. Where it cannot be had the test says `skipped:` and why; continuous integration allows no skip.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says that this test checks nothing here. With GANTRY_TESTS=all that is a failure, but for what a
/// container cannot have.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
    let not_shared = why.contains("shared") && !root().join("../shared").is_dir();
    let may_be_missing = not_shared || why.contains("mount");
    let all = std::env::var("GANTRY_TESTS").is_ok_and(|which| which == "all");
    assert!(may_be_missing || !all, "nothing may be skipped here: {why}");
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file or folder of ../shared, where real data lie that are no part of the project.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    skipped("../shared is not here");
    None
}

/// DCMTK's programs, which play the modality and the PACS.
pub fn dcmtk() -> Option<()> {
    let there = ["storescp", "dcmsend", "dsrdump"].iter().all(|name| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    });
    if !there {
        skipped("DCMTK is not installed (Debian: dcmtk)");
    }
    there.then_some(())
}

/// DCMTK's archive, which is asked by C-FIND.
pub fn dcmqrscp() -> Option<()> {
    let mut version = Command::new("dcmqrscp");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let there = version.status().is_ok_and(|status| status.success());
    if !there {
        skipped("dcmqrscp is not installed (Debian: dcmtk)");
    }
    there.then_some(())
}

/// An archive with storage commitment.
pub fn orthanc() -> Option<()> {
    let mut version = Command::new("Orthanc");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let there = version.status().is_ok_and(|status| status.success());
    if !there {
        skipped("Orthanc is not installed (Debian: orthanc)");
    }
    there.then_some(())
}

/// Where Debian lays it, which is not in everybody's path.
pub const RSYSLOG: &str = "/usr/sbin/rsyslogd";

/// A collector of syslog over TLS.
pub fn rsyslog() -> Option<()> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let has_tls =
        folders.map(|folder| folder.path()).any(|it| it.join("rsyslog/lmnsd_ossl.so").exists());
    let there = has_tls && Path::new(RSYSLOG).exists();
    if !there {
        skipped("rsyslog with TLS is not installed (Debian: rsyslog, rsyslog-openssl)");
    }
    there.then_some(())
}

/// So many bytes free where temporary files lie.
pub fn disk(bytes: u64) -> Option<()> {
    let folder = std::env::temp_dir();
    let output =
        Command::new("df").args(["--output=avail", "--block-size=1"]).arg(&folder).output();
    let output = output.expect("df starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let free: Option<u64> = said.lines().nth(1).and_then(|line| line.trim().parse().ok());
    let enough = free.unwrap_or_else(|| panic!("df says {said}")) >= bytes;
    if !enough {
        skipped(&format!("less than {} GiB are free in {}", bytes >> 30, folder.display()));
    }
    enough.then_some(())
}

/// The decoder of JPEG-LS, which a build without a C++ compiler lacks.
pub fn jpeg_ls() -> Option<()> {
    if !cfg!(feature = "jpeg-ls") {
        skipped("JPEG-LS cannot be decoded: the build has no C++ compiler");
    }
    cfg!(feature = "jpeg-ls").then_some(())
}

/// ONNX Runtime, without which no model runs.
pub fn onnx_runtime() -> Option<PathBuf> {
    let library = onnx_runtime_library();
    if library.is_none() {
        skipped("ONNX Runtime is not here (tools/onnxruntime.sh fetches it)");
    }
    library
}

/// The library that the environment names, or that tools/onnxruntime.sh laid down.
pub(crate) fn onnx_runtime_library() -> Option<PathBuf> {
    let named = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    named.or_else(|| root().join(".onnxruntime/libonnxruntime.so").canonicalize().ok())
}

/// A program of the private Python environment: `variable` names it, or it lies in .tools/venv.
pub fn private_program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let path = root().join(".tools/venv/bin").join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{name} is not in .tools/venv (make test installs it)"));
    None
}
