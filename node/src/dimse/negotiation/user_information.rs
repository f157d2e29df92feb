//! The user information of A-ASSOCIATE-RQ and -AC (PS3.7 D.3.3): limits, names, roles and identity.

use super::items::{field, item, text};
use crate::dimse::pdu::announced;
use bytes::{Buf, Bytes};
use dicom_ul::pdu::UserVariableItem;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a peer that takes any length is sent at most, and one that names none.
const UNLIMITED: u32 = 1 << 20;
const UNNAMED: u32 = 16 * 1024;
/// Roles, levels and service classes are kept of so many SOP classes: there are no more contexts.
const MOST_CLASSES: usize = 128;

/// What a peer says of itself. Further and private sub-items are passed over, and so is one whose
/// inside does not add up: old devices send both.
#[derive(Debug, Default)]
pub(in crate::dimse) struct UserInformation {
    maximum_length: Option<u32>,
    pub implementation_class: String,
    pub implementation_version: String,
    /// By SOP class; the first for a class counts.
    pub roles: BTreeMap<String, Roles>,
    /// The SOP classes with extended negotiation.
    pub extended: BTreeSet<String>,
    /// The service class that each SOP class belongs to (common extended negotiation).
    pub service_classes: BTreeMap<String, String>,
    pub identity: Option<UserIdentity>,
    /// The peer answered to the identity that it was told.
    pub is_identity_confirmed: bool,
}

/// Roles that the requestor proposes for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dimse) struct Roles {
    pub scu: bool,
    pub scp: bool,
}

// Types of a user identity (PS3.7 table D.3-14).
pub const NAME: u8 = 1;
pub const NAME_AND_PASSCODE: u8 = 2;
pub const KERBEROS: u8 = 3;
pub const SAML: u8 = 4;
pub const JWT: u8 = 5;

/// Who the user says to be (PS3.7 D.3.3.7).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserIdentity {
    /// 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT; 0 where it cannot be read.
    pub kind: u8,
    pub asks_for_response: bool,
    pub primary: Vec<u8>,
    /// A secret.
    pub secondary: Vec<u8>,
}

/// Neither field: one names a person, the other is a secret.
impl fmt::Debug for UserIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user identity of type {}", self.kind)
    }
}

impl UserInformation {
    /// Nothing when the sub-items do not add up.
    pub fn read(mut body: Bytes) -> Option<Self> {
        let mut information = Self::default();
        while !body.is_empty() {
            let (kind, value) = item(&mut body)?;
            information.take(kind, value);
        }
        Some(information)
    }

    fn take(&mut self, kind: u8, mut value: Bytes) {
        match kind {
            0x51 if value.len() == 4 => self.maximum_length = Some(value.get_u32()),
            0x52 => self.implementation_class = text(&value),
            0x54 => {
                if let Some((class, roles)) = roles(value)
                    && self.roles.len() < MOST_CLASSES
                {
                    self.roles.entry(class).or_insert(roles);
                }
            }
            0x55 => self.implementation_version = text(&value),
            0x56 if self.extended.len() < MOST_CLASSES => {
                self.extended.extend(field(&mut value).map(|class| text(&class)));
            }
            0x57 if self.service_classes.len() < MOST_CLASSES => {
                self.service_classes.extend(service_class(value));
            }
            0x58 => self.identity = Some(identity(value).unwrap_or_default()),
            // What a ticket or an assertion is answered with is for who asks further; this node does not.
            0x59 => self.is_identity_confirmed = true,
            // 53H, asynchronous operations: not answered, so that there are none.
            _ => {}
        }
    }

    /// The longest P-DATA-TF variable field that the peer takes. 0 is no limit (PS3.8 D.1.1):
    /// ours then.
    pub fn peer_maximum(&self) -> u32 {
        match self.maximum_length {
            None => UNNAMED,
            Some(0) => UNLIMITED,
            Some(length) => length.min(UNLIMITED),
        }
    }

    /// Nothing can be sent to a peer that takes less than one value with a few bytes.
    pub fn check(&self) -> Result<(), &'static str> {
        match self.maximum_length {
            Some(1..16) => Err("the announced maximum length leaves no room for data"),
            _ => Ok(()),
        }
    }
}

/// Name and version of this implementation (PS3.7 D.3.3.2), and the length that we take.
pub(in crate::dimse) fn of_this_node(maximum: u32) -> Vec<UserVariableItem> {
    let class = Uid::derived(&["Gantry implementation class"]);
    let version = format!("GANTRY_{}", env!("CARGO_PKG_VERSION").replace('.', "_"));
    vec![
        UserVariableItem::MaxLength(announced(maximum)),
        UserVariableItem::ImplementationClassUID(class.to_string()),
        UserVariableItem::ImplementationVersionName(version.chars().take(16).collect()),
    ]
}

/// The identity is known: server response of no bytes (PS3.7 D.3.3.7.2), which dicom-ul has no
/// name for.
pub(in crate::dimse) fn identity_confirmed() -> UserVariableItem {
    UserVariableItem::Unknown(0x59, vec![0, 0])
}

/// As whom this node asks (PS3.7 table D.3-14).
pub(in crate::dimse) fn identity_of(identity: &UserIdentity) -> UserVariableItem {
    let mut bytes = vec![identity.kind, u8::from(identity.asks_for_response)];
    for field in [&identity.primary, &identity.secondary] {
        let field = &field[..field.len().min(usize::from(u16::MAX))];
        bytes.extend_from_slice(&(field.len() as u16).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    UserVariableItem::Unknown(0x58, bytes)
}

fn roles(mut value: Bytes) -> Option<(String, Roles)> {
    let class = text(&field(&mut value)?);
    let &[scu, scp] = value.as_ref() else { return None };
    Some((class, Roles { scu: scu == 1, scp: scp == 1 }))
}

fn service_class(mut value: Bytes) -> Option<(String, String)> {
    Some((text(&field(&mut value)?), text(&field(&mut value)?)))
}

fn identity(mut value: Bytes) -> Option<UserIdentity> {
    let kind = value.try_get_u8().ok()?;
    let asks_for_response = value.try_get_u8().ok()? == 1;
    let primary = field(&mut value)?.to_vec();
    let secondary = field(&mut value)?.to_vec();
    Some(UserIdentity { kind, asks_for_response, primary, secondary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_sent_what_it_takes_and_never_without_limit() {
        let announcing =
            |maximum_length| UserInformation { maximum_length, ..UserInformation::default() };
        for (announced, sent) in
            [(None, 16_384), (Some(0), 1 << 20), (Some(u32::MAX), 1 << 20), (Some(16), 16)]
        {
            assert_eq!(announcing(announced).peer_maximum(), sent);
            assert!(announcing(announced).check().is_ok());
        }
        assert!(announcing(Some(15)).check().is_err());
    }

    #[test]
    fn neither_name_nor_passcode_of_a_user_can_be_printed() {
        let value = Bytes::from_static(b"\x02\x01\x00\x03joe\x00\x06secret");
        let identity = identity(value).expect("it can be read");
        assert_eq!(
            (identity.primary.as_slice(), identity.secondary.as_slice()),
            (&b"joe"[..], &b"secret"[..])
        );
        assert_eq!(format!("{identity:?}"), "user identity of type 2");
    }

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        let (primary, secondary) = (b"joe".to_vec(), b"secret".to_vec());
        let offered = UserIdentity { kind: 2, asks_for_response: true, primary, secondary };
        let UserVariableItem::Unknown(0x58, bytes) = identity_of(&offered) else {
            panic!("of another type")
        };
        assert!(identity(bytes.into()) == Some(offered));
    }

    #[test]
    fn a_sub_item_whose_inside_does_not_add_up_is_passed_over_and_the_next_one_is_read() {
        let body = b"\x54\0\0\x03\0\x09x\x58\0\0\x03\x02\x01\x00\x51\0\0\x04\0\0\x10\0\x7F\0\0\0";
        let information = UserInformation::read(Bytes::from_static(body)).expect("it adds up");
        assert!(information.roles.is_empty());
        assert_eq!(information.identity, Some(UserIdentity::default()));
        assert_eq!(information.peer_maximum(), 4096);
    }
}
