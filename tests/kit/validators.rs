//! Independent programs that judge what the node made: dciodvfy, DCMTK's dsrdump and dcmpschk, and highdicom.

use crate::need;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Warnings that stand for no fault: a private coding scheme, by its name and by its UID; and an empty
/// Laterality of a source that does not say which part of the body it shows: then it is unknown. All
/// the words of a row have to be there.
const ALLOWED: &[&[&str]] = &[
    &["Unrecognized defined term = <99GANTRY>"],
    &["CodingSchemeIdentificationSequence", "CodingSchemeUID", "Unrecognized defined term"],
    &["Laterality(0020,0060)", "only permitted to be empty when actually unknown"],
];

/// Where a value stands that was replaced, apart from the number of the record: it is what it was.
const RECORDED: [&str; 2] =
    ["OriginalAttributesSequence(0400,0561)[", "]/ModifiedAttributesSequence(0400,0550)[1]/"];

/// How dciodvfy tells of each element that was written without its VR against the transfer syntax.
/// What comes into such an object is written as the rest of it.
const NO_VRS: [&str; 2] = [
    "Tag read failed - Implicit VR encoding even though supposed to be explicit",
    "Illegal zero bytes where explicit Value Representation expected - treating as UN",
];

/// The attribute definitions of the standard, checked by the newest dciodvfy: no error and no
/// warning but the allowed ones.
pub fn assert_valid(path: &Path) {
    let faults = faults(path);
    assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
}

/// The same for an object that copies attributes of a source: what the source itself is warned of is
/// no fault of the object.
pub fn assert_as_valid_as(path: &Path, source: &Path) {
    let own = further_faults(path, source);
    assert!(own.is_empty(), "{}: {own:#?}", path.display());
}

/// All that dciodvfy finds; nothing where it falls over the object.
pub fn told(path: &Path) -> Vec<String> {
    report(path).unwrap_or_default()
}

/// What dciodvfy finds in an object and not in its source. Nothing where it falls over the source:
/// it judges neither then.
pub fn further_faults(path: &Path, source: &Path) -> Vec<String> {
    let inherited = match report(source) {
        Ok(inherited) => inherited,
        Err(why) => {
            println!("dciodvfy cannot judge {}: {why}", source.display());
            return Vec::new();
        }
    };
    let no_vrs = |fault: &str| NO_VRS.iter().find(|told| fault.ends_with(**told));
    let without_vrs = inherited.iter().any(|fault| no_vrs(fault).is_some());
    let is_inherited = |fault: &String| {
        let told = [fault.clone(), as_it_was(fault)].iter().any(|f| inherited.contains(f));
        told || (without_vrs && no_vrs(fault).is_some())
    };
    faults(path).into_iter().filter(|fault| !is_inherited(fault)).collect()
}

/// A fault of a recorded value, as it would be told of the value itself.
fn as_it_was(fault: &str) -> String {
    let [before, behind] = RECORDED;
    let inside = || {
        let (told, rest) = fault.split_once(before)?;
        let (number, rest) = rest.split_once(behind)?;
        number.parse::<u32>().ok().map(|_| format!("{told}{rest}"))
    };
    inside().unwrap_or_else(|| fault.to_string())
}

fn faults(path: &Path) -> Vec<String> {
    let allowed = |line: &str| ALLOWED.iter().any(|row| row.iter().all(|word| line.contains(word)));
    let told = report(path).unwrap_or_else(|why| panic!("dciodvfy: {why}"));
    told.into_iter().filter(|line| line.starts_with("Error") || !allowed(line)).collect()
}

/// Every error and warning of dciodvfy; nothing where it is not there. What it said where it failed itself.
fn report(path: &Path) -> Result<Vec<String>, String> {
    let Some(program) = need::private_program("GANTRY_DCIODVFY", "dciodvfy") else {
        return Ok(Vec::new());
    };
    let output = Command::new(program).args(["-new", "-filename"]).arg(path).output();
    let output = output.expect("dciodvfy starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    let told = |line: &&str| line.starts_with("Error") || line.starts_with("Warning");
    let lines: Vec<String> = said.lines().filter(told).map(String::from).collect();
    // It ends with 1 when it finds an error; anything else that is not 0 is its own failure.
    let error = lines.iter().any(|line| line.starts_with("Error"));
    if output.status.success() || (error && output.status.code() == Some(1)) {
        return Ok(lines);
    }
    Err(said)
}

/// The tree of a structured report as DCMTK prints it.
pub fn report_tree(path: &Path) -> String {
    let output = Command::new("dsrdump").args(["+Pc"]).arg(path).output().expect("dsrdump starts");
    let faults = String::from_utf8_lossy(&output.stderr).into_owned();
    let fault = |line: &&str| line.starts_with("E:") || line.starts_with("F:");
    let faults: Vec<&str> = faults.lines().filter(fault).collect();
    assert!(output.status.success() && faults.is_empty(), "{faults:#?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What DCMTK's reader of presentation states finds wrong; that of characters beyond ASCII and of moments in UTC is none,
/// its check of values knows neither.
pub fn state_faults(path: &Path) -> Vec<String> {
    let output = Command::new("dcmpschk").arg(path).output().expect("dcmpschk starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
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

/// Concepts of the shipped densitometry, by the code values of its manifest.
pub const LUNG_VOLUME: &str = "118565006";
pub const LAA_950: &str = "LAA950";
pub const MEAN_DENSITY: &str = "112031";

/// One measurement of a report: the concept's and the unit's code values, and the number.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub code: String,
    pub value: f64,
    pub unit: String,
}

/// The measurements of a TID 1500 report as highdicom reads them; nothing where it is not there.
pub fn measurements(path: &Path) -> Option<Vec<Measured>> {
    let python = need::private_program("GANTRY_PYTHON", "python")?;
    let output = Command::new(python)
        .args(["-c", include_str!("measurements.py")])
        .arg(path)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "highdicom cannot read {}: {said}", path.display());
    let rows: Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    let rows = rows.as_array().expect("an array of measurements").iter();
    let word = |row: &Value, key: &str| row[key].as_str().expect("text").to_string();
    let measured = rows.map(|row| Measured {
        code: word(row, "code"),
        value: row["value"].as_f64().expect("a number"),
        unit: word(row, "unit"),
    });
    Some(measured.collect())
}

/// The only measurement of this concept, which has to be in this unit.
pub fn figure(measured: &[Measured], code: &str, unit: &str) -> f64 {
    let found: Vec<&Measured> = measured.iter().filter(|one| one.code == code).collect();
    assert_eq!(found.len(), 1, "one measurement {code:?} of {measured:?}");
    assert_eq!(found[0].unit, unit);
    found[0].value
}

/// Holds when two figures differ by a thousandth at most.
pub fn assert_close(found: f64, expected: f64) {
    let off = (found - expected).abs() / expected.abs();
    assert!(off <= 1e-3, "{found} is {:.3} % away from {expected}", off * 100.0);
}

/// What pydicom reads of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Headers {
    /// Below the folder that was asked for.
    pub path: String,
    values: Value,
}

impl Headers {
    /// The attribute as text; empty when it is absent, or the file cannot be read.
    pub fn text(&self, keyword: &str) -> String {
        self.values[keyword].as_str().unwrap_or_default().to_string()
    }
}

/// What pydicom reads of each file below a folder, by path; nothing where it is not there.
pub fn headers(folder: &Path) -> Option<Vec<Headers>> {
    let python = need::private_program("GANTRY_PYTHON", "python")?;
    let output = Command::new(python)
        .args(["-c", include_str!("headers.py")])
        .arg(folder)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pydicom: {said}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    let path = |row: &Value| row["path"].as_str().expect("text").to_string();
    Some(rows.into_iter().map(|values| Headers { path: path(&values), values }).collect())
}

/// The groups of a report that are of a segment of this segmentation, as highdicom reads both (`segments.py` says how
/// each is told); nothing where it is not there.
pub fn segments(report: &Path, segmentation: &Path) -> Option<Vec<Value>> {
    let python = need::private_program("GANTRY_PYTHON", "python")?;
    let output = Command::new(python)
        .args(["-c", include_str!("segments.py")])
        .args([report, segmentation])
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "highdicom cannot read {}: {said}", report.display());
    let rows: Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    Some(rows.as_array().expect("an array of groups").clone())
}

/// Whom a document names as its predecessors, as pydicom reads it; nothing where it is not there.
pub fn predecessors(document: &Path) -> Option<Vec<String>> {
    let python = need::private_program("GANTRY_PYTHON", "python")?;
    let output = Command::new(python)
        .args(["-W", "ignore", "-c", include_str!("predecessors.py")])
        .arg(document)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pydicom: {said}");
    Some(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}

/// Contradictions between files of one study, as dcentvfy finds them; none where it is not there. The request of a
/// report repeats the accession number at its own level, which it takes for one.
pub fn contradictions(paths: &[PathBuf]) -> Vec<String> {
    let Some(program) = need::private_program("GANTRY_DCIODVFY", "dciodvfy") else {
        return Vec::new();
    };
    let output = Command::new(program.with_file_name("dcentvfy")).args(paths).output();
    let output = output.expect("dcentvfy starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let told = said.lines().filter(|l| l.starts_with("Error") || l.starts_with("Warning"));
    told.filter(|line| !line.contains("AccessionNumber")).map(String::from).collect()
}
