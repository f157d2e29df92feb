//! What a compressed picture says about its own size, read before a decoder may allocate by it.

/// The size and depth that a codestream declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    pub rows: u32,
    pub columns: u32,
    pub components: u32,
    pub bits: u32,
}

/// What a JPEG says about its three components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Rgb,
    Ybr,
}

/// The segments before the data begin: marker, and what follows its length (ISO 10918-1 B.1.1).
fn segments(codestream: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = codestream.strip_prefix(&[0xFF, 0xD8]).unwrap_or_default();
    std::iter::from_fn(move || {
        // Fill bytes may stand before a marker (B.1.1.2).
        while rest.starts_with(&[0xFF, 0xFF]) {
            rest = &rest[1..];
        }
        let [0xFF, marker, high, low, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low])).max(2);
        let segment = rest.get(4..2 + length).unwrap_or_else(|| &rest[4..]);
        // The data begin behind 0xDA, and nothing does behind 0xD9.
        rest = if matches!(marker, 0xD9 | 0xDA) {
            &[]
        } else {
            rest.get(2 + length..).unwrap_or_default()
        };
        (marker != 0xD9).then_some((marker, segment))
    })
}

/// The frame header of JPEG (ISO 10918-1 B.2.2) and JPEG-LS (ISO 14495-1 C.2.2), which look the same.
pub fn of_jpeg(codestream: &[u8]) -> Option<Declared> {
    let is_frame =
        |marker: u8| matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7);
    // The data begin before a frame header: there is none.
    let (_, header) = segments(codestream)
        .take_while(|(marker, _)| *marker != 0xDA)
        .find(|(marker, _)| is_frame(*marker))?;
    let header = header.get(..6)?;
    Some(Declared {
        bits: u32::from(header[0]),
        rows: u32::from(u16::from_be_bytes([header[1], header[2]])),
        columns: u32::from(u16::from_be_bytes([header[3], header[4]])),
        components: u32::from(header[5]),
    })
}

/// By the segments of JFIF (always luminance and differences) and Adobe; nothing where neither is there.
pub fn colours_of_jpeg(codestream: &[u8]) -> Option<Colours> {
    let mut jfif = None;
    for (marker, segment) in segments(codestream) {
        match marker {
            0xEE if segment.starts_with(b"Adobe") => {
                return match segment.get(11)? {
                    0 => Some(Colours::Rgb),
                    _ => Some(Colours::Ybr),
                };
            }
            0xE0 if segment.starts_with(b"JFIF\0") => jfif = Some(Colours::Ybr),
            _ => {}
        }
    }
    jfif
}

/// Whether the components of a JPEG-LS picture come one after the other, each in a scan of its own
/// (ISO 14495-1 C.2.3).
pub fn is_by_plane(codestream: &[u8]) -> bool {
    let scan = segments(codestream).find(|(marker, _)| *marker == 0xDA);
    scan.is_some_and(|(_, header)| header.first() == Some(&1))
        && of_jpeg(codestream).is_some_and(|declared| declared.components > 1)
}

/// The SIZ segment, which is the first of a JPEG 2000 codestream (ISO 15444-1 A.5.1).
/// A JP2 file around it is not what PS3.5 A.4.4 allows, and gives nothing here.
pub fn of_jpeg_2000(codestream: &[u8]) -> Option<Declared> {
    let siz = codestream.strip_prefix(&[0xFF, 0x4F, 0xFF, 0x51])?;
    let long = |at: usize| Some(u32::from_be_bytes(siz.get(at..at + 4)?.try_into().ok()?));
    let tiles_begin_inside = long(20)? > 0 && long(24)? > 0;
    let components = u32::from(u16::from_be_bytes(siz.get(36..38)?.try_into().ok()?));
    let depth = *siz.get(38)?;
    // All components alike, and none subsampled.
    let alike = |component: u32| {
        let at = 38 + 3 * component as usize;
        siz.get(at..at + 3) == Some(&[depth, 1, 1])
    };
    if !tiles_begin_inside || !(0..components).all(alike) {
        return None;
    }
    Some(Declared {
        rows: long(8)?.checked_sub(long(16)?)?,
        columns: long(4)?.checked_sub(long(12)?)?,
        components,
        bits: u32::from(depth & 0x7F) + 1,
    })
}

/// How many segments an RLE frame says it has (PS3.5 G.5).
pub fn rle_segments(frame: &[u8]) -> Option<u32> {
    let header = frame.get(..64)?;
    Some(u32::from_le_bytes(header.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_found_behind_other_segments_or_not_at_all() {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC3, 0, 11, 12];
        jpeg.extend_from_slice(&[0x02, 0x00, 0x01, 0x00, 1]);
        let expected = Declared { rows: 512, columns: 256, components: 1, bits: 12 };
        assert_eq!(of_jpeg(&jpeg), Some(expected));
        (0..jpeg.len()).for_each(|cut| assert_eq!(of_jpeg(&jpeg[..cut]), None));
        assert_eq!(of_jpeg(&[0xFF, 0xD8, 0xFF, 0xDA, 0, 2]), None);
    }
}
