//! A-ASSOCIATE-AC as a peer sent it (PS3.8 9.3.3): which contexts it took, and why not the others.

use super::items::{item, text};
use super::request::FIXED;
use super::user_information::UserInformation;
use bytes::{Buf, Bytes};

/// What an acceptor answered.
#[derive(Debug, Default)]
pub(in crate::dimse) struct Acceptance {
    /// Identifier, result, and the transfer syntax, which counts if the result is 0.
    pub contexts: Vec<(u8, u8, String)>,
    pub user: UserInformation,
}

impl Acceptance {
    /// An `Err` is to be aborted.
    pub fn read(mut body: Bytes) -> Result<Self, &'static str> {
        if body.len() < FIXED {
            return Err("its acceptance of the association is too short");
        }
        body.advance(FIXED);
        let mut acceptance = Self::default();
        acceptance
            .read_items(body)
            .ok_or("the items of its acceptance of the association do not add up")?;
        acceptance.user.check()?;
        Ok(acceptance)
    }

    fn read_items(&mut self, mut body: Bytes) -> Option<()> {
        while !body.is_empty() {
            match item(&mut body)? {
                (0x21, item) => self.contexts.push(answered(item)?),
                (0x50, item) => self.user = UserInformation::read(item)?,
                _ => {}
            }
        }
        Some(())
    }
}

fn answered(mut body: Bytes) -> Option<(u8, u8, String)> {
    if body.len() < 4 {
        return None;
    }
    let (id, result) = (body[0], body[2]);
    body.advance(4);
    let mut transfer_syntax = String::new();
    while !body.is_empty() {
        if let (0x40, item) = item(&mut body)? {
            transfer_syntax = text(&item);
        }
    }
    Some((id, result, transfer_syntax))
}
