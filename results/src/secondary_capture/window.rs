//! Which grey values a picture shows: one window for all of its frames (PS3.3 C.11.2).

use crate::measured::Measured;
use crate::source::Source;
use dicom_dictionary_std::tags;
use gantry_terms::film::Film;
use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;

/// Centre and width in the unit of the voxels; white and black exchanged for MONOCHROME1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub centre: f64,
    pub width: f64,
    pub inverted: bool,
    /// LINEAR_EXACT, else LINEAR.
    pub exact: bool,
}

/// For chest CT, in Hounsfield units.
const LUNG: (f64, f64) = (-600.0, 1500.0);

impl Window {
    /// The first window of the source that shows what was found: one that holds the mean of the
    /// voxels below the masks. Else the lung preset, if that shows it, for CT; else the span of
    /// the values themselves.
    pub fn choose(source: &Source, measured: Measured, findings: &Findings) -> Self {
        let volume = match measured {
            Measured::Volume(volume) => volume,
            Measured::Film(film) => return Self::of_film(film),
        };
        let inverted =
            source.text(tags::PHOTOMETRIC_INTERPRETATION).as_deref() == Some("MONOCHROME1");
        let subject = mean_below_masks(volume, findings);
        let shows = |(centre, width): &(f64, f64)| {
            *width >= 1.0 && subject.is_none_or(|mean| (mean - centre).abs() <= width / 2.0)
        };
        let preset = (source.modality() == "CT").then_some(LUNG);
        let (centre, width) =
            of_source(source).into_iter().chain(preset).find(shows).unwrap_or_else(|| span(volume));
        Self { centre, width, inverted, exact: false }
    }

    /// The span of its own values: they are high where a display is bright, whether or not its window went into them, and no
    /// other window is in their unit.
    fn of_film(film: &Film) -> Self {
        let [dark, bright] = if film.channels == 3 { colours(film) } else { ends(&film.pixels) };
        let width = if bright > dark { bright - dark } else { 1.0 };
        Self { centre: dark + width / 2.0, width, inverted: false, exact: true }
    }

    /// PS3.3 C.11.2.1.2.1 or C.11.2.1.3.2, to 8 bits.
    pub fn grey(&self, value: f32) -> u8 {
        let value = f64::from(value);
        let scaled = match self.exact {
            true => (value - self.centre) / self.width + 0.5,
            false => (value - (self.centre - 0.5)) / (self.width - 1.0).max(1.0) + 0.5,
        };
        let grey = (scaled * 255.0).round().clamp(0.0, 255.0) as u8;
        if self.inverted { 255 - grey } else { grey }
    }
}

fn of_source(source: &Source) -> Vec<(f64, f64)> {
    let numbers = |tag| -> Vec<f64> {
        source.texts(tag).iter().filter_map(|text| text.parse().ok()).collect()
    };
    numbers(tags::WINDOW_CENTER).into_iter().zip(numbers(tags::WINDOW_WIDTH)).collect()
}

fn mean_below_masks(volume: &Volume, findings: &Findings) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0u64);
    for mask in &findings.masks {
        for (value, inside) in volume.voxels.iter().zip(&mask.voxels) {
            if *inside != 0 && value.is_finite() {
                sum += f64::from(*value);
                count += 1;
            }
        }
    }
    (count > 0).then(|| sum / count as f64)
}

/// From the darkest to the brightest value, without the outermost hundredth on either side.
fn span(volume: &Volume) -> (f64, f64) {
    let [dark, bright] = ends(&volume.voxels);
    ((dark + bright) / 2.0, (bright - dark).max(1.0))
}

/// Colours are shown as they are (PS3.3 C.11.2 is of grey images): from 0 to 1 where they are as a display shows them, else
/// to the highest number of as many bytes as they need.
fn colours(film: &Film) -> [f64; 2] {
    let most = film.pixels.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let white = [1.0, 255.0].into_iter().find(|white| most <= *white).unwrap_or(65535.0);
    [0.0, f64::from(white)]
}

fn ends(values: &[f32]) -> [f64; 2] {
    let step = (values.len() / 100_000).max(1);
    let mut sample: Vec<f32> =
        values.iter().step_by(step).copied().filter(|value| value.is_finite()).collect();
    sample.sort_by(f32::total_cmp);
    let at = |part: usize| sample.get(sample.len() * part / 100).copied().unwrap_or(0.0);
    [1, 99].map(|part| f64::from(at(part)))
}
