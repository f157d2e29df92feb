//! The same report in the SOP classes before it, for peers that do not take Comprehensive 3D SR (PS3.3 A.35.2, A.35.3).

use crate::data_set::DataSet;
use crate::object::{ComposeError, ResultObject};
use crate::structured_report::document;
use dicom_dictionary_std::tags;
use gantry_terms::earlier::Earlier;
use gantry_terms::uid::Uid;

/// Comprehensive SR, then Enhanced SR. In a report whose regions are in pixels of an image (SCOORD) nothing is referred to by its place
/// in the tree, so that both classes can say all that the first one says.
const CLASSES: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.22"];

/// Of a report that tells its regions in pixels of the images: no other one can be told in these classes. Equal to it but for class, UID, number and predecessors, in its series; in the order in which they are to be offered. Each
/// names the predecessor of its own class, which is what a peer got that is offered it, where there is one.
pub fn alternates(
    report: &ResultObject,
    earlier: Option<&Earlier>,
) -> Result<Vec<ResultObject>, ComposeError> {
    let numbered = CLASSES.iter().zip(2u32..);
    numbered.map(|(class, number)| of_class(report, earlier, class, number)).collect()
}

fn of_class(
    report: &ResultObject,
    earlier: Option<&Earlier>,
    class: &str,
    number: u32,
) -> Result<ResultObject, ComposeError> {
    let sop_class = Uid::parse(class).map_err(|_| ComposeError::Encoding("a class UID"))?;
    let sop_instance =
        Uid::derived(&["report of another class", class, report.sop_instance.as_str()]);
    let mut data_set = DataSet::decode(&report.data_set)?;
    data_set
        .uid(tags::SOP_CLASS_UID, &sop_class)
        .uid(tags::SOP_INSTANCE_UID, &sop_instance)
        .text(tags::INSTANCE_NUMBER, &number.to_string());
    document::predecessors(earlier, class, &mut data_set);
    let data_set = data_set.encode()?;
    Ok(ResultObject { sop_class, sop_instance, data_set, ..report.clone() })
}
