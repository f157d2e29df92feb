//! The phantom as an actor: a chest CT whose truth is known, ready to be sent.

use crate::instance::Instance;
use gantry::phantom::{PhantomOptions, Truth, chest_ct};
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;

pub struct PhantomSeries {
    pub instances: Vec<Instance>,
    pub study: String,
    pub series: String,
    pub truth: Truth,
}

/// A whole chest at a usual resolution.
pub fn chest(name: &str) -> PhantomSeries {
    make(name, &PhantomOptions::default())
}

/// A short chest with the largest pixels that the densitometry takes: for scenarios that send many.
pub fn small_chest(name: &str) -> PhantomSeries {
    let coarse = PhantomOptions {
        rows: 334,
        columns: 334,
        pixel_mm: 1.0,
        slices: 20,
        slice_mm: 9.0,
        ..Default::default()
    };
    make(name, &coarse)
}

pub fn make(name: &str, options: &PhantomOptions) -> PhantomSeries {
    let phantom = chest_ct(name, options).expect("the options fit a chest");
    let instances = phantom.instances.into_iter().map(|slice| Instance {
        sop_class: slice.sop_class.to_string(),
        sop_instance: slice.sop_instance.to_string(),
        transfer_syntax: EXPLICIT_VR_LITTLE_ENDIAN.into(),
        data_set: slice.data_set,
    });
    PhantomSeries {
        instances: instances.collect(),
        study: phantom.study.to_string(),
        series: phantom.series.to_string(),
        truth: phantom.truth,
    }
}
