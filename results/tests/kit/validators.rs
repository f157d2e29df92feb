//! Programs of other makers that judge a result: each is found on the machine or skipped out loud.

use super::tables;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// A program of the private Python environment: `variable` names it, or it lies in .tools/venv.
fn private(variable: &str, name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/venv/bin").join(name);
    let named = std::env::var_os(variable).map(PathBuf::from);
    named.or_else(|| beside.exists().then_some(beside))
}

/// The new dicom3tools, else what the search path has.
fn dciodvfy() -> PathBuf {
    private("GANTRY_DCIODVFY", "dciodvfy").unwrap_or_else(|| "dciodvfy".into())
}

/// Whether there is something that judges.
pub fn are_here() -> bool {
    output(&dciodvfy(), &["-version"]).is_some()
}

/// A Python that has highdicom.
pub fn python() -> Option<PathBuf> {
    private("GANTRY_PYTHON", "python")
}

/// A program that lies beside that Python.
pub fn beside_python(name: &str) -> Option<PathBuf> {
    python().map(|python| python.with_file_name(name)).filter(|program| program.is_file())
}

/// What a program printed and how it ended, also where it fell.
pub fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    format!("{}: {}", output.status, String::from_utf8_lossy(&text))
}

/// What a program printed, and the status that it ended with.
struct Said {
    text: String,
    status: i32,
}

/// Nothing, and a word about it, when it is not there. One that falls over says nothing of the file: that is a failure.
fn output(program: &Path, arguments: &[&str]) -> Option<Said> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            let status = output.status.code();
            let status = status.unwrap_or_else(|| panic!("{} fell: {text}", program.display()));
            Some(Said { text, status })
        }
        Err(_) => {
            println!("skipped: {} is not on this machine", program.display());
            None
        }
    }
}

/// The lines of a validator that tell of a fault. It ends with 0 or, where it found something, with 1.
fn told(program: &Path, arguments: &[&str], fault: [&str; 2]) -> Vec<String> {
    let Some(Said { text, status }) = output(program, arguments) else { return Vec::new() };
    let is_fault = |line: &&str| fault.iter().any(|word| line.starts_with(word));
    let lines: Vec<String> = text.lines().filter(is_fault).map(str::to_owned).collect();
    let judged = status == 0 || (status == 1 && !lines.is_empty());
    assert!(judged, "{} ends with {status}: {text}", program.display());
    lines
}

/// Messages that validation may give: private codes; and an empty Laterality where the source
/// does not say which part of the body it shows, because then it is actually unknown.
fn allowed(line: &str) -> bool {
    if line
        .contains("</Laterality(0020,0060)> - is only permitted to be empty when actually unknown")
    {
        return true;
    }
    line.contains("Unrecognized defined term")
        && (line.contains("<99GANTRY>") || line.contains("CodingSchemeUID"))
}

/// By the bytes of the file: a source is looked at again with each of its results.
fn remarks(path: &Path) -> Vec<String> {
    static KNOWN: LazyLock<Mutex<HashMap<Vec<u8>, Vec<String>>>> = LazyLock::new(Mutex::default);
    let bytes = std::fs::read(path).expect("a file");
    let known = || KNOWN.lock().expect("no one panicked with it");
    if let Some(remarks) = known().get(&bytes) {
        return remarks.clone();
    }
    let remarks = judged(path);
    known().insert(bytes, remarks.clone());
    remarks
}

fn judged(path: &Path) -> Vec<String> {
    let name = path.display().to_string();
    told(&dciodvfy(), &["-new", "-filename", &name], ["Error", "Warning"])
}

/// What is wrong with a source by itself.
pub fn faults_of_source(path: &Path) -> Vec<String> {
    let mut remarks = [remarks(path), tables::faults(path)].concat();
    remarks.retain(|remark| !allowed(remark));
    remarks
}

/// Errors, and warnings that are not on the list of accepted ones. What the source itself gives
/// rise to is not counted against the result.
pub fn complaints(path: &Path, source: &Path) -> Vec<String> {
    let of_source = [remarks(source), tables::faults(source)].concat();
    let mut remarks = [remarks(path), tables::faults(path)].concat();
    remarks.retain(|remark| !allowed(remark) && !of_source.contains(remark));
    remarks
}

/// Errors that a result has because its source has them: values that it copies, or that the source lacks.
pub fn inherited_errors(path: &Path, source: &Path) -> Vec<String> {
    let of_source = remarks(source);
    let mut errors = remarks(path);
    errors.retain(|remark| remark.starts_with("Error") && of_source.contains(remark));
    errors
}

/// What DCMTK's SR parser finds wrong.
pub fn report_complaints(path: &Path) -> Vec<String> {
    let name = path.display().to_string();
    told(Path::new("dsrdump"), &["+Pc", &name], ["E:", "F:"])
}

/// What DCMTK's reader of presentation states finds wrong, a text for each fault. Its check of values knows no UTF-8 and
/// takes a value with other characters than those of ASCII for a fault, and a moment in UTC (`+0000`) too.
pub fn state_complaints(path: &Path) -> Vec<String> {
    let name = path.display().to_string();
    let lines = told(Path::new("dcmpschk"), &[&name], ["E:", "F:"]);
    let faults = lines.split(|line| line.trim() == "E:").map(|fault| fault.join("\n"));
    let no_fault = |fault: &String| {
        let value = fault.lines().find(|line| line.contains("Attribute value   :"));
        let fine = |value: &str| !value.is_ascii() || value.ends_with("+0000]");
        fault.contains("does not conform to data type") && value.is_some_and(fine)
    };
    faults.filter(|fault| !fault.is_empty() && !no_fault(fault)).collect()
}

/// Contradictions between files of one study. A report repeats the accession number in an item of its own for the request,
/// which dcentvfy takes for a contradiction between the study and its series.
pub fn contradictions(paths: &[PathBuf]) -> Vec<String> {
    let beside = dciodvfy().with_file_name("dcentvfy");
    let program = if beside.is_file() { beside } else { "dcentvfy".into() };
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut lines = told(&program, &names, ["Error", "Warning"]);
    lines.retain(|line| !line.contains("AccessionNumber"));
    lines
}

/// Lines that a Python script prints; the script gets `path` as its argument.
pub fn python_says(script: &str, path: &Path) -> Option<Vec<String>> {
    let Some(python) = python() else {
        println!("skipped: no Python with highdicom is in .tools/venv (make test installs it)");
        return None;
    };
    let said = output(&python, &["-W", "ignore", "-c", script, &path.display().to_string()])?;
    assert_eq!(said.status, 0, "{}", said.text);
    Some(said.text.lines().map(str::to_owned).collect())
}

/// What dcmqi reads from a TID 1500 report, as JSON text.
pub fn measurements_by_dcmqi(path: &Path, folder: &Path) -> Option<String> {
    let Some(reader) = beside_python("tid1500reader") else {
        println!("skipped: tid1500reader is not beside that Python");
        return None;
    };
    let json = folder.join("measurements.json");
    let (from, to) = (path.display().to_string(), json.display().to_string());
    let said = output(&reader, &["--inputDICOM", &from, "--outputMetadata", &to])?;
    assert_eq!(said.status, 0, "{}", said.text);
    Some(std::fs::read_to_string(&json).expect("tid1500reader wrote it"))
}
