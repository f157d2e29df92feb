//! Frames of an image as PNG files, as a display would show them: with their own window, with their own colours.

use gantry_inference::film;
use gantry_terms::film::Film;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Decodes for as long as that takes; gives the files that it wrote. `frame` counts from 1.
pub fn write(part10: &[u8], frame: Option<usize>, to: &Path) -> Result<Vec<PathBuf>, String> {
    let film = film::shown(part10).map_err(|error| format!("the image {error}"))?;
    let frames = match frame {
        None => 0..film.frames,
        Some(one) if (1..=film.frames).contains(&one) => one - 1..one,
        Some(one) => return Err(format!("there is no frame {one}: it has {}", film.frames)),
    };
    let not_written =
        |error: io::Error| format!("nothing can be written to {}: {error}", to.display());
    fs::create_dir_all(to).map_err(not_written)?;
    let mut written = Vec::new();
    for at in frames {
        let name = match film.frames {
            1 => format!("{}.png", film.sop_instance),
            _ => format!("{}-{:04}.png", film.sop_instance, at + 1),
        };
        let file = to.join(name);
        write_one(&film, at, &file).map_err(not_written)?;
        written.push(file);
    }
    Ok(written)
}

fn write_one(film: &Film, at: usize, file: &Path) -> io::Result<()> {
    let colour = if film.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale };
    png(file, [film.columns, film.rows], colour, &bytes(film, at))
}

/// Of one byte or three for each pixel; `sides` are columns and rows.
pub fn png(file: &Path, sides: [usize; 2], colour: png::ColorType, bytes: &[u8]) -> io::Result<()> {
    let size = |side: usize| u32::try_from(side).map_err(io::Error::other);
    let out = BufWriter::new(File::create(file)?);
    let mut encoder = png::Encoder::new(out, size(sides[0])?, size(sides[1])?);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(())
}

/// From planes between 0 and 1 to pixels of one or three bytes.
pub fn bytes(film: &Film, at: usize) -> Vec<u8> {
    let (frame, pixels) = (film.frame(at), film.rows * film.columns);
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let pixel =
        |at: usize| (0..film.channels).map(move |channel| byte(frame[channel * pixels + at]));
    (0..pixels).flat_map(pixel).collect()
}
