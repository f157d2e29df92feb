//! A PNG of one frame of a colour Secondary Capture, as the PACS received it.

use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
use std::io::BufWriter;
use std::path::Path;

/// Writes the most colourful frame of an uncompressed RGB data set (Explicit VR Little Endian).
pub fn write_png(data_set: &[u8], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let syntax = TransferSyntaxRegistry.get(EXPLICIT_VR_LITTLE_ENDIAN).ok_or("no such syntax")?;
    let object = InMemDicomObject::read_dataset_with_ts(data_set, syntax)?;
    let rows = object.element(tags::ROWS)?.to_int::<u32>()?;
    let columns = object.element(tags::COLUMNS)?.to_int::<u32>()?;
    let pixels = object.element(tags::PIXEL_DATA)?.to_bytes()?;
    let frame_bytes = rows as usize * columns as usize * 3;
    let frames = pixels.chunks_exact(frame_bytes.max(1));
    let frame = frames.max_by_key(|frame| coloured(frame)).ok_or("the capture has no frame")?;
    let mut encoder =
        png::Encoder::new(BufWriter::new(std::fs::File::create(file)?), columns, rows);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(frame)?;
    writer.finish()?;
    Ok(())
}

/// Pixels that are not grey.
fn coloured(frame: &[u8]) -> usize {
    frame.chunks_exact(3).filter(|rgb| rgb[0] != rgb[1] || rgb[1] != rgb[2]).count()
}
