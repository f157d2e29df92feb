//! Values of Modality that the standard does not know.

use super::super::dictionary::nearest;
use super::super::problem::Problem;
use super::super::rule_set::SourceFile;
use super::super::tree::{Node, Toml};
use super::{entries, of, text};

/// Defined terms of PS3.3 C.7.3.1.1.1.
const KNOWN: [&str; 79] = [
    "ANN",
    "AR",
    "ASMT",
    "AU",
    "BDUS",
    "BI",
    "BMD",
    "CFM",
    "CR",
    "CT",
    "CTPROTOCOL",
    "DG",
    "DMS",
    "DOC",
    "DX",
    "ECG",
    "EEG",
    "EMG",
    "EOG",
    "EPS",
    "ES",
    "FID",
    "GM",
    "HC",
    "HD",
    "IO",
    "IOL",
    "IVOCT",
    "IVUS",
    "KER",
    "KO",
    "LEN",
    "LS",
    "M3D",
    "MG",
    "MR",
    "NM",
    "OAM",
    "OCT",
    "OP",
    "OPM",
    "OPT",
    "OPTBSV",
    "OPTENF",
    "OPV",
    "OSS",
    "OT",
    "PA",
    "PLAN",
    "POS",
    "PR",
    "PT",
    "PX",
    "REG",
    "RESP",
    "RF",
    "RG",
    "RTDOSE",
    "RTIMAGE",
    "RTINTENT",
    "RTPLAN",
    "RTRAD",
    "RTRECORD",
    "RTSEGANN",
    "RTSTRUCT",
    "RWV",
    "SEG",
    "SM",
    "SMR",
    "SR",
    "SRF",
    "STAIN",
    "TEXTUREMAP",
    "TG",
    "US",
    "VA",
    "XA",
    "XAPROTOCOL",
    "XC",
];
/// Terms that it has retired, and that old scanners still send.
const RETIRED: [&str; 18] = [
    "AS", "CD", "CF", "CP", "CS", "DD", "DF", "DM", "DS", "EC", "FA", "FS", "LP", "MA", "MS",
    "OPR", "ST", "VF",
];

pub(super) fn check(file: &SourceFile, rule: &Node, warnings: &mut Vec<Problem>) {
    if let Some(select) = of(rule, "select") {
        walk(file, &select.node, warnings);
    }
}

/// At any depth: in groups and in named selections.
fn walk(file: &SourceFile, node: &Node, warnings: &mut Vec<Problem>) {
    if let Toml::Array(nodes) = &node.value {
        nodes.iter().for_each(|node| walk(file, node, warnings));
    }
    for entry in entries(node) {
        match (entry.key.as_str(), &entry.node.value) {
            ("Modality", Toml::Table(operators)) => {
                let asked = |key: &str| ["has", "not", "lacks"].contains(&key);
                for operator in operators.iter().filter(|it| asked(&it.key)) {
                    values(file, &operator.node, warnings);
                }
            }
            ("Modality", _) => values(file, &entry.node, warnings),
            _ => walk(file, &entry.node, warnings),
        }
    }
}

fn values(file: &SourceFile, node: &Node, warnings: &mut Vec<Problem>) {
    if let Toml::Array(nodes) = &node.value {
        return nodes.iter().for_each(|node| values(file, node, warnings));
    }
    // Small letters have a warning of their own.
    let Some(value) = text(node).map(str::trim).filter(|value| !known(value)) else { return };
    let help = match nearest(value, KNOWN) {
        Some(near) => format!("did you mean \"{near}\"? The terms are in PS3.3 C.7.3.1.1.1"),
        None => "the terms are in PS3.3 C.7.3.1.1.1".to_string(),
    };
    let message = format!("\"{value}\" is no modality that DICOM defines");
    let here = Problem::new(&file.path, &file.text, node.span.clone(), message);
    warnings.push(here.with_help(Some(help)));
}

fn known(value: &str) -> bool {
    let value = value.to_ascii_uppercase();
    KNOWN.iter().chain(&RETIRED).any(|known| *known == value)
}
