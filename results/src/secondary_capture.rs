//! Findings as a picture: the masks over the windowed source, in one Multi-frame True Color Secondary Capture (PS3.3 A.8.5).

use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;

/// A picture of one slice: rows from the top, three bytes (red, green, blue) a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// The picture of one slice exactly as the Secondary Capture shows it.
pub fn render(
    source: &Source,
    volume: &Volume,
    findings: &Findings,
    slice: usize,
) -> Result<Picture, ComposeError> {
    todo!()
}

/// The pictures of one job. The same inputs give the same bytes.
pub fn secondary_capture(
    source: &Source,
    volume: &Volume,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    todo!()
}
