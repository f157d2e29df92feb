//! The report, and the same in older SOP classes for the peers that do not take it.

use super::Made;
use gantry_results::object::ComposeError;
use gantry_results::provenance::Provenance;
use gantry_results::source::Source;
use gantry_results::structured_report::{Telling, alternates, structured_report_with};
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::region::Regions;

/// The older classes know no places in the patient: they tell the same regions in pixels of the images.
pub(super) fn report(
    source: &Source,
    images: &Images,
    findings: &Findings,
    telling: Telling,
    provenance: &Provenance,
) -> Result<Vec<Made>, ComposeError> {
    let told = |telling| structured_report_with(source, images, findings, telling, provenance);
    let object = told(telling)?;
    let earlier = provenance.earlier.as_ref();
    let alternates = match telling.regions {
        Regions::Images => alternates(&object, earlier)?,
        Regions::Patient => {
            alternates(&told(Telling { regions: Regions::Images, ..telling })?, earlier)?
        }
    };
    Ok(vec![Made { object, alternates }])
}
