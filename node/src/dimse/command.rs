//! Command sets (PS3.7 6.3.1 and annex E): group 0000 in Implicit VR Little Endian, read leniently and written by the book.

use gantry_terms::uid::Uid;
use std::collections::BTreeMap;

/// Longest command set that is read.
pub(super) const LONGEST: usize = 64 * 1024;

// Elements of group 0000.
pub(super) const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
pub(super) const REQUESTED_SOP_CLASS_UID: u16 = 0x0003;
pub(super) const COMMAND_FIELD: u16 = 0x0100;
pub(super) const MESSAGE_ID: u16 = 0x0110;
pub(super) const MESSAGE_ID_BEING_RESPONDED_TO: u16 = 0x0120;
pub(super) const PRIORITY: u16 = 0x0700;
pub(super) const COMMAND_DATA_SET_TYPE: u16 = 0x0800;
pub(super) const STATUS: u16 = 0x0900;
pub(super) const ERROR_COMMENT: u16 = 0x0902;
pub(super) const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;
pub(super) const REQUESTED_SOP_INSTANCE_UID: u16 = 0x1001;
pub(super) const EVENT_TYPE_ID: u16 = 0x1002;
pub(super) const ACTION_TYPE_ID: u16 = 0x1008;
pub(super) const MOVE_ORIGINATOR_AE_TITLE: u16 = 0x1030;
pub(super) const MOVE_ORIGINATOR_MESSAGE_ID: u16 = 0x1031;

// Command fields (PS3.7 E.1).
pub(super) const C_STORE_RQ: u16 = 0x0001;
pub(super) const C_FIND_RQ: u16 = 0x0020;
pub(super) const C_ECHO_RQ: u16 = 0x0030;
pub(super) const N_EVENT_REPORT_RQ: u16 = 0x0100;
pub(super) const N_ACTION_RQ: u16 = 0x0130;
/// The only request that has no response (PS3.7 9.3.2.3).
pub(super) const C_CANCEL_RQ: u16 = 0x0FFF;
/// Set in the command field of every response.
pub(super) const RESPONSE: u16 = 0x8000;

/// Command Data Set Type: no data set follows. Any other value says that one does.
pub(super) const NO_DATA_SET: u16 = 0x0101;
const DATA_SET_FOLLOWS: u16 = 0x0001;

/// A command set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Command(BTreeMap<u16, Vec<u8>>);

impl Command {
    /// Reads to the end; (0000,0000) may be missing or wrong. Nothing when lengths do not add up
    /// or another group appears.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut elements = BTreeMap::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at_checked(8)?;
            if head[..2] != [0, 0] {
                return None;
            }
            let element = u16::from_le_bytes([head[2], head[3]]);
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let (value, rest) = rest.split_at_checked(length)?;
            elements.insert(element, value.to_vec());
            bytes = rest;
        }
        Some(Self(elements))
    }

    pub fn number(&self, element: u16) -> Option<u16> {
        let bytes = self.0.get(&element)?;
        Some(u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]))
    }

    /// As sent, without padding.
    pub fn text(&self, element: u16) -> Option<String> {
        let bytes = self.0.get(&element)?;
        Some(String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_string())
    }

    pub fn uid(&self, element: u16) -> Option<Uid> {
        Uid::parse(&self.text(element)?).ok()
    }

    pub fn has_data_set(&self) -> bool {
        self.number(COMMAND_DATA_SET_TYPE).is_some_and(|kind| kind != NO_DATA_SET)
    }

    pub fn with_number(mut self, element: u16, value: u16) -> Self {
        self.0.insert(element, value.to_le_bytes().to_vec());
        self
    }

    /// UI is padded with NUL, everything else with a space (PS3.5 6.2).
    pub fn with_text(mut self, element: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if element == ERROR_COMMENT { b' ' } else { 0 });
        }
        self.0.insert(element, bytes);
        self
    }

    pub fn with_data_set(self, follows: bool) -> Self {
        self.with_number(
            COMMAND_DATA_SET_TYPE,
            if follows { DATA_SET_FOLLOWS } else { NO_DATA_SET },
        )
    }

    /// The response to a request: what has to be echoed, and the status.
    pub fn response_to(request: &Self, status: u16) -> Self {
        let field = request.number(COMMAND_FIELD).unwrap_or_default() | RESPONSE;
        let message = request.number(MESSAGE_ID).unwrap_or_default();
        let mut response = Self::default()
            .with_number(COMMAND_FIELD, field)
            .with_number(MESSAGE_ID_BEING_RESPONDED_TO, message)
            .with_number(STATUS, status)
            .with_data_set(false);
        // What an N-ACTION requested is what its response affects (PS3.7 10.3.5).
        for (asked, echoed) in [
            (REQUESTED_SOP_CLASS_UID, AFFECTED_SOP_CLASS_UID),
            (REQUESTED_SOP_INSTANCE_UID, AFFECTED_SOP_INSTANCE_UID),
            (AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_CLASS_UID),
            (AFFECTED_SOP_INSTANCE_UID, AFFECTED_SOP_INSTANCE_UID),
        ] {
            // As it came, even when it breaks the rules of a UID, but never of odd length.
            if let Some(mut value) = request.0.get(&asked).cloned() {
                value.resize(value.len().next_multiple_of(2), 0);
                response.0.insert(echoed, value);
            }
        }
        response
    }

    /// With its group length.
    pub fn write(&self) -> Vec<u8> {
        let mut elements = Vec::new();
        for (element, value) in &self.0 {
            put(&mut elements, *element, value);
        }
        let mut bytes = Vec::with_capacity(elements.len() + 12);
        put(&mut bytes, 0, &(elements.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&elements);
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, element: u16, value: &[u8]) {
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&element.to_le_bytes());
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_group_length_is_read_and_one_of_wrong_lengths_is_not() {
        let command = Command::default()
            .with_number(COMMAND_FIELD, C_STORE_RQ)
            .with_number(MESSAGE_ID, 7)
            .with_text(AFFECTED_SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.2")
            .with_data_set(true);
        let bytes = command.write();
        let without_length = Command::read(&bytes[12..]).expect("it adds up");
        assert_eq!(without_length, command);
        assert!(without_length.has_data_set());
        assert_eq!(Command::read(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Command::read(b"\x08\x00\x05\x00\x00\x00\x00\x00"), None);
    }

    #[test]
    fn a_response_echoes_class_instance_and_message() {
        let request = Command::default()
            .with_number(COMMAND_FIELD, C_ECHO_RQ)
            .with_number(MESSAGE_ID, 9)
            .with_text(AFFECTED_SOP_CLASS_UID, "1.2.840.10008.1.1");
        let response = Command::response_to(&request, 0);
        assert_eq!(response.number(COMMAND_FIELD), Some(0x8030));
        assert_eq!(response.number(MESSAGE_ID_BEING_RESPONDED_TO), Some(9));
        assert_eq!(response.text(AFFECTED_SOP_CLASS_UID).as_deref(), Some("1.2.840.10008.1.1"));
        assert!(!response.has_data_set());
    }
}
