//! An element with the bytes that it lies in: its value, what it is by its VR, and the same element with another value.

use crate::elements::{Element, Syntax};
use crate::seen::PIXELS;
use dicom_core::VR;
use gantry_terms::header::Tag;

/// The value is longer than the element can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the replacement of ({:04X},{:04X}) has no place", .0 >> 16, .0 & 0xFFFF)]
pub struct NoPlace(pub Tag);

#[derive(Clone, Copy)]
pub(crate) struct Here<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) element: Element,
    pub(crate) syntax: Syntax,
}

impl<'b> Here<'b> {
    pub(crate) fn value(&self) -> &'b [u8] {
        &self.bytes[self.element.value..self.element.value_end()]
    }

    pub(crate) fn whole(&self) -> &'b [u8] {
        &self.bytes[self.element.start..self.element.end]
    }

    /// By the file, or by the dictionary where the file does not say.
    pub(crate) fn vr(&self, known: Option<VR>) -> [u8; 2] {
        let said = self.element.vr.filter(|vr| vr != b"UN");
        let known = known.and_then(|vr| vr.to_string().as_bytes().try_into().ok());
        said.or(known).unwrap_or(*b"UN")
    }

    /// Whether it holds items.
    pub(crate) fn is_sequence(&self, vr: [u8; 2]) -> bool {
        let of_pixels = self.element.tag >> 16 == PIXELS >> 16;
        &vr == b"SQ" || (self.element.undefined && !of_pixels)
    }

    /// The element with another value.
    pub(crate) fn with(&self, value: &[u8]) -> Result<Vec<u8>, NoPlace> {
        let tag = self.element.tag;
        let written = match self.element.vr {
            Some(vr) if !self.element.undefined => self.syntax.element(tag, vr, value),
            _ => self.syntax.refilled(self.bytes, &self.element, value),
        };
        written.ok_or(NoPlace(tag))
    }
}
