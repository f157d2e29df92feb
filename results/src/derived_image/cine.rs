//! A cine as one image again, with as many frames (PS3.3 C.7.6.6): what it says of all its frames, time included, stays.

use crate::data_set::DataSet;
use crate::derived_image::Series;
use crate::derived_image::frames::{OF_PIXELS, copy, pixels};
use crate::derived_image::stored::Pixels;
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::source::texts;
use dicom_dictionary_std::tags;

/// Whether the film is all frames of this image, and they are grey.
pub fn is_grey(header: &DataSet, measured: Measured) -> bool {
    let Measured::Film(film) = measured else { return false };
    let told = texts(header, tags::NUMBER_OF_FRAMES).first().and_then(|text| text.parse().ok());
    let grey = texts(header, tags::PHOTOMETRIC_INTERPRETATION);
    let grey = grey.first().is_some_and(|it| it.starts_with("MONOCHROME"));
    grey && film.frames > 1 && film.channels == 1 && told == Some(film.frames)
}

impl Series<'_> {
    /// Image Pixel module with the values of each frame, and what is said of all of them alike.
    pub fn cine(&self, original: &DataSet, image: &mut DataSet) -> Result<(), ComposeError> {
        let mut frames = Vec::with_capacity(self.measured.slices());
        for at in 0..self.measured.slices() {
            let of = Pixels::of(original, self.measured, at)?;
            if at == 0 {
                self.form.write(&of, self.derived, image)?;
            }
            let mut frame = DataSet::new();
            copy(original, &OF_PIXELS, &mut frame);
            self.form.write(&of, self.derived, &mut frame)?;
            frames.push(frame);
        }
        image.put(pixels(&frames)?);
        Ok(())
    }
}
