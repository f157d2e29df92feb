//! What a compressed picture says about its own size, read before a decoder may allocate by it.

/// The size and depth that a codestream declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    pub rows: u32,
    pub columns: u32,
    pub components: u32,
    pub bits: u32,
}

/// The frame header of JPEG (ISO 10918-1 B.2.2) and JPEG-LS (ISO 14495-1 C.2.2), which look the same.
pub fn of_jpeg(codestream: &[u8]) -> Option<Declared> {
    let mut rest = codestream.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        let [0xFF, marker, ..] = *rest else { return None };
        match marker {
            0xFF => rest = &rest[1..], // fill byte (B.1.1.2)
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                let header = rest.get(4..10)?;
                return Some(Declared {
                    bits: u32::from(header[0]),
                    rows: u32::from(u16::from_be_bytes([header[1], header[2]])),
                    columns: u32::from(u16::from_be_bytes([header[3], header[4]])),
                    components: u32::from(header[5]),
                });
            }
            0xD9 | 0xDA => return None, // picture ends, or its data begin, before a frame header
            _ => {
                let length = rest.get(2..4)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                rest = rest.get(2 + length.max(2)..)?;
            }
        }
    }
}

/// The SIZ segment, which is the first of a JPEG 2000 codestream (ISO 15444-1 A.5.1).
/// A JP2 file around it is not what PS3.5 A.4.4 allows, and gives nothing here.
pub fn of_jpeg_2000(codestream: &[u8]) -> Option<Declared> {
    let siz = codestream.strip_prefix(&[0xFF, 0x4F, 0xFF, 0x51])?;
    let long = |at: usize| Some(u32::from_be_bytes(siz.get(at..at + 4)?.try_into().ok()?));
    let tiles_begin_inside = long(20)? > 0 && long(24)? > 0;
    let components = u32::from(u16::from_be_bytes(siz.get(36..38)?.try_into().ok()?));
    let subsampling = siz.get(39..41)?;
    if !tiles_begin_inside || subsampling != [1, 1] {
        return None;
    }
    Some(Declared {
        rows: long(8)?.checked_sub(long(16)?)?,
        columns: long(4)?.checked_sub(long(12)?)?,
        components,
        bits: u32::from(siz[38] & 0x7F) + 1,
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
