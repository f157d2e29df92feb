//! Values as stored pixels: by the rescale of the originals where it holds them all, else by another (PS3.3 C.11.1).

use crate::data_set::DataSet;
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::source::texts;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Derived;

/// Whose Bits Stored are 8 (PS3.3 C.8.5.6), or whose pixels have no sign (C.8.7.1).
const UNSIGNED: [&str; 3] = ["US", "XA", "RF"];

/// Which say how their pixels are related to the beam (C.8.7.1.1.2).
const BEAMS: [&str; 2] = ["XA", "RF"];

/// What a window, a table or a padding value of the original means nothing for any more.
const OF_STORED: &[Tag] = &[
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::WINDOW_CENTER_WIDTH_EXPLANATION,
    tags::VOILUT_FUNCTION,
    tags::VOILUT_SEQUENCE,
];

/// The stored form of all images of a series.
pub enum Form {
    /// Each as its original has it: bits, slope and intercept, window.
    Kept { window: Window },
    /// One slope and one intercept for all, in 16 bits, or in 8 where its IOD has no more.
    New { slope: f64, intercept: f64, signed: bool, bits: u16, window: Window },
}

/// What a display shows, from dark to bright (PS3.3 C.11.2).
pub struct Window {
    pub centre: f64,
    pub width: f64,
}

/// What the original says of its pixels.
pub struct Pixels<'a> {
    allocated: u16,
    bits: u16,
    signed: bool,
    rescale: Option<[f64; 2]>,
    has_window: bool,
    /// A film that was shown dark where it is bright now.
    inverted: bool,
    film: bool,
    /// A table made the values of what is stored.
    by_table: bool,
    /// Modality LUT Type (0028,3004): what it made of them.
    made: Option<String>,
    padding: Option<[i32; 2]>,
    rows: usize,
    columns: usize,
    slice: usize,
    /// In the unit of the values.
    numbers: &'a [f32],
}

impl<'a> Pixels<'a> {
    pub fn of(
        original: &DataSet,
        measured: Measured<'a>,
        slice: usize,
    ) -> Result<Self, ComposeError> {
        let number = |tag: Tag| original.element(tag).and_then(|e| e.to_int::<i32>().ok());
        let unsigned = |tag, name| {
            let number = number(tag).and_then(|number| u16::try_from(number).ok());
            number.ok_or(ComposeError::SourceLacks(name))
        };
        let decimal = |tag| texts(original, tag).first().and_then(|text| text.parse::<f64>().ok());
        let slope = decimal(tags::RESCALE_SLOPE).filter(|slope| slope.is_finite() && *slope != 0.0);
        let rescale = slope.zip(decimal(tags::RESCALE_INTERCEPT)).map(|(s, i)| [s, i]);
        let (rows, columns, numbers, film) = match measured {
            Measured::Volume(volume) => {
                (volume.geometry.rows, volume.geometry.columns, &volume.voxels[..], false)
            }
            Measured::Film(film) => (film.rows, film.columns, &film.pixels[..], true),
        };
        let size = rows * columns;
        let numbers = numbers.get(slice * size..(slice + 1) * size);
        let numbers =
            numbers.ok_or_else(|| ComposeError::Mismatch("an image has no pixels".into()))?;
        let photometric = texts(original, tags::PHOTOMETRIC_INTERPRETATION);
        let padding = number(tags::PIXEL_PADDING_VALUE).map(|value| {
            let limit = number(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
            [value.min(limit), value.max(limit)]
        });
        let shown = [tags::WINDOW_CENTER, tags::VOILUT_SEQUENCE];
        let tables = original.sequence(tags::MODALITY_LUT_SEQUENCE);
        let made = tables.first();
        Ok(Self {
            allocated: unsigned(tags::BITS_ALLOCATED, "Bits Allocated")?,
            bits: unsigned(tags::BITS_STORED, "Bits Stored")?,
            signed: number(tags::PIXEL_REPRESENTATION) == Some(1),
            rescale,
            has_window: shown.iter().any(|tag| original.element(*tag).is_some()),
            inverted: photometric.first().is_some_and(|it| it == "MONOCHROME1"),
            film,
            by_table: original.element(tags::MODALITY_LUT_SEQUENCE).is_some(),
            made: made.and_then(|item| texts(item, tags::MODALITY_LUT_TYPE).first().cloned()),
            padding,
            rows,
            columns,
            slice,
            numbers,
        })
    }

    /// The least and the largest value that a stored pixel may have.
    fn range(&self) -> [f64; 2] {
        let all = 2f64.powi(i32::from(self.bits));
        if self.signed { [-all / 2.0, all / 2.0 - 1.0] } else { [0.0, all - 1.0] }
    }

    fn values<'d>(&self, derived: &'d Derived) -> &'d [f32] {
        let size = self.rows * self.columns;
        &derived.values[self.slice * size..(self.slice + 1) * size]
    }

    fn stored(&self, value: f32) -> f64 {
        let [slope, intercept] = self.rescale.unwrap_or([1.0, 0.0]);
        ((f64::from(value) - intercept) / slope).round()
    }

    /// Whether its own form holds all values.
    fn holds(&self, values: &[f32]) -> bool {
        let [least, most] = self.range();
        let whole = matches!((self.allocated, self.bits), (8, 1..=8) | (16, 1..=16));
        whole && values.iter().all(|value| (least..=most).contains(&self.stored(*value)))
    }
}

impl Form {
    pub fn choose(
        headers: &[&DataSet],
        measured: Measured,
        derived: &Derived,
    ) -> Result<Self, ComposeError> {
        let window = |unit: fn(f64, [f64; 2]) -> f64, rescale| {
            let [dark, bright] = span(&derived.values).map(|value| unit(value, rescale));
            Window { centre: (dark + bright) / 2.0, width: (bright - dark).max(1.0) }
        };
        // Films have no unit: what a display shows is said of the stored values.
        let film = matches!(measured, Measured::Film(_));
        let of_stored = |value: f64, [slope, intercept]: [f64; 2]| (value - intercept) / slope;
        let of_values = |value: f64, _: [f64; 2]| value;
        let unit = if film { of_stored } else { of_values };
        let values = derived.values.iter().filter(|value| value.is_finite());
        let (least, most) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (least.min(f64::from(*value)), most.max(f64::from(*value)))
            });
        let has_no_room = headers.iter().any(|header| is_of(header, "US"));
        if let Some([slope, intercept]) = derived.rescale {
            let [least, most] = [least, most].map(|value| ((value - intercept) / slope).round());
            let signed = least < 0.0;
            let has_no_sign = headers.iter().any(|h| UNSIGNED.iter().any(|of| is_of(h, of)));
            if signed && has_no_sign || most > 255.0 && has_no_room {
                return Err(ComposeError::NoRoom);
            }
            let window = window(unit, [slope, intercept]);
            let bits = if has_no_room { 8 } else { 16 };
            return Ok(Self::New { slope, intercept, signed, bits, window });
        }
        let mut kept = true;
        for (slice, header) in headers.iter().enumerate() {
            let pixels = Pixels::of(header, measured, slice)?;
            kept &= pixels.holds(pixels.values(derived));
        }
        if kept {
            return Ok(Self::Kept { window: window(of_values, [1.0, 0.0]) });
        }
        if has_no_room {
            return Err(ComposeError::NoRoom);
        }
        let (slope, intercept, signed) =
            if headers.iter().any(|header| is_positron_emission(header)) {
                let (slope, signed) = through_zero(least, most);
                (slope, 0.0, signed)
            } else {
                let slope = if most > least { (most - least) / 65535.0 } else { 1.0 };
                (slope, if least.is_finite() { least } else { 0.0 }, false)
            };
        let window = window(unit, [slope, intercept]);
        Ok(Self::New { slope, intercept, signed, bits: 16, window })
    }

    /// Image Pixel, Modality LUT and VOI LUT modules.
    pub fn write(
        &self,
        pixels: &Pixels,
        derived: &Derived,
        image: &mut DataSet,
    ) -> Result<(), ComposeError> {
        let values = pixels.values(derived);
        let (allocated, bits, signed, stored) = match self {
            Self::Kept { window } => {
                let as_it_is = pixels.film && pixels.bits <= 8 && !pixels.inverted;
                if (!pixels.has_window && !as_it_is) || pixels.inverted {
                    OF_STORED.iter().for_each(|tag| image.remove(*tag));
                    window.write(image)?;
                }
                if pixels.by_table && !pixels.film {
                    // What is stored was no value, padding neither.
                    image.remove(tags::PIXEL_PADDING_VALUE);
                    image.remove(tags::PIXEL_PADDING_RANGE_LIMIT);
                    rescaled(pixels, [1.0, 0.0], image)?;
                }
                (pixels.allocated, pixels.bits, pixels.signed, pixels.kept(values))
            }
            Self::New { slope, intercept, signed, bits, window } => {
                OF_STORED.iter().for_each(|tag| image.remove(*tag));
                image.remove(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
                // Those of 8 bits are shown as they are.
                if *bits > 8 {
                    window.write(image)?;
                }
                rescaled(pixels, [*slope, *intercept], image)?;
                let of_value = |value: &f32| (f64::from(*value) - intercept) / slope;
                (*bits, *bits, *signed, values.iter().map(of_value).collect())
            }
        };
        describe(pixels, [allocated, bits], signed, image)?;
        let of_rays = BEAMS.iter().any(|of| is_of(image, of));
        match (of_rays, derived.rescale.is_some(), pixels.by_table) {
            // What comes with a rescale of its own is what a display shows; a table leads back to the beam.
            (true, true, _) => _ = image.text(tags::PIXEL_INTENSITY_RELATIONSHIP, "DISP"),
            (true, false, true) => _ = image.text(tags::PIXEL_INTENSITY_RELATIONSHIP, "LIN"),
            _ => {}
        }
        let half = if signed { 2f64.powi(i32::from(bits) - 1) } else { 0.0 };
        let most = 2f64.powi(i32::from(bits)) - 1.0 - half;
        // A NaN becomes 0; what is beyond the range its end.
        let word = |value: &f64| value.round().clamp(-half, most) as i32;
        image.put(match allocated {
            8 => {
                let mut bytes: Vec<u8> = stored.iter().map(|value| word(value) as u8).collect();
                bytes.resize(bytes.len().next_multiple_of(2), 0);
                DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()))
            }
            _ => {
                let words: Vec<u16> = stored.iter().map(|value| word(value) as u16).collect();
                DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into()))
            }
        });
        Ok(())
    }
}

impl Pixels<'_> {
    /// In the form of the original, whose padding stays.
    fn kept(&self, values: &[f32]) -> Vec<f64> {
        let padding = self.padding.filter(|_| !self.inverted && !self.by_table);
        let stored = values.iter().zip(self.numbers).map(|(value, number)| {
            let before = self.stored(*number);
            let padded = padding
                .is_some_and(|[low, high]| before >= f64::from(low) && before <= f64::from(high));
            if padded { before } else { self.stored(*value) }
        });
        stored.collect()
    }
}

/// Whose Rescale Intercept is always 0, and which knows no Rescale Type (PS3.3 C.8.9.4).
fn is_positron_emission(header: &DataSet) -> bool {
    is_of(header, "PT")
}

fn is_of(header: &DataSet, modality: &str) -> bool {
    texts(header, tags::MODALITY).first().is_some_and(|found| found == modality)
}

/// The slope by which 16 bits hold all values with 0 where it is, and whether they are signed. Without values there is no reach.
fn through_zero(least: f64, most: f64) -> (f64, bool) {
    let (reach, signed) = match least < 0.0 {
        true => ((least / -32768.0).max(most / 32767.0), true),
        false => (most / 65535.0, false),
    };
    (if reach.is_finite() && reach > 0.0 { reach } else { 1.0 }, signed)
}

/// The rescale of a film is none: its stored values are what it is. In a volume it is what says the unit.
fn rescaled(
    pixels: &Pixels,
    [slope, intercept]: [f64; 2],
    image: &mut DataSet,
) -> Result<(), ComposeError> {
    let had_one = image.element(tags::RESCALE_SLOPE).is_some();
    if pixels.film && !had_one {
        return Ok(());
    }
    let (slope, intercept) = if pixels.film { (1.0, 0.0) } else { (slope, intercept) };
    image
        .decimals(tags::RESCALE_SLOPE, &[slope])?
        .decimals(tags::RESCALE_INTERCEPT, &[intercept])?;
    let untyped = image.element(tags::RESCALE_TYPE).is_none() && !is_positron_emission(image);
    if pixels.film || untyped {
        let made = pixels.made.as_deref().filter(|_| !pixels.film);
        image.text(tags::RESCALE_TYPE, made.unwrap_or("US"));
    }
    Ok(())
}

fn describe(
    pixels: &Pixels,
    [allocated, bits]: [u16; 2],
    signed: bool,
    image: &mut DataSet,
) -> Result<(), ComposeError> {
    let side = |pixels: usize| {
        u16::try_from(pixels).map_err(|_| ComposeError::Mismatch("the images are too large".into()))
    };
    image
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .number(tags::ROWS, side(pixels.rows)?)
        .number(tags::COLUMNS, side(pixels.columns)?)
        .number(tags::BITS_ALLOCATED, allocated)
        .number(tags::BITS_STORED, bits)
        .number(tags::HIGH_BIT, bits.saturating_sub(1))
        .number(tags::PIXEL_REPRESENTATION, u16::from(signed));
    // A film comes in as it is shown, bright where it is high.
    if image.element(tags::PRESENTATION_LUT_SHAPE).is_some() {
        image.text(tags::PRESENTATION_LUT_SHAPE, "IDENTITY");
    }
    // What was low is high now, so that they mean the beam the other way round (PS3.3 C.8.11.3.1.2).
    let sign = image.element(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN);
    if let Some(sign) = sign.and_then(|sign| sign.to_int::<i16>().ok()).filter(|_| pixels.inverted)
    {
        let turned = PrimitiveValue::from(sign.saturating_neg());
        image.put(DataElement::new(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, VR::SS, turned));
    }
    Ok(())
}

/// From dark to bright, without the outermost hundredth on either side.
fn span(values: &[f32]) -> [f64; 2] {
    let step = (values.len() / 100_000).max(1);
    let finite = values.iter().step_by(step).copied().filter(|value| value.is_finite());
    let mut sample: Vec<f32> = finite.collect();
    sample.sort_by(f32::total_cmp);
    let out = sample.len() / 100;
    let last = sample.len().saturating_sub(out + 1);
    [out, last].map(|at| sample.get(at).map_or(0.0, |value| f64::from(*value)))
}
