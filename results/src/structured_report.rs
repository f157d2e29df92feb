//! Findings as a Comprehensive 3D SR with the Imaging Measurement Report template (PS3.16 TID 1500).

use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;

/// The report of one job. The same inputs give the same bytes.
pub fn structured_report(
    source: &Source,
    volume: &Volume,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    todo!()
}
