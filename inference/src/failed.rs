//! What there is to say of a run that came to no end.

use crate::findings::algorithm;
use crate::models::Model;
use gantry_terms::code::Code;
use gantry_terms::findings::{Findings, Measurement, MeasurementGroup, NoValue};

/// Each number that the manifest names, as a failed measurement. Of what
/// would have been found at places there is nothing to say.
pub fn of_failure(model: &Model) -> Findings {
    let manifest = &model.manifest;
    let failed = |key: &str, concept: &Code, derivation: Option<&Code>, unit: &Code| Measurement {
        key: key.into(),
        concept: concept.clone(),
        derivation: derivation.cloned(),
        unit: unit.clone(),
        value: Err(NoValue::MeasurementFailure),
    };
    let groups = manifest.groups.iter().map(|group| {
        let numbers = manifest.measurements.iter().filter(|output| output.group == group.key);
        let numbers = numbers.map(|output| {
            failed(&output.key, &output.concept, output.derivation.as_ref(), &output.unit)
        });
        let answers = manifest.classifications.iter().filter(|output| output.group == group.key);
        let answers =
            answers.map(|output| failed(&output.key, &output.concept, None, &output.unit));
        let chosen = manifest.choices.iter().filter(|output| output.group == group.key);
        let chosen = chosen.filter_map(|output| {
            let told = output.told.as_ref()?;
            Some(failed(&output.key, &told.concept, None, &told.unit))
        });
        MeasurementGroup {
            label: group.label.clone(),
            finding: group.finding.clone(),
            site: group.site.clone(),
            method: group.method.clone(),
            measurements: numbers.chain(answers).chain(chosen).collect(),
            presence: None,
            answers: Vec::new(),
            frame: None,
            region: None,
            segment: None,
        }
    });
    Findings {
        algorithm: algorithm(model),
        procedure: manifest.procedure.clone(),
        groups: groups.collect(),
        masks: Vec::new(),
        derived: Vec::new(),
        remarks: Vec::new(),
    }
}
