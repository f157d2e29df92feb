//! What rules may know of images, from the rows of the index.

use crate::rules::{Arrived, ImageFacts};
use chrono::{Datelike, Timelike};
use gantry_store::images::SeriesImages;
use gantry_store::incoming::{Identity, Origin};
use gantry_store::series::InstanceRow;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Layered;
use gantry_terms::moment::Moment;
use std::collections::BTreeSet;
use std::sync::Arc;

/// AE titles of the `[[peer]]`s.
pub type Peers = Arc<BTreeSet<AeTitle>>;

/// Of the images of one or more series, in their order.
pub fn of_series<'a>(series: &'a [SeriesImages], peers: &'a Peers) -> Vec<ImageFacts<'a>> {
    series.iter().flat_map(|series| of_images(series, peers)).collect()
}

fn of_images<'a>(
    series: &'a SeriesImages,
    peers: &'a Peers,
) -> impl Iterator<Item = ImageFacts<'a>> {
    series.with_headers().scan(0, |order, (image, header)| {
        *order += u32::from(image.identity.origin == Origin::Received);
        Some(facts(&image.identity, header, *order, peers))
    })
}

/// Of one image that is looked at by itself; its place among the others is not known.
pub fn of_instance<'a>(row: &'a InstanceRow, peers: &'a Peers) -> ImageFacts<'a> {
    facts(&row.identity, Layered::whole(&row.header), 0, peers)
}

fn facts<'a>(
    identity: &'a Identity,
    header: Layered<'a>,
    order: u32,
    peers: &'a Peers,
) -> ImageFacts<'a> {
    ImageFacts {
        sop_instance: &identity.sop_instance,
        sop_class: &identity.sop_class,
        transfer_syntax: &identity.transfer_syntax,
        calling_ae: &identity.calling_ae,
        called_ae: &identity.called_ae,
        peer: peers.get(&identity.calling_ae),
        series: &identity.series,
        arrived: arrived(identity.arrival, order),
        header,
        made_here: identity.origin == Origin::Made,
    }
}

/// By the clock of this machine, in its time zone.
fn arrived(arrival: Moment, order: u32) -> Arrived {
    let utc = chrono::DateTime::from_timestamp_micros(arrival.0).unwrap_or_default();
    let local = utc.with_timezone(&chrono::Local);
    Arrived {
        second: local.num_seconds_from_midnight(),
        weekday: u8::try_from(local.weekday().num_days_from_monday()).unwrap_or_default(),
        order,
    }
}
