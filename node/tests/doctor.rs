//! `gantry doctor`: what it says of machines that have what a node needs, and of machines that have not.

#[path = "../../inference/tests/kit/stand_in.rs"]
mod stand_in;

use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// A folder with a configuration, its models and a runtime, if there is one.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(node: &str, others: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        let text = format!(
            "[node]\nae-title = \"G\"\n{node}\n[listen]\naddress = \"127.0.0.1:0\"\n{others}"
        );
        std::fs::write(folder.path().join("node.toml"), text).unwrap();
        Self { folder }
    }

    fn doctor(&self, environment: &[(&str, &Path)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_gantry"))
            .args(["doctor", "--json", "--config"])
            .arg(self.folder.path().join("node.toml"))
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// Exit status and lines.
    fn told(&self, environment: &[(&str, &Path)]) -> (bool, Vec<Value>) {
        let output = self.doctor(environment);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{errors}");
        let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {} {errors}", String::from_utf8_lossy(&output.stdout))
        });
        let bad = lines.iter().any(|line| line["state"] == "bad");
        assert_eq!(output.status.success(), !bad, "the exit status says it too");
        for line in &lines {
            let is_good = line["state"] == "good";
            assert!(is_good || line["then"].is_string(), "it says who must act: {line}");
        }
        (!bad, lines)
    }
}

/// State and words of the first line about something.
fn line(lines: &[Value], what: &str) -> String {
    let found = lines.iter().find(|line| line["what"] == what);
    let line = found.unwrap_or_else(|| panic!("nothing of {what} in {lines:?}"));
    format!("{} {}", line["state"].as_str().unwrap(), line["says"].as_str().unwrap())
}

fn runtime() -> bool {
    let found = std::env::var_os("ORT_DYLIB_PATH").is_some();
    if !found {
        println!("skipped: ORT_DYLIB_PATH names no ONNX Runtime");
    }
    found
}

#[test]
fn a_sound_machine_is_told_as_such_in_every_line() {
    if !runtime() {
        return;
    }
    let machine = Machine::new("", "[inference]\ndevices = \"cpu\"\n");
    let (good, lines) = machine.told(&[]);
    assert!(good, "{lines:?}");
    assert!(line(&lines, "ONNX Runtime").starts_with("good version 1."), "{lines:?}");
    assert!(line(&lines, "providers").starts_with("good CPU"));
    assert_eq!(line(&lines, "devices"), "good models run on cpu");
    assert!(line(&lines, "models").starts_with("good none in"));
    assert!(line(&lines, "data folder").contains("writes and syncs"));
    assert!(line(&lines, "disk").starts_with("good"));
    assert!(line(&lines, "port").ends_with("is free"));
    assert!(line(&lines, "clock").starts_with("good 20"));
    let left: Vec<_> = std::fs::read_dir(machine.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing stays behind: {left:?}");
}

#[test]
fn what_is_missing_is_told_with_who_must_act_and_nothing_panics() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("address = \"{}\"", taken.local_addr().unwrap());
    let nowhere = "onnxruntime = \"nowhere/libonnxruntime.so\"\ndata = \"taken/data\"";
    let others = "[store]\nreserve-mib = 1048576\n[inference]\ndevices = [\"cuda:7\"]\n";
    let machine = Machine::new(nowhere, others);
    let file = machine.folder.path().join("node.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("address = \"127.0.0.1:0\"", &address)).unwrap();
    let (good, lines) = machine.told(&[]);
    assert!(!good);
    let runtime = line(&lines, "ONNX Runtime");
    assert!(runtime.starts_with("bad no ONNX Runtime library"), "{runtime}");
    let devices = line(&lines, "devices");
    assert!(devices.starts_with("bad inference.devices names cuda:7"), "{devices}");
    assert!(line(&lines, "port").contains("can not be listened on"));
    assert!(line(&lines, "disk").starts_with("bad"));
    std::fs::write(&file, "[node]\nae-title = \"G\"\ndatas = 1\n").unwrap();
    let (_, lines) = machine.told(&[]);
    assert!(line(&lines, "configuration").contains("did you mean `data`?"), "{lines:?}");
    std::fs::remove_file(&file).unwrap();
    let (_, lines) = machine.told(&[]);
    assert!(line(&lines, "configuration").starts_with("bad cannot read"), "{lines:?}");
}

#[test]
fn a_library_that_is_no_onnx_runtime_or_too_old_a_one_is_told() {
    let machine = Machine::new("", "[inference]\ndevices = \"cpu\"\n");
    let library = machine.folder.path().join("libonnxruntime.so");
    std::fs::write(&library, "no library").unwrap();
    let runtime =
        |library: &Path| line(&machine.told(&[("ORT_DYLIB_PATH", library)]).1, "ONNX Runtime");
    assert!(runtime(&library).contains("does not load"), "{}", runtime(&library));
    let source = machine.folder.path().join("old.cpp");
    std::fs::write(
        &source,
        "struct Base { const void* (*api)(unsigned); const char* (*version)(); };\n\
         extern \"C\" const Base* OrtGetApiBase() {\n\
             static const Base base = {[](unsigned) -> const void* { return nullptr; },\n\
                                       []() -> const char* { return \"1.10.0\"; }};\n\
             return &base;\n}\n",
    )
    .unwrap();
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let mut compile = Command::new(compiler);
    let built = compile.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    let Ok(built) = built else {
        println!("skipped: there is no C++ compiler to make an old library with");
        return;
    };
    assert!(built.success());
    let told = runtime(&library);
    assert!(told.contains("1.10.0") && told.contains("version 1.24 or later is needed"), "{told}");
}

#[test]
fn drivers_that_are_there_too_old_or_without_a_device_are_told_apart() {
    let Some(libraries) = stand_in::build() else { return };
    if !runtime() {
        return;
    }
    let told = |others: &str, more: &[(&str, &Path)]| {
        let machine = Machine::new("", others);
        let stand_in = ("LD_LIBRARY_PATH", libraries.path());
        machine.told(&[&[stand_in], more].concat()).1
    };
    let lines = told("", &[]);
    assert_eq!(line(&lines, "CUDA driver"), "good for CUDA 13.0");
    let device = format!("good cuda:0: {}, 1024 MiB, compute capability 8.0", stand_in::NAME);
    assert_eq!(line(&lines, "device"), device);
    assert_eq!(line(&lines, "NVRTC"), "good version 13.0");
    assert_eq!(line(&lines, "devices"), "good models run on cuda:0");
    let lines = told("", &[("GANTRY_STAND_IN_VERSION", Path::new("11040"))]);
    assert!(line(&lines, "CUDA driver").contains("is for CUDA 11.4, and 12.0 is needed"));
    assert!(line(&lines, "devices").starts_with("good models run on cpu: the CUDA driver is for"));
    let lines = told("", &[("GANTRY_STAND_IN_DEVICES", Path::new("0"))]);
    assert!(line(&lines, "CUDA driver").starts_with("note the CUDA driver gives no device"));
    let named = "[inference]\ndevices = [\"cuda:0\"]\n";
    let lines = told(named, &[("GANTRY_STAND_IN_DEVICES", Path::new("0"))]);
    assert!(line(&lines, "CUDA driver").starts_with("bad "), "{lines:?}");
    std::fs::remove_file(libraries.path().join("libnvrtc.so")).unwrap();
    let lines = told(named, &[]);
    assert!(line(&lines, "NVRTC").starts_with("bad the NVRTC library"), "{lines:?}");
    // A library that is no driver at all.
    std::fs::copy(std::env::var_os("ORT_DYLIB_PATH").unwrap(), libraries.path().join("libcuda.so"))
        .unwrap();
    let lines = told("", &[]);
    assert!(line(&lines, "CUDA driver").contains("its library has no cuInit"), "{lines:?}");
}
