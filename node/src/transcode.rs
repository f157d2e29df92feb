//! Turns a kept object into a data set in a syntax that a peer takes, where every pixel is what the kept one shows.

mod encapsulated;
mod jpeg_lossless;
#[cfg(feature = "jpeg-ls")]
mod jpeg_ls;
mod rle;

use crate::coerce::inflated;
use bytes::Bytes;
use dicom_core::header::DataElementHeader;
use dicom_core::{Length, PrimitiveValue, Tag, VR};
use dicom_encoding::{TransferSyntax, TransferSyntaxIndex};
use dicom_parser::dataset::{DataSetReader, DataSetWriter, DataToken};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
pub use encapsulated::{NotCompressed, compressed, lossless};
use gantry_inference::decode::{self, DecodeError};
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;

#[derive(Debug, thiserror::Error)]
pub enum TranscodeError {
    #[error("the peer takes only {to}, and the object is kept in {from}, which is not converted")]
    NotConverted { from: Uid, to: Uid },
    /// Without the parser's own words: they may quote the patient.
    #[error("the kept object cannot be re-encoded in the syntax that the peer takes")]
    Unreadable,
    #[error("the peer does not take the syntax in which it is kept, and the object {0}")]
    Pixels(DecodeError),
    #[error("the peer takes only {to} and must take an uncompressed syntax: the object {why}")]
    Compress { to: Uid, why: NotCompressed },
}

/// The syntaxes that every uncompressed object can be turned into.
pub fn uncompressed() -> Vec<Uid> {
    let syntaxes = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN];
    syntaxes.iter().filter_map(|uid| Uid::parse(uid).ok()).collect()
}

/// The data set behind the preamble and the File Meta Information (PS3.10 7.1) of a kept file.
pub fn data_set_of(part10: &Bytes) -> Option<Bytes> {
    // (0002,0000) UL 4: the length of the rest of group 0002. The store writes it itself.
    let group_length = part10.get(132..144)?;
    if part10.get(128..132)? != b"DICM" || group_length[..6] != *b"\x02\x00\x00\x00UL" {
        return None;
    }
    let length = u32::from_le_bytes(group_length[8..12].try_into().ok()?) as usize;
    let start = 144usize.checked_add(length).filter(|start| *start <= part10.len())?;
    Some(part10.slice(start..))
}

/// Whether an object of this syntax can be turned into [`uncompressed`] ones, and what has pixels from there into [`lossless`] ones.
pub fn is_converted(from: &Uid) -> bool {
    let native =
        [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN];
    native.contains(&from.as_str()) || is_decompressed(from)
}

/// Re-encodes a data set from one uncompressed syntax to another; one that is deflated as a whole is inflated.
pub fn native(data_set: &[u8], from: &Uid, to: &Uid) -> Result<Vec<u8>, TranscodeError> {
    let is_native =
        |uid: &Uid| [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN].contains(&uid.as_str());
    let not_converted = || TranscodeError::NotConverted { from: from.clone(), to: to.clone() };
    if from.as_str() == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN && is_native(to) {
        let plain = inflated(data_set).map_err(|_| TranscodeError::Unreadable)?;
        let explicit = Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN).map_err(|_| not_converted())?;
        return if explicit == *to { Ok(plain) } else { native(&plain, &explicit, to) };
    }
    if !is_native(from) || !is_native(to) {
        return Err(not_converted());
    }
    let source = TransferSyntaxRegistry.get(from.as_str()).ok_or_else(not_converted)?;
    let target = TransferSyntaxRegistry.get(to.as_str()).ok_or_else(not_converted)?;
    let mut bytes = Vec::with_capacity(data_set.len());
    copy(data_set, source, target, None, BTreeMap::new(), &mut bytes)
        .ok_or(TranscodeError::Unreadable)?;
    Ok(bytes)
}

const PHOTOMETRIC_INTERPRETATION: Tag = Tag(0x0028, 0x0004);
const PLANAR_CONFIGURATION: Tag = Tag(0x0028, 0x0006);
const LOSSY_IMAGE_COMPRESSION: Tag = Tag(0x0028, 0x2110);
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
/// Extended Offset Table, and its lengths (PS3.3 C.7.6.3.1.8).
const OFFSETS: [Tag; 2] = [Tag(0x7FE0, 0x0001), Tag(0x7FE0, 0x0002)];

/// No more than this is made of a compressed object, nor compressed.
const MOST_DECOMPRESSED: usize = 256 << 20;

/// Whether [`decompressed`] can turn objects of this syntax into uncompressed ones.
pub fn is_decompressed(from: &Uid) -> bool {
    decode::has_native_pixels(from.as_str())
}

/// The data set of a kept file that was compressed, in an uncompressed syntax: each pixel has its value, colours as red, green and blue,
/// and every element that does not tell how the pixels lie is as it was.
pub fn decompressed(part10: &Bytes, from: &Uid, to: &Uid) -> Result<Vec<u8>, TranscodeError> {
    let not_converted = || TranscodeError::NotConverted { from: from.clone(), to: to.clone() };
    if !is_decompressed(from) || !uncompressed().contains(to) {
        return Err(not_converted());
    }
    let data_set = data_set_of(part10).ok_or(TranscodeError::Unreadable)?;
    let pixels = decode::native_pixels(part10, MOST_DECOMPRESSED);
    let pixels = pixels.map_err(TranscodeError::Pixels)?;
    let source = TransferSyntaxRegistry.get(from.as_str()).ok_or_else(not_converted)?;
    let target = TransferSyntaxRegistry.get(to.as_str()).ok_or_else(not_converted)?;
    let mut bytes = Vec::with_capacity(data_set.len() + pixels.bytes.len());
    let told = told_of(from, pixels.is_rgb);
    copy(&data_set, source, target, Some(pixels.bytes), told, &mut bytes)
        .ok_or(TranscodeError::Unreadable)?;
    Ok(bytes)
}

/// Elements of the outermost data set that have these values, whatever they had.
type Told = BTreeMap<Tag, (VR, PrimitiveValue)>;

/// What is said of pixels that were decompressed (PS3.5 8.2, PS3.3 C.7.6.3.1). JPEG Baseline has always lost something, and without
/// it nothing else would say so.
fn told_of(from: &Uid, is_rgb: bool) -> Told {
    let mut told = Told::new();
    if is_rgb {
        told.insert(PHOTOMETRIC_INTERPRETATION, (VR::CS, "RGB".into()));
        told.insert(PLANAR_CONFIGURATION, (VR::US, PrimitiveValue::from(0_u16)));
    }
    if from.as_str() == JPEG_BASELINE {
        told.insert(LOSSY_IMAGE_COMPRESSION, (VR::CS, "01".into()));
    }
    told
}

/// Token by token: dicom-object builds, writes and drops an object by recursion, which a peer could
/// make deeper than any stack.
fn copy(
    data_set: &[u8],
    from: &TransferSyntax,
    to: &TransferSyntax,
    mut pixels: Option<Vec<u8>>,
    mut told: Told,
    bytes: &mut Vec<u8>,
) -> Option<()> {
    // The reader makes room for a value before it looks for it.
    let fits = |length: dicom_core::Length| {
        length.get().is_none_or(|length| length as usize <= data_set.len())
    };
    let mut writer = DataSetWriter::with_ts(bytes, to).ok()?;
    let mut open = 0usize;
    let (mut in_fragments, mut is_left_out) = (false, false);
    for token in DataSetReader::new_with_ts(data_set, from).ok()? {
        let token = token.ok()?;
        let element = match &token {
            DataToken::ElementHeader(header) => Some(header.tag),
            DataToken::SequenceStart { tag, .. } => Some(*tag),
            DataToken::PixelSequenceStart => Some(PIXEL_DATA),
            _ => None,
        };
        if let Some(tag) = element.filter(|_| open == 0) {
            let is_plain = matches!(token, DataToken::ElementHeader(_));
            is_left_out = told.contains_key(&tag);
            if is_left_out && !is_plain {
                return None;
            }
            while let Some(first) = told.first_entry().filter(|first| *first.key() <= tag) {
                let (tag, (vr, value)) = first.remove_entry();
                for token in primitive(tag, vr, value)? {
                    writer.write(token).ok()?;
                }
            }
            if is_left_out {
                continue;
            }
        }
        match &token {
            DataToken::ElementHeader(header) if !fits(header.len) => return None,
            // Where compressed frames begin says nothing of others.
            DataToken::ElementHeader(header)
                if pixels.is_some() && OFFSETS.contains(&header.tag) =>
            {
                is_left_out = true;
                continue;
            }
            DataToken::PrimitiveValue(_) if std::mem::take(&mut is_left_out) => continue,
            DataToken::ItemStart { len } if in_fragments && !fits(*len) => return None,
            DataToken::SequenceEnd if in_fragments => {
                in_fragments = false;
                continue;
            }
            _ if in_fragments => continue,
            // No native syntax has fragments, and behind them the writer mistakes lengths: those of the
            // image itself are left out, and its pixels stand in their place.
            DataToken::PixelSequenceStart if open == 0 => {
                for token in native_pixel_data(pixels.take()?)? {
                    writer.write(token).ok()?;
                }
                in_fragments = true;
                continue;
            }
            DataToken::PixelSequenceStart => return None,
            DataToken::SequenceStart { .. } | DataToken::ItemStart { .. } => open += 1,
            DataToken::SequenceEnd | DataToken::ItemEnd => open = open.checked_sub(1)?,
            _ => {}
        }
        writer.write(token).ok()?;
    }
    // The reader is content with bytes that end inside a sequence.
    (open == 0 && !in_fragments && pixels.is_none()).then_some(())
}

/// Pixel Data (7FE0,0010) without compression (PS3.5 8.2, A.2).
fn native_pixel_data(pixels: Vec<u8>) -> Option<[DataToken; 2]> {
    primitive(PIXEL_DATA, VR::OW, PrimitiveValue::U8(pixels.into()))
}

fn primitive(tag: Tag, vr: VR, value: PrimitiveValue) -> Option<[DataToken; 2]> {
    let length = u32::try_from(value.calculate_byte_len()).ok()?;
    let header = DataElementHeader::new(tag, vr, Length(length));
    Some([DataToken::ElementHeader(header), DataToken::PrimitiveValue(value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).expect("a UID")
    }

    fn to_implicit(data_set: &[u8]) -> Option<Vec<u8>> {
        native(data_set, &uid(EXPLICIT_VR_LITTLE_ENDIAN), &uid(IMPLICIT_VR_LITTLE_ENDIAN)).ok()
    }

    #[test]
    fn an_object_in_one_syntax_becomes_the_same_in_the_other() {
        let explicit = b"\x08\0\x60\0CS\x02\0CT\
            \x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\
            \x08\0\x50\x11UI\x04\x001.2\0\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0\
            \x28\0\x10\0US\x02\0\x07\0";
        let implicit = to_implicit(explicit).expect("it is whole");
        let expected = b"\x08\0\x60\0\x02\0\0\0CT\
            \x08\0\x15\x11\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\
            \x08\0\x50\x11\x04\0\0\x001.2\0\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0\
            \x28\0\x10\0\x02\0\0\0\x07\0";
        assert_eq!(implicit, expected);
        let from = uid(IMPLICIT_VR_LITTLE_ENDIAN);
        let again = native(&implicit, &from, &uid(EXPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(again.expect("it is whole"), explicit);
    }

    /// Two pixels by two of 16 bits, in the two segments of RLE (PS3.5 annex G), of bytes as they stand.
    fn run_length_encoded(values: [u16; 4]) -> Vec<u8> {
        let mut frame: Vec<u8> = [2u32, 64, 69].iter().flat_map(|n| n.to_le_bytes()).collect();
        frame.resize(64, 0);
        for byte in [1, 0] {
            frame.push(3);
            frame.extend(values.map(|value| value.to_le_bytes()[byte]));
        }
        frame
    }

    fn short(group: u16, element: u16, vr: &[u8], value: &[u8]) -> Vec<u8> {
        let tag = [group.to_le_bytes(), element.to_le_bytes()].concat();
        [&tag, vr, &(value.len() as u16).to_le_bytes(), value].concat()
    }

    fn image(pixels: &[u8]) -> Vec<u8> {
        let number = |element, value: u16| short(0x28, element, b"US", &value.to_le_bytes());
        let attributes = [
            short(0x08, 0x60, b"CS", b"CT"),
            number(0x02, 1),
            short(0x28, 0x04, b"CS", b"MONOCHROME2 "),
            number(0x10, 2),
            number(0x11, 2),
            number(0x0100, 16),
            number(0x0101, 12),
            number(0x0102, 11),
            number(0x0103, 1),
        ];
        [attributes.concat(), b"\xE0\x7F\x10\0".to_vec(), pixels.to_vec()].concat()
    }

    fn part10(syntax: &str, data_set: &[u8]) -> Bytes {
        let syntax =
            short(2, 0x10, b"UI", format!("{syntax}{}", &"\0"[..syntax.len() % 2]).as_bytes());
        let length = short(2, 0, b"UL", &(syntax.len() as u32).to_le_bytes());
        [&[0; 128][..], b"DICM", &length, &syntax, data_set].concat().into()
    }

    #[test]
    fn what_was_compressed_without_loss_has_the_same_pixels_without_compression() {
        const RLE: &str = "1.2.840.10008.1.2.5";
        // Of 12 bits with a sign: -1 and -2048 among them.
        let values = [0x0000, 0x07FF, 0x0FFF, 0x0800];
        let frame = run_length_encoded(values);
        let fragments = [
            &b"OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0"[..],
            &(frame.len() as u32).to_le_bytes(),
            &frame,
            b"\xFE\xFF\xDD\xE0\0\0\0\0",
        ]
        .concat();
        let kept = part10(RLE, &image(&fragments));
        let native = image(b"OW\0\0\x08\0\0\0\0\0\xFF\x07\xFF\xFF\x00\xF8");
        let made = decompressed(&kept, &uid(RLE), &uid(EXPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(made.expect("it is whole"), native);
        let implicit = decompressed(&kept, &uid(RLE), &uid(IMPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(Some(implicit.expect("it is whole")), to_implicit(&native));

        let cut = part10(RLE, &image(&fragments[..60]));
        assert!(decompressed(&cut, &uid(RLE), &uid(EXPLICIT_VR_LITTLE_ENDIAN)).is_err());
        let unknown = uid("1.2.840.10008.1.2.4.51");
        let refused = decompressed(&kept, &unknown, &uid(EXPLICIT_VR_LITTLE_ENDIAN));
        assert!(matches!(refused, Err(TranscodeError::NotConverted { .. })));
    }

    /// Three bytes a pixel in three segments of RLE.
    #[test]
    fn colours_become_red_green_and_blue_pixel_by_pixel_and_the_header_says_so() {
        const RLE: &str = "1.2.840.10008.1.2.5";
        let mut frame: Vec<u8> = [3u32, 64, 70, 76].iter().flat_map(|n| n.to_le_bytes()).collect();
        frame.resize(64, 0);
        for plane in [[10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]] {
            frame.push(3);
            frame.extend(plane);
            frame.push(128);
        }
        let fragments = [
            &b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0"[..],
            &(frame.len() as u32).to_le_bytes(),
            &frame,
            b"\xFE\xFF\xDD\xE0\0\0\0\0",
        ]
        .concat();
        let number = |element, value: u16| short(0x28, element, b"US", &value.to_le_bytes());
        let image = |planar: u16, pixels: &[u8]| {
            let attributes = [
                number(0x02, 3),
                short(0x28, 0x04, b"CS", b"RGB "),
                number(0x06, planar),
                number(0x10, 2),
                number(0x11, 2),
                number(0x0100, 8),
                number(0x0101, 8),
                number(0x0102, 7),
                number(0x0103, 0),
            ];
            [&attributes.concat(), pixels].concat()
        };
        let kept = part10(RLE, &image(1, &fragments));
        let pixels =
            b"\xE0\x7F\x10\0OW\0\0\x0C\0\0\0\x0A\x14\x1E\x0B\x15\x1F\x0C\x16\x20\x0D\x17\x21";
        let made = decompressed(&kept, &uid(RLE), &uid(EXPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(made.expect("it is whole"), image(0, pixels));
    }

    #[test]
    fn what_is_deflated_as_a_whole_is_inflated_for_a_peer_that_takes_it_plain() {
        use std::io::Write;
        let explicit = short(0x08, 0x60, b"CS", b"CT");
        let mut writing =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        writing.write_all(&explicit).expect("into memory");
        let deflated = writing.finish().expect("into memory");
        let from = uid(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
        let to = |syntax| native(&deflated, &from, &uid(syntax)).expect("it is whole");
        assert_eq!(to(EXPLICIT_VR_LITTLE_ENDIAN), explicit);
        assert_eq!(to(IMPLICIT_VR_LITTLE_ENDIAN), b"\x08\0\x60\0\x02\0\0\0CT");
        assert!(native(b"\xFFno stream", &from, &uid(EXPLICIT_VR_LITTLE_ENDIAN)).is_err());
    }

    #[test]
    fn sequences_may_be_nested_deeper_than_any_stack() {
        let opening = b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
        let closing = b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0";
        let opened = opening.repeat(100_000);
        let whole = [&opened[..], &closing.repeat(100_000)].concat();
        let length = 100_000 * (16 + closing.len());
        assert_eq!(to_implicit(&whole).map(|bytes| bytes.len()), Some(length));
        assert_eq!(to_implicit(&opened), None, "it ends inside a sequence");
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_before_there_is_room_for_it() {
        assert_eq!(to_implicit(b"\x09\0\x01\x10OB\0\0\xFE\xFF\xFF\xFFabcd"), None);
    }
}
