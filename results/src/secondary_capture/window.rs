//! Which grey values a picture shows: one window for all of its frames (PS3.3 C.11.2).

use crate::measured::Measured;
use crate::source::Source;
use dicom_dictionary_std::tags;
use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;
use std::fmt;

/// From the numbers of the source to what is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// Of a volume: centre and width in the unit of the voxels; white and black exchanged for MONOCHROME1.
    Linear { centre: f64, width: f64, inverted: bool },
    /// Of a film, or of a volume that the model takes so, which comes as a display shows it: each channel is dark at 0 and bright at 1.
    Displayed,
}

/// For chest CT, in Hounsfield units.
const LUNG: (f64, f64) = (-600.0, 1500.0);

impl Window {
    /// The first window of the source that shows what was found: one that holds the mean of the
    /// voxels below the masks. Else the lung preset, if that shows it, for CT; else the span of
    /// the values themselves.
    pub fn choose(source: &Source, measured: Measured, findings: &Findings) -> Self {
        let volume = match measured {
            Measured::Volume(volume) if !volume.displayed => volume,
            Measured::Volume(_) | Measured::Film(_) => return Self::Displayed,
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
        Self::Linear { centre, width, inverted }
    }

    /// PS3.3 C.11.2.1.2.1, to 8 bits.
    pub fn shown(&self, value: f32) -> u8 {
        let value = f64::from(value);
        let byte = |part: f64| (part * 255.0).round().clamp(0.0, 255.0) as u8;
        match self {
            Self::Displayed => byte(value),
            Self::Linear { centre, width, inverted } => {
                let grey = byte((value - (centre - 0.5)) / (width - 1.0).max(1.0) + 0.5);
                if *inverted { 255 - grey } else { grey }
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear { centre, width, .. } => write!(f, "windowed at {centre}/{width}"),
            Self::Displayed => write!(f, "as the source is displayed"),
        }
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
    let step = (volume.voxels.len() / 100_000).max(1);
    let mut sample: Vec<f32> =
        volume.voxels.iter().step_by(step).copied().filter(|value| value.is_finite()).collect();
    sample.sort_by(f32::total_cmp);
    let at = |part: usize| sample.get(sample.len() * part / 100).copied().unwrap_or(0.0);
    let [dark, bright] = [1, 99].map(|part| f64::from(at(part)));
    ((dark + bright) / 2.0, (bright - dark).max(1.0))
}
