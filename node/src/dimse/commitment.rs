//! Storage Commitment Push Model (PS3.4 annex J): what is asked by N-ACTION and reported by N-EVENT-REPORT, in both roles.

use crate::dimse::association::{AssociationError, Link, Waits};
use crate::dimse::command::{
    ACTION_TYPE_ID, AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, Command, EVENT_TYPE_ID,
    REQUESTED_SOP_CLASS_UID, REQUESTED_SOP_INSTANCE_UID,
};
use crate::dimse::negotiation::agreement::Context;
use crate::dimse::status;
use bytes::BytesMut;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_store::header::read_message;
use gantry_terms::header::{Header, Value};
use gantry_terms::uid::Uid;

pub use crate::dimse::negotiation::COMMITMENT;

/// The only instance of the class.
pub const COMMITMENT_INSTANCE: &str = "1.2.840.10008.1.20.1.1";

// Failure Reason (0008,1197), PS3.3 C.14.1.1.
pub const PROCESSING_FAILURE: u16 = 0x0110;
pub const NO_SUCH_INSTANCE: u16 = 0x0112;
pub const CLASS_INSTANCE_CONFLICT: u16 = 0x0119;
pub const DUPLICATE_TRANSACTION: u16 = 0x0131;
pub const RESOURCE_LIMITATION: u16 = 0x0213;

/// More is not collected: some seven thousand references.
const LONGEST: usize = 1 << 20;

const TRANSACTION_UID: u32 = 0x0008_1195;
const FAILURE_REASON: u32 = 0x0008_1197;
const FAILED_SOP_SEQUENCE: u32 = 0x0008_1198;
const REFERENCED_SOP_SEQUENCE: u32 = 0x0008_1199;
const REFERENCED_SOP_CLASS_UID: u32 = 0x0008_1150;
const REFERENCED_SOP_INSTANCE_UID: u32 = 0x0008_1155;

/// Request storage commitment (action type 1), or its report (event types 1 and 2).
const REQUEST: u16 = 1;
const ALL_COMMITTED: u16 = 1;
const SOME_FAILED: u16 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    pub sop_class: Uid,
    pub sop_instance: Uid,
}

/// What one side is asked to keep for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub transaction: Uid,
    pub references: Vec<Reference>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub transaction: Uid,
    pub committed: Vec<Reference>,
    /// With the failure reason.
    pub failed: Vec<(Reference, u16)>,
}

/// What came on a context of this class.
pub(super) enum Message {
    Asked(Request),
    Reported(Report),
}

impl Request {
    pub(super) fn data_set(&self, syntax: &Uid) -> Option<Vec<u8>> {
        let items = self.references.iter().map(|reference| item(reference, None)).collect();
        encoded(&self.transaction, [(REFERENCED_SOP_SEQUENCE, items)], syntax)
    }

    pub(super) fn read_from(data_set: &[u8], syntax: &Uid) -> Option<Self> {
        read(data_set, syntax).ok()
    }

    /// N-ACTION-RQ (PS3.7 10.3.5).
    pub(super) fn command(message: Command) -> Command {
        message
            .with_text(REQUESTED_SOP_CLASS_UID, COMMITMENT)
            .with_text(REQUESTED_SOP_INSTANCE_UID, COMMITMENT_INSTANCE)
            .with_number(ACTION_TYPE_ID, REQUEST)
            .with_data_set(true)
    }
}

impl Report {
    pub(super) fn data_set(&self, syntax: &Uid) -> Option<Vec<u8>> {
        let good = self.committed.iter().map(|reference| item(reference, None)).collect();
        let failed = self.failed.iter().map(|(reference, why)| item(reference, Some(*why)));
        let sequences = [(FAILED_SOP_SEQUENCE, failed.collect()), (REFERENCED_SOP_SEQUENCE, good)];
        encoded(&self.transaction, sequences, syntax)
    }

    /// N-EVENT-REPORT-RQ (PS3.7 10.3.1).
    pub(super) fn command(&self, message: Command) -> Command {
        let kind = if self.failed.is_empty() { ALL_COMMITTED } else { SOME_FAILED };
        message
            .with_text(AFFECTED_SOP_CLASS_UID, COMMITMENT)
            .with_text(AFFECTED_SOP_INSTANCE_UID, COMMITMENT_INSTANCE)
            .with_number(EVENT_TYPE_ID, kind)
            .with_data_set(true)
    }
}

/// Reads the message that begins with this command, up to its end. `Ok(Err)`: the status to answer with.
pub(super) async fn receive(
    link: &mut Link,
    context: &Context,
    command: &Command,
    asked: bool,
    waits: Waits,
) -> Result<Result<Message, u16>, AssociationError> {
    let mut bytes = BytesMut::new();
    let mut too_long = false;
    if command.has_data_set() {
        loop {
            let piece = link.piece(context.id, waits).await?;
            too_long |= bytes.len() + piece.data.len() > LONGEST;
            if !too_long {
                bytes.extend_from_slice(&piece.data);
            }
            if piece.is_last {
                break;
            }
        }
    }
    let (class, kind) = match asked {
        true => (REQUESTED_SOP_CLASS_UID, ACTION_TYPE_ID),
        false => (AFFECTED_SOP_CLASS_UID, EVENT_TYPE_ID),
    };
    let is_of_class = context.abstract_syntax.as_str() == COMMITMENT
        && command.text(class).as_deref() == Some(COMMITMENT);
    Ok(match (is_of_class, command.number(kind)) {
        (false, _) => Err(status::NO_SUCH_SOP_CLASS),
        (_, Some(REQUEST)) if asked && !too_long => {
            read(&bytes, &context.transfer_syntax).map(Message::Asked)
        }
        (_, Some(ALL_COMMITTED | SOME_FAILED)) if !asked && !too_long => {
            read_report(&bytes, &context.transfer_syntax).map(Message::Reported)
        }
        (_, Some(ALL_COMMITTED | SOME_FAILED)) if too_long => Err(RESOURCE_LIMITATION),
        (_, _) if asked => Err(status::NO_SUCH_ACTION),
        _ => Err(status::NO_SUCH_EVENT_TYPE),
    })
}

fn read(bytes: &[u8], syntax: &Uid) -> Result<Request, u16> {
    let header = header(bytes, syntax)?;
    let references: Option<Vec<Reference>> =
        items(&header, REFERENCED_SOP_SEQUENCE).map(reference).collect();
    match (transaction(&header), references) {
        (Some(transaction), Some(references)) if !references.is_empty() => {
            Ok(Request { transaction, references })
        }
        _ => Err(status::INVALID_ARGUMENT),
    }
}

fn read_report(bytes: &[u8], syntax: &Uid) -> Result<Report, u16> {
    let header = header(bytes, syntax)?;
    let committed: Option<Vec<_>> =
        items(&header, REFERENCED_SOP_SEQUENCE).map(reference).collect();
    let failed: Option<Vec<_>> = items(&header, FAILED_SOP_SEQUENCE)
        .map(|item| {
            let reason = item.number(FAILURE_REASON).map_or(PROCESSING_FAILURE, |why| why as u16);
            Some((reference(item)?, reason))
        })
        .collect();
    match (transaction(&header), committed, failed) {
        (Some(transaction), Some(committed), Some(failed)) => {
            Ok(Report { transaction, committed, failed })
        }
        _ => Err(status::INVALID_ARGUMENT),
    }
}

fn header(bytes: &[u8], syntax: &Uid) -> Result<Header, u16> {
    read_message(bytes, syntax).map_err(|_| status::INVALID_ARGUMENT)
}

fn transaction(header: &Header) -> Option<Uid> {
    Uid::parse(header.text(TRANSACTION_UID)?).ok()
}

fn items(header: &Header, tag: u32) -> impl Iterator<Item = &Header> {
    let values = header.attribute(tag).map(|sequence| sequence.values.iter());
    values.into_iter().flatten().filter_map(|value| match value {
        Value::Item(item) => Some(item),
        _ => None,
    })
}

fn reference(item: &Header) -> Option<Reference> {
    Some(Reference {
        sop_class: Uid::parse(item.text(REFERENCED_SOP_CLASS_UID)?).ok()?,
        sop_instance: Uid::parse(item.text(REFERENCED_SOP_INSTANCE_UID)?).ok()?,
    })
}

fn item(reference: &Reference, why: Option<u16>) -> InMemDicomObject {
    let uid = |tag, uid: &Uid| DataElement::new(split(tag), VR::UI, uid.as_str());
    let mut item = InMemDicomObject::new_empty();
    item.put(uid(REFERENCED_SOP_CLASS_UID, &reference.sop_class));
    item.put(uid(REFERENCED_SOP_INSTANCE_UID, &reference.sop_instance));
    if let Some(why) = why {
        item.put(DataElement::new(split(FAILURE_REASON), VR::US, PrimitiveValue::from(why)));
    }
    item
}

/// Sequences without items are left out: each has one or more (PS3.4 tables J.3-1, J.3-2).
fn encoded<const N: usize>(
    transaction: &Uid,
    sequences: [(u32, Vec<InMemDicomObject>); N],
    syntax: &Uid,
) -> Option<Vec<u8>> {
    let mut object = InMemDicomObject::new_empty();
    object.put(DataElement::new(split(TRANSACTION_UID), VR::UI, transaction.as_str()));
    for (tag, items) in sequences {
        if !items.is_empty() {
            object.put(DataElement::new(split(tag), VR::SQ, DataSetSequence::from(items)));
        }
    }
    let syntax = TransferSyntaxRegistry.get(syntax.as_str())?;
    let mut bytes = Vec::new();
    object.write_dataset_with_ts(&mut bytes, syntax).ok()?;
    Some(bytes)
}

fn split(tag: u32) -> Tag {
    Tag((tag >> 16) as u16, tag as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::transfer_syntaxes::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};

    fn uid(text: &str) -> Uid {
        Uid::parse(text).expect("a UID")
    }

    fn references(count: usize) -> Vec<Reference> {
        let reference = |number| Reference {
            sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: uid(&format!("1.2.826.0.{number}")),
        };
        (0..count).map(reference).collect()
    }

    #[test]
    fn what_is_asked_and_reported_is_read_as_it_was_written() {
        let request = Request { transaction: uid("1.2.3"), references: references(3000) };
        let mut committed = references(3000);
        let failed = vec![(committed.pop().expect("three"), NO_SUCH_INSTANCE)];
        let report = Report { transaction: uid("1.2.3"), committed, failed };
        for syntax in [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN] {
            let syntax = uid(syntax);
            let bytes = request.data_set(&syntax).expect("written");
            assert_eq!(read(&bytes, &syntax), Ok(request.clone()));
            let bytes = report.data_set(&syntax).expect("written");
            assert_eq!(read_report(&bytes, &syntax), Ok(report.clone()));
        }
    }

    #[test]
    fn what_lacks_a_transaction_or_names_no_instances_is_refused() {
        let syntax = uid(EXPLICIT_VR_LITTLE_ENDIAN);
        let none = Request { transaction: uid("1.2.3"), references: Vec::new() };
        let bytes = none.data_set(&syntax).expect("written");
        assert_eq!(read(&bytes, &syntax), Err(status::INVALID_ARGUMENT));
        assert_eq!(read(b"", &syntax), Err(status::INVALID_ARGUMENT));
        assert_eq!(read_report(b"garbage that is none", &syntax), Err(status::INVALID_ARGUMENT));
    }
}
