//! What findings have to name before anything is made of them: what results say of them is Type 1 (PS3.3 8.8, C.17.3).

use crate::object::ComposeError;
use gantry_terms::code::Code;
use gantry_terms::findings::{Derived, Findings, Mask, MeasurementGroup};

/// The first thing without a name, if there is one.
pub fn check(findings: &Findings) -> Result<(), ComposeError> {
    let algorithm = &findings.algorithm;
    for (text, part) in [
        (&algorithm.title, "title"),
        (&algorithm.name, "name"),
        (&algorithm.version, "version"),
        (&algorithm.manufacturer, "manufacturer"),
    ] {
        text_of(text, part, "the algorithm")?;
    }
    code(&algorithm.family, "the family of the algorithm")?;
    code(&findings.procedure, "the procedure")?;
    findings.groups.iter().try_for_each(group)?;
    findings.masks.iter().try_for_each(mask)?;
    findings.derived.iter().try_for_each(derived)
}

fn group(group: &MeasurementGroup) -> Result<(), ComposeError> {
    // The Tracking Identifier, too.
    text_of(&group.label, "label", "a group")?;
    let codes = [
        (&group.finding, "a finding"),
        (&group.site, "a finding site"),
        (&group.method, "a method"),
    ];
    codes.iter().try_for_each(|(code, of)| maybe(code.as_ref(), of))?;
    for measurement in &group.measurements {
        code(&measurement.concept, "a measurement")?;
        code(&measurement.unit, "a unit")?;
        maybe(measurement.derivation.as_ref(), "a derivation")?;
    }
    for answer in &group.answers {
        code(&answer.question, "a question")?;
        maybe(answer.value.as_ref(), "an answer")?;
    }
    Ok(())
}

fn mask(mask: &Mask) -> Result<(), ComposeError> {
    text_of(&mask.label, "label", "a mask")?;
    code(&mask.category, "the category of a mask")?;
    code(&mask.property, "the property of a mask")
}

fn derived(image: &Derived) -> Result<(), ComposeError> {
    text_of(&image.label, "label", "an image")?;
    code(&image.derivation, "the derivation of an image")?;
    let Some(quantity) = &image.quantity else { return Ok(()) };
    code(&quantity.concept, "the quantity of an image")?;
    code(&quantity.unit, "the unit of an image")
}

fn maybe(found: Option<&Code>, of: &'static str) -> Result<(), ComposeError> {
    found.map_or(Ok(()), |found| code(found, of))
}

fn code(code: &Code, of: &'static str) -> Result<(), ComposeError> {
    text_of(&code.value, "code value", of)?;
    text_of(&code.scheme, "coding scheme", of)?;
    text_of(&code.meaning, "code meaning", of)
}

fn text_of(text: &str, part: &'static str, of: &'static str) -> Result<(), ComposeError> {
    match text.trim().is_empty() {
        true => Err(ComposeError::Unnamed { part, of }),
        false => Ok(()),
    }
}
