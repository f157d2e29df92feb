//! Content items of a structured report (PS3.3 C.17.3): one constructor for each value type that we write.

use crate::data_set::{DataSet, coded};
use crate::object::ComposeError;
use crate::text::decimal;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::uid::Uid;

/// How an item belongs to its parent (PS3.3 Table C.17.3-8).
#[derive(Debug, Clone, Copy)]
pub enum Relation {
    Contains,
    HasConceptModifier,
    HasObservationContext,
    HasAcquisitionContext,
    SelectedFrom,
    InferredFrom,
}

impl Relation {
    fn term(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasConceptModifier => "HAS CONCEPT MOD",
            Self::HasObservationContext => "HAS OBS CONTEXT",
            Self::HasAcquisitionContext => "HAS ACQ CONTEXT",
            Self::SelectedFrom => "SELECTED FROM",
            Self::InferredFrom => "INFERRED FROM",
        }
    }
}

fn item(relation: Relation, value_type: &str, name: Option<Code>) -> DataSet {
    let mut item = DataSet::new();
    item.text(tags::RELATIONSHIP_TYPE, relation.term()).text(tags::VALUE_TYPE, value_type);
    if let Some(name) = name {
        item.code(tags::CONCEPT_NAME_CODE_SEQUENCE, &name);
    }
    item
}

pub fn text(relation: Relation, name: impl Into<Code>, value: &str) -> DataSet {
    let mut item = item(relation, "TEXT", Some(name.into()));
    item.text(tags::TEXT_VALUE, value);
    item
}

pub fn code(relation: Relation, name: impl Into<Code>, value: &Code) -> DataSet {
    let mut item = item(relation, "CODE", Some(name.into()));
    item.code(tags::CONCEPT_CODE_SEQUENCE, value);
    item
}

pub fn uid(relation: Relation, name: impl Into<Code>, value: &Uid) -> DataSet {
    let mut item = item(relation, "UIDREF", Some(name.into()));
    item.uid(tags::UID, value);
    item
}

/// An image of the library; its purpose is told only outside the library.
pub fn image(purpose: Option<Code>, reference: DataSet) -> DataSet {
    let mut item = item(Relation::Contains, "IMAGE", purpose);
    item.item(tags::REFERENCED_SOP_SEQUENCE, reference);
    item
}

/// An image that a sentence follows from.
pub fn inferred_from(reference: DataSet) -> DataSet {
    let mut item = item(Relation::InferredFrom, "IMAGE", None);
    item.item(tags::REFERENCED_SOP_SEQUENCE, reference);
    item
}

/// A closed line on an image, by column and row: 0 is the outer edge of the first pixel (PS3.3 C.18.6.1.1).
pub fn outline(name: impl Into<Code>, corners: &[[f64; 2]], image: DataSet) -> DataSet {
    let closed = corners.iter().chain(corners.first());
    let points: Vec<f32> = closed.flat_map(|at| at.map(|pixels| pixels as f32)).collect();
    let mut source = item(Relation::SelectedFrom, "IMAGE", None);
    source.item(tags::REFERENCED_SOP_SEQUENCE, image);
    let mut outline = item(Relation::Contains, "SCOORD", Some(name.into()));
    outline
        .put(DataElement::new(tags::GRAPHIC_DATA, VR::FL, PrimitiveValue::F32(points.into())))
        .text(tags::GRAPHIC_TYPE, "POLYLINE");
    with_children(outline, vec![source])
}

/// A closed line in one plane of the patient, in mm of a frame of reference (PS3.3 C.18.9).
pub fn polygon(name: impl Into<Code>, corners: &[[f64; 3]], frame_of_reference: &Uid) -> DataSet {
    let closed = corners.iter().chain(corners.first());
    let points: Vec<f32> = closed.flat_map(|at| at.map(|millimetres| millimetres as f32)).collect();
    let mut polygon = item(Relation::Contains, "SCOORD3D", Some(name.into()));
    polygon
        .put(DataElement::new(tags::GRAPHIC_DATA, VR::FL, PrimitiveValue::F32(points.into())))
        .text(tags::GRAPHIC_TYPE, "POLYGON")
        .uid(tags::REFERENCED_FRAME_OF_REFERENCE_UID, frame_of_reference);
    polygon
}

/// A number with its unit, or the reason why there is none (PS3.3 C.18.1).
pub fn number(
    relation: Relation,
    name: impl Into<Code>,
    value: Result<f64, Code>,
    unit: &Code,
) -> Result<DataSet, ComposeError> {
    let mut item = item(relation, "NUM", Some(name.into()));
    match value {
        Ok(value) => {
            item.item(tags::MEASURED_VALUE_SEQUENCE, measured(value, unit)?);
        }
        Err(reason) => {
            item.empty(tags::MEASURED_VALUE_SEQUENCE)
                .item(tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE, coded(&reason));
        }
    }
    Ok(item)
}

/// Sixteen bytes cannot hold every number: where they do not, the exact one stands beside.
fn measured(value: f64, unit: &Code) -> Result<DataSet, ComposeError> {
    let text = decimal(value)
        .ok_or_else(|| ComposeError::Mismatch("a measurement is not finite".into()))?;
    let mut measured = DataSet::new();
    if text.parse() != Ok(value) {
        measured.put(DataElement::new(
            tags::FLOATING_POINT_VALUE,
            VR::FD,
            PrimitiveValue::from(value),
        ));
    }
    measured
        .values(tags::NUMERIC_VALUE, vec![text])
        .code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit);
    Ok(measured)
}

pub fn container(relation: Relation, name: impl Into<Code>, children: Vec<DataSet>) -> DataSet {
    let mut item = item(relation, "CONTAINER", Some(name.into()));
    item.text(tags::CONTINUITY_OF_CONTENT, "SEPARATE");
    with_children(item, children)
}

/// An empty Content Sequence is not allowed: an item without children has none.
pub fn with_children(mut item: DataSet, children: Vec<DataSet>) -> DataSet {
    if !children.is_empty() {
        item.items(tags::CONTENT_SEQUENCE, children);
    }
    item
}

/// Marks a container as built to a template of PS3.16.
pub fn template(item: &mut DataSet, identifier: &str) {
    let mut template = DataSet::new();
    template.text(tags::MAPPING_RESOURCE, "DCMR").text(tags::TEMPLATE_IDENTIFIER, identifier);
    item.item(tags::CONTENT_TEMPLATE_SEQUENCE, template);
}

/// A TEXT item must have a value (Type 1): one that would be empty is left out.
pub fn has_value(item: &DataSet) -> bool {
    let text = item.element(tags::TEXT_VALUE);
    text.is_none_or(|text| text.to_str().is_ok_and(|text| !text.trim().is_empty()))
}
