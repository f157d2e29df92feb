//! How large a pixel of an ultrasound image is in the patient: as its regions are calibrated (PS3.3 C.8.5.5).

use crate::elements::Elements;

pub const SEQUENCE_OF_ULTRASOUND_REGIONS: u32 = 0x0018_6011;
const REGION_SPATIAL_FORMAT: u32 = 0x0018_6012;
const PHYSICAL_UNITS_X_DIRECTION: u32 = 0x0018_6024;
const PHYSICAL_UNITS_Y_DIRECTION: u32 = 0x0018_6026;
const PHYSICAL_DELTA_X: u32 = 0x0018_602C;
const PHYSICAL_DELTA_Y: u32 = 0x0018_602E;

/// Region Spatial Format of an image in two dimensions, beside those of tracings, spectra and graphics.
const TWO_DIMENSIONS: u16 = 1;
/// Physical Units of both directions.
const CENTIMETRES: u16 = 3;
const MM_IN_CM: f64 = 10.0;
/// An image has a few.
const MOST_REGIONS: usize = 64;
/// Two sizes of a pixel that differ by less, in parts of it, are the same one.
const SAME: f64 = 1e-3;

/// Millimetres between rows, then between columns, where every region of two dimensions says the same: a mask is not asked which
/// of them it lies in. Deltas run in the direction of the axes and may be negative.
pub fn spacing(elements: &Elements) -> Option<[f64; 2]> {
    let wanted = [
        REGION_SPATIAL_FORMAT,
        PHYSICAL_UNITS_X_DIRECTION,
        PHYSICAL_UNITS_Y_DIRECTION,
        PHYSICAL_DELTA_X,
        PHYSICAL_DELTA_Y,
    ];
    let regions = elements.items(SEQUENCE_OF_ULTRASOUND_REGIONS, &wanted, MOST_REGIONS).ok()?;
    let mut flat = regions
        .iter()
        .filter(|region| region.unsigned(REGION_SPATIAL_FORMAT) == Some(TWO_DIMENSIONS))
        .map(of_region);
    let first = flat.next()??;
    let same = |other: [f64; 2]| {
        first.iter().zip(other).all(|(one, other)| (other / one - 1.0).abs() <= SAME)
    };
    flat.all(|other| other.is_some_and(same)).then_some(first)
}

fn of_region(region: &Elements) -> Option<[f64; 2]> {
    let along = |units, delta| {
        let centimetres = region.unsigned(units) == Some(CENTIMETRES);
        let delta = region.double(delta).filter(|_| centimetres)?.abs();
        (delta.is_finite() && delta > 0.0).then_some(delta * MM_IN_CM)
    };
    Some([
        along(PHYSICAL_UNITS_Y_DIRECTION, PHYSICAL_DELTA_Y)?,
        along(PHYSICAL_UNITS_X_DIRECTION, PHYSICAL_DELTA_X)?,
    ])
}
