//! How high and how wide a pixel is shown where no spacing says so: Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7).

use crate::data_set::DataSet;
use crate::measured::Measured;
use crate::source::Source;
use dicom_dictionary_std::tags;
use gantry_terms::film::Film;

/// Height over width, as whole numbers.
pub type Ratio = [String; 2];

/// Of the spacing where it is known, of a film without one what it says itself; none where pixels are squares.
pub fn ratio(source: &Source, measured: Measured) -> Option<Ratio> {
    match measured {
        Measured::Volume(volume) => of_spacing(volume.geometry.pixel_spacing),
        Measured::Film(Film { pixel_spacing: Some(spacing), .. }) => of_spacing(*spacing),
        Measured::Film(_) => told(source),
    }
}

/// Pixels that are not square must say so (Type 1C).
pub fn write(source: &Source, measured: Measured, image: &mut DataSet) {
    if let Some(ratio) = ratio(source, measured) {
        image.values(tags::PIXEL_ASPECT_RATIO, ratio.to_vec());
    }
}

/// In micrometres.
fn of_spacing(spacing: [f64; 2]) -> Option<Ratio> {
    let micrometres = spacing.map(|spacing| (spacing * 1000.0).round());
    let sound = micrometres.iter().all(|length| (1.0..1e6).contains(length));
    (sound && micrometres[0] != micrometres[1]).then(|| micrometres.map(|m| format!("{m}")))
}

fn told(source: &Source) -> Option<Ratio> {
    let texts = source.texts(tags::PIXEL_ASPECT_RATIO);
    let sides: Option<Vec<i32>> = texts.iter().map(|text| text.parse().ok()).collect();
    let [high, wide]: [i32; 2] = sides?.try_into().ok()?;
    (high > 0 && wide > 0 && high != wide).then(|| [high, wide].map(|side| side.to_string()))
}
