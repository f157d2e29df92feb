//! Who observed: this node as a device (PS3.16 TID 1002, TID 1004).

use crate::codes::*;
use crate::data_set::DataSet;
use crate::header::Job;
use crate::structured_report::content::{self, Relation::HasObservationContext};

/// The node observes, nobody else.
pub fn observer(job: &Job) -> Vec<DataSet> {
    let station = &job.provenance.station;
    let text = |name: Concept, value: &str| content::text(HasObservationContext, name, value);
    vec![
        content::code(HasObservationContext, OBSERVER_TYPE, &DEVICE.into()),
        content::uid(HasObservationContext, DEVICE_OBSERVER_UID, &station.observer_uid),
        text(DEVICE_OBSERVER_NAME, &station.name),
        text(DEVICE_OBSERVER_MANUFACTURER, &station.manufacturer),
        text(DEVICE_OBSERVER_MODEL_NAME, &station.model_name),
        text(DEVICE_OBSERVER_SERIAL_NUMBER, &station.serial),
    ]
    .into_iter()
    .filter(content::has_value)
    .collect()
}
