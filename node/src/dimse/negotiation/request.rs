//! A-ASSOCIATE-RQ as it came (PS3.8 9.3.2): read as far as it can be, and checked.

use super::items::{item, text, title};
use super::user_information::UserInformation;
use bytes::{Buf, Bytes};
use dicom_ul::pdu::PresentationContextProposed;

/// Protocol version, titles and reserved bytes before the first item.
pub(super) const FIXED: usize = 68;
/// Titles and reserved bytes.
const REPEATED: usize = 64;

/// There are no more odd identifiers than these.
const MOST_CONTEXTS: usize = 128;
/// Half as many again as the standard has. A request of 1 MiB has room for 200,000, and each would
/// take ten times its length in memory.
const MOST_SYNTAXES: usize = 96;

const DO_NOT_ADD_UP: &str = "the items of the association request do not add up";

/// What a requestor asked for.
#[derive(Debug)]
pub(in crate::dimse) struct Request {
    pub protocol_version: u16,
    /// As sent, without padding: not yet checked.
    pub called: String,
    pub calling: String,
    /// Titles and reserved bytes as sent; the acceptance repeats them.
    pub repeated: [u8; REPEATED],
    pub application_context: String,
    pub contexts: Vec<PresentationContextProposed>,
    pub user: UserInformation,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            protocol_version: 0,
            called: String::new(),
            calling: String::new(),
            repeated: [0; REPEATED],
            application_context: String::new(),
            contexts: Vec::new(),
            user: UserInformation::default(),
        }
    }
}

impl Request {
    /// Fills this request, as far as it can be read: the titles are known even when the items are
    /// not. An `Err` is to be aborted.
    pub fn read(&mut self, mut body: Bytes) -> Result<(), &'static str> {
        if body.len() < FIXED {
            return Err("the association request is too short");
        }
        self.protocol_version = body.get_u16();
        body.advance(2);
        self.repeated.copy_from_slice(&body[..REPEATED]);
        self.called = title(&body.split_to(16));
        self.calling = title(&body.split_to(16));
        body.advance(32);
        self.read_items(body)?;
        let mut seen = [false; 256];
        for context in &self.contexts {
            let is_double = std::mem::replace(&mut seen[usize::from(context.id)], true);
            if context.id % 2 == 0 || is_double {
                return Err("a presentation context's identifier is even or stands twice");
            }
        }
        self.user.check()
    }

    fn read_items(&mut self, mut body: Bytes) -> Result<(), &'static str> {
        while !body.is_empty() {
            match item(&mut body).ok_or(DO_NOT_ADD_UP)? {
                (0x10, item) => self.application_context = text(&item),
                (0x20, _) if self.contexts.len() == MOST_CONTEXTS => {
                    return Err("more than 128 presentation contexts are proposed");
                }
                (0x20, item) => self.contexts.push(proposed(item)?),
                (0x50, item) => self.user = UserInformation::read(item).ok_or(DO_NOT_ADD_UP)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn proposed(mut body: Bytes) -> Result<PresentationContextProposed, &'static str> {
    if body.len() < 4 {
        return Err(DO_NOT_ADD_UP);
    }
    let id = body[0];
    body.advance(4);
    let (mut abstract_syntax, mut transfer_syntaxes) = (String::new(), Vec::new());
    while !body.is_empty() {
        match item(&mut body).ok_or(DO_NOT_ADD_UP)? {
            (0x30, item) => abstract_syntax = text(&item),
            (0x40, _) if transfer_syntaxes.len() == MOST_SYNTAXES => {
                return Err("a presentation context has more transfer syntaxes than there are");
            }
            (0x40, item) => transfer_syntaxes.push(text(&item)),
            _ => {}
        }
    }
    Ok(PresentationContextProposed { id, abstract_syntax, transfer_syntaxes })
}
