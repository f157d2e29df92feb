//! Programs of other makers that judge a result: each is found on the machine or skipped out loud.

use super::tables;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The new dicom3tools: `GANTRY_DCIODVFY`, else the search path.
fn dciodvfy() -> PathBuf {
    std::env::var_os("GANTRY_DCIODVFY").map_or_else(|| "dciodvfy".into(), PathBuf::from)
}

/// Whether there is something that judges.
pub fn are_here() -> bool {
    output(&dciodvfy(), &["-version"]).is_some()
}

/// A Python that has highdicom: `GANTRY_PYTHON`, else none.
pub fn python() -> Option<PathBuf> {
    std::env::var_os("GANTRY_PYTHON").map(PathBuf::from)
}

/// Stdout and stderr of a program; nothing, and a word about it, when it is not there.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        Err(_) => {
            println!("skipped: {} is not on this machine", program.display());
            None
        }
    }
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
    let said = output(&dciodvfy(), &["-new", "-filename", &name]).unwrap_or_default();
    let remarks = said.lines().filter(|l| l.starts_with("Error") || l.starts_with("Warning"));
    remarks.map(str::to_owned).collect()
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

/// What DCMTK's SR parser finds wrong.
pub fn report_complaints(path: &Path) -> Vec<String> {
    let name = path.display().to_string();
    let said = output(Path::new("dsrdump"), &["+Pc", &name]).unwrap_or_default();
    said.lines().filter(|l| l.starts_with("E:") || l.starts_with("F:")).map(str::to_owned).collect()
}

/// What DCMTK's reader of presentation states finds wrong, a text for each fault. Its check of values knows no UTF-8 and
/// takes a value with other characters than those of ASCII for a fault, and a moment in UTC (`+0000`) too.
pub fn state_complaints(path: &Path) -> Vec<String> {
    let name = path.display().to_string();
    let said = output(Path::new("dcmpschk"), &[&name]).unwrap_or_default();
    let lines = said.lines().filter(|line| line.starts_with("E:") || line.starts_with("F:"));
    let lines: Vec<&str> = lines.collect();
    let faults = lines.split(|line| line.trim() == "E:").map(|fault| fault.join("\n"));
    let no_fault = |fault: &String| {
        let value = fault.lines().find(|line| line.contains("Attribute value   :"));
        let fine = |value: &str| !value.is_ascii() || value.ends_with("+0000]");
        fault.contains("does not conform to data type") && value.is_some_and(fine)
    };
    faults.filter(|fault| !fault.is_empty() && !no_fault(fault)).collect()
}

/// Contradictions between files of one study. The request of a report repeats the accession
/// number at its own level, which dcentvfy takes for a contradiction.
pub fn contradictions(paths: &[PathBuf]) -> Vec<String> {
    let beside = dciodvfy().with_file_name("dcentvfy");
    let program = if beside.is_file() { beside } else { "dcentvfy".into() };
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let said = output(&program, &names).unwrap_or_default();
    said.lines()
        .filter(|l| l.starts_with("Error") || l.starts_with("Warning"))
        .filter(|l| !l.contains("AccessionNumber"))
        .map(str::to_owned)
        .collect()
}

/// Lines that a Python script prints; the script gets `path` as its argument.
pub fn python_says(script: &str, path: &Path) -> Option<Vec<String>> {
    let Some(python) = python() else {
        println!("skipped: GANTRY_PYTHON names no Python with highdicom");
        return None;
    };
    let said = output(&python, &["-W", "ignore", "-c", script, &path.display().to_string()])?;
    Some(said.lines().map(str::to_owned).collect())
}

/// What dcmqi reads from a TID 1500 report, as JSON text.
pub fn measurements_by_dcmqi(path: &Path, folder: &Path) -> Option<String> {
    let reader = python()?.with_file_name("tid1500reader");
    if !reader.is_file() {
        println!("skipped: tid1500reader is not beside the Python of GANTRY_PYTHON");
        return None;
    }
    let json = folder.join("measurements.json");
    let (from, to) = (path.display().to_string(), json.display().to_string());
    let said = output(&reader, &["--inputDICOM", &from, "--outputMetadata", &to])?;
    Some(std::fs::read_to_string(&json).unwrap_or(said))
}
