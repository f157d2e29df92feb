//! Findings in words, for those who read no codes: a sentence for each group, and who says so.

use crate::header::Job;
use gantry_terms::findings::{Answer, Measurement, MeasurementGroup, NoValue, Presence};

/// Where there is no group.
pub const NOTHING: &str = "The model measured nothing and answered nothing.";

/// Of one group, as in `Lungs (Lung): Volume 2556.72 mL; Attenuation Coefficient (Mean) -788.832 [hnsf'U]`.
pub fn sentence(job: &Job, index: usize, group: &MeasurementGroup) -> String {
    let (label, _) = job.tracking(index, group);
    let mut about: Vec<&str> = Vec::new();
    for code in [&group.finding, &group.site, &group.method].into_iter().flatten() {
        let meaning = code.meaning.as_str();
        if meaning != label && !about.contains(&meaning) {
            about.push(meaning);
        }
    }
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    let said = group.presence.map(|presence| match presence {
        Presence::Present => "present".to_owned(),
        Presence::Absent => "absent".to_owned(),
        Presence::Undetermined => "undetermined".to_owned(),
    });
    let said = said.into_iter().chain(group.answers.iter().map(answer));
    let said: Vec<String> = said.chain(group.measurements.iter().map(figure)).collect();
    match said.is_empty() {
        true => format!("{label}{about}: found"),
        false => format!("{label}{about}: {}", said.join("; ")),
    }
}

/// As in `Laterality: Left`.
pub fn answer(answer: &Answer) -> String {
    let value = answer.value.as_ref().map_or("undetermined", |value| value.meaning.as_str());
    format!("{}: {value}", answer.question.meaning)
}

fn figure(measurement: &Measurement) -> String {
    let name = measurement.concept.meaning.as_str();
    let name = match &measurement.derivation {
        Some(derivation) => format!("{name} ({})", derivation.meaning),
        None => name.to_owned(),
    };
    match measurement.value {
        Ok(value) if value.is_finite() && measurement.unit.value == "1" => {
            format!("{name} {}", rounded(value))
        }
        Ok(value) if value.is_finite() => {
            format!("{name} {} {}", rounded(value), measurement.unit.value)
        }
        Ok(_) | Err(NoValue::NotANumber) => format!("{name} without a value: not a number"),
        Err(NoValue::MeasurementFailure) => format!("{name} without a value: measurement failure"),
    }
}

/// To six digits: the exact number stands in the structured report.
fn rounded(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-6 {
        return format!("{value:.5e}");
    }
    let before = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let digits = (5.0 - before).clamp(0.0, 11.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Everything that the report says of who found it, a sentence each; the mark of research comes first.
pub fn made_by(job: &Job) -> Vec<String> {
    let (algorithm, provenance) = (&job.subject.findings.algorithm, job.provenance);
    let mut told = Vec::new();
    if algorithm.research_only {
        told.push(format!("{}. Not for diagnosis.", crate::header::RESEARCH_ONLY));
    }
    told.push(format!("Found by {} of {}.", job.subject.algorithm(), algorithm.manufacturer));
    told.push(format!("Model {}, SHA-256 {}.", algorithm.name, algorithm.digest));
    told.push(format!("Rule \"{}\", revision {}.", provenance.rule, provenance.revision));
    told.extend(job.subject.findings.remarks.iter().cloned());
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_told_to_six_digits() {
        for (value, expected) in [
            (2_556.721_923_828_125, "2556.72"),
            (-788.831_741, "-788.832"),
            (80.0, "80"),
            (0.0, "0"),
            (1_234_567.8, "1234568"),
            (100_000.0, "100000"),
            (0.012_345_678, "0.0123457"),
            (-3.0e-9, "-3.00000e-9"),
        ] {
            assert_eq!(rounded(value), expected);
        }
    }
}
