//! The content of the report, row by row in the order of PS3.16 TID 1500.

use crate::codes::*;
use crate::data_set::{DataSet, referenced_frame};
use crate::header::Job;
use crate::object::ComposeError;
use crate::structured_report::content::{self, Relation::*};
use crate::structured_report::image_library::image_library;
use crate::structured_report::observer::observer;
use crate::structured_report::{About, regions, segments};
use gantry_terms::code::Code;
use gantry_terms::findings::{Answer, Measurement, MeasurementGroup, NoValue, Presence};

/// Children of the root container.
pub fn report(about: &About) -> Result<Vec<DataSet>, ComposeError> {
    let About { job, measured, failure, .. } = about;
    let mut rows = vec![content::code(HasConceptModifier, LANGUAGE, &ENGLISH.into())];
    rows.extend(observer(job));
    rows.push(content::code(
        HasConceptModifier,
        PROCEDURE_REPORTED,
        &job.subject.findings.procedure,
    ));
    rows.push(image_library(job, *measured)?);
    rows.push(measurements(about)?);
    rows.extend(failure.map(failed));
    Ok(rows)
}

/// What holds for the whole of the analysis.
fn failed(why: &str) -> DataSet {
    let rows = vec![
        content::code(Contains, SUMMARY_OF_ANALYSES, &FAILED.into()),
        content::text(Contains, COMMENT, why),
    ];
    content::container(Contains, QUALITATIVE_EVALUATIONS, rows)
}

fn measurements(about: &About) -> Result<DataSet, ComposeError> {
    let mut rows = algorithm(&about.job);
    for (index, group) in about.job.subject.findings.groups.iter().enumerate() {
        rows.push(measurement_group(about, index, group)?);
    }
    Ok(content::container(Contains, IMAGING_MEASUREMENTS, rows))
}

/// TID 4019, once for all groups.
fn algorithm(job: &Job) -> Vec<DataSet> {
    let algorithm = &job.subject.findings.algorithm;
    let text = |name: Concept, value: &str| content::text(HasConceptModifier, name, value);
    let parameter = |key: &str, value: &str| text(ALGORITHM_PARAMETERS, &format!("{key}={value}"));
    let mut rows = vec![
        text(ALGORITHM_NAME, &algorithm.title),
        text(ALGORITHM_VERSION, &algorithm.version),
        text(ALGORITHM_MANUFACTURER, &algorithm.manufacturer),
        parameter("model", &algorithm.name),
        parameter("model SHA-256", &algorithm.digest),
        parameter("rule", &job.provenance.rule),
        parameter("rule set", &job.provenance.rules_digest),
        parameter("revision", &job.provenance.revision.to_string()),
    ];
    if algorithm.research_only {
        rows.push(parameter("intended use", crate::header::RESEARCH_ONLY));
    }
    let remarks = &job.subject.findings.remarks;
    rows.extend(remarks.iter().map(|remark| text(ALGORITHM_PARAMETERS, remark)));
    rows.push(content::code(HasConceptModifier, ALGORITHM_FAMILY, &algorithm.family));
    rows.into_iter().filter(content::has_value).collect()
}

/// TID 1501; with a region, of a segment or of a frame of one, TID 1410, or 1411 where that is on several images.
fn measurement_group(
    about: &About,
    index: usize,
    group: &MeasurementGroup,
) -> Result<DataSet, ComposeError> {
    let About { job, .. } = about;
    let (label, tracking) = job.tracking(index, group);
    let modifier = |name: Concept, value: &Option<Code>| {
        value.as_ref().map(|value| content::code(HasConceptModifier, name, value))
    };
    let mut rows = vec![
        content::text(HasObservationContext, TRACKING_IDENTIFIER, &label),
        content::uid(HasObservationContext, TRACKING_UNIQUE_IDENTIFIER, &tracking),
    ];
    rows.extend(group.finding.as_ref().map(|finding| content::code(Contains, FINDING, finding)));
    let place = regions::regions(about, group)?.or_else(|| segments::segment(about, group));
    let identifier = place.as_ref().map_or("1501", |place| place.template);
    let placed = place.is_some();
    rows.extend(place.map(|place| place.rows).unwrap_or_default());
    rows.extend(modifier(MEASUREMENT_METHOD, &group.method));
    rows.extend(modifier(FINDING_SITE, &group.site));
    for measurement in &group.measurements {
        rows.push(number(measurement)?);
    }
    rows.extend(only_source(job, group.frame).filter(|_| !placed));
    rows.extend(group.presence.map(presence));
    rows.extend(group.answers.iter().map(answer));
    let mut container = content::container(Contains, MEASUREMENT_GROUP, rows);
    content::template(&mut container, identifier);
    Ok(container)
}

/// Source of Measurement tells something only where one image, or one frame of it, is the source; for a stack it
/// would repeat the image library in every group.
fn only_source(job: &Job, frame: Option<u32>) -> Option<DataSet> {
    match job.subject.source.instances.as_slice() {
        [only] => Some(content::image(
            Some(SOURCE_OF_MEASUREMENT.into()),
            referenced_frame(&only.sop_class, &only.sop_instance, frame),
        )),
        _ => None,
    }
}

/// A qualitative evaluation: what was looked for stands as the Finding whether it is there or not.
fn presence(presence: Presence) -> DataSet {
    let answer = match presence {
        Presence::Present => PRESENT,
        Presence::Absent => ABSENT,
        Presence::Undetermined => UNDETERMINED,
    };
    content::code(Contains, PRESENCE_OF_PROPERTY, &answer.into())
}

/// A qualitative evaluation too: the question, and the class that answers it.
fn answer(answer: &Answer) -> DataSet {
    let undetermined = UNDETERMINED.into();
    let value = answer.value.as_ref().unwrap_or(&undetermined);
    content::code(Contains, answer.question.clone(), value)
}

/// TID 300.
fn number(measurement: &Measurement) -> Result<DataSet, ComposeError> {
    let value = measurement.value.map_err(|reason| match reason {
        NoValue::NotANumber => NOT_A_NUMBER.into(),
        NoValue::MeasurementFailure => MEASUREMENT_FAILURE.into(),
    });
    // A number that is not finite never came from a sound model run; it is told as what it is.
    let value = value.and_then(|v| if v.is_finite() { Ok(v) } else { Err(NOT_A_NUMBER.into()) });
    let name = measurement.concept.clone();
    let item = content::number(Contains, name, value, &measurement.unit)?;
    let derivation = measurement.derivation.as_ref();
    let derivation = derivation.map(|code| content::code(HasConceptModifier, DERIVATION, code));
    Ok(content::with_children(item, derivation.into_iter().collect()))
}
