//! A label map for the peers that take one, and the same segments as bits for the others.

use super::{BITS_SLOT, Made};
use gantry_results::object::ComposeError;
use gantry_results::provenance::Provenance;
use gantry_results::segmentation::{Form, are_apart, segmentation};
use gantry_results::source::Source;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;

/// Where segments overlap, which no label map can say, the bits alone. `beside_bits`: the rule asks for the bits as a result of
/// their own, so that every peer has them already.
pub(super) fn label_map(
    source: &Source,
    images: &Images,
    findings: &Findings,
    provenance: Provenance,
    beside_bits: bool,
) -> Result<Vec<Made>, ComposeError> {
    let as_bits = Provenance { slot: BITS_SLOT, ..provenance.clone() };
    let bits = || segmentation(source, images, findings, Form::Binary, &as_bits);
    let alone = |object| Made { object, alternates: Vec::new() };
    match (are_apart(&findings.masks), beside_bits) {
        (false, true) => Ok(Vec::new()),
        (false, false) => Ok(vec![alone(bits()?)]),
        (true, _) => {
            let object = segmentation(source, images, findings, Form::LabelMap, &provenance)?;
            let alternates = if beside_bits { Vec::new() } else { vec![bits()?] };
            Ok(vec![Made { object, alternates }])
        }
    }
}
