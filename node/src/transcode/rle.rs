//! RLE Lossless (PS3.5 annex G): the bytes of one frame as segments of runs.

/// The header (PS3.5 G.5): how many segments, and where each of at most 15 begins.
const HEADER: usize = 64;
const MOST_SEGMENTS: usize = 15;
/// What one control byte can tell of (PS3.5 G.3.1).
const LONGEST: usize = 128;

/// One frame of planes of samples, row by row, each sample of 1 or 2 bytes: a segment for each byte of each plane, the most
/// significant first (PS3.5 G.2). `None` where it would be more segments than the header has room for, or longer than it can tell.
pub(super) fn encoded(planes: &[Vec<u16>], columns: usize, bytes: u32) -> Option<Vec<u8>> {
    let segments = planes.len() * bytes as usize;
    if segments > MOST_SEGMENTS {
        return None;
    }
    let mut header = vec![u32::try_from(segments).ok()?];
    let mut frame = vec![0; HEADER];
    for plane in planes {
        for byte in (0..bytes).rev() {
            header.push(u32::try_from(frame.len()).ok()?);
            // No run goes over the end of a row.
            for row in plane.chunks(columns.max(1)) {
                let row: Vec<u8> = row.iter().map(|sample| (sample >> (8 * byte)) as u8).collect();
                put(&row, &mut frame);
            }
            if frame.len() % 2 == 1 {
                frame.push(0);
            }
        }
    }
    for (place, number) in frame.chunks_exact_mut(4).zip(header) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    Some(frame)
}

/// Runs of two and more are told by their length, what lies between them as it is.
fn put(mut row: &[u8], into: &mut Vec<u8>) {
    while let Some(first) = row.first() {
        let run = row.iter().take(LONGEST).take_while(|byte| *byte == first).count();
        let taken = if run > 1 {
            into.extend([(257 - run) as u8, *first]);
            run
        } else {
            // Two that are equal would be no shorter as a run of their own.
            let next = row.windows(3).take(LONGEST).position(|w| w[0] == w[1] && w[1] == w[2]);
            let literal = next.unwrap_or(row.len()).clamp(1, LONGEST);
            into.push((literal - 1) as u8);
            into.extend_from_slice(&row[..literal]);
            literal
        };
        row = &row[taken..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: &[u8]) -> Vec<u8> {
        let mut into = Vec::new();
        put(bytes, &mut into);
        into
    }

    #[test]
    fn runs_and_what_lies_between_them_are_told_as_the_standard_says() {
        assert_eq!(row(&[7]), [0, 7]);
        assert_eq!(row(&[7, 7]), [255, 7]);
        assert_eq!(row(&[1, 2, 2, 3]), [3, 1, 2, 2, 3]);
        assert_eq!(row(&[1, 2, 2, 2]), [0, 1, 254, 2]);
        assert_eq!(row(&[9; 128]), [129, 9]);
        assert_eq!(row(&[9; 129]), [129, 9, 0, 9]);
        let rising: Vec<u8> = (0..130).collect();
        let expected = [&[127][..], &rising[..128], &[1, 128, 129]].concat();
        assert_eq!(row(&rising), expected);
    }

    #[test]
    fn each_byte_of_each_plane_is_a_segment_of_even_length_and_the_first_is_the_most_significant() {
        let frame = encoded(&[vec![0x0102, 0x0304, 0x0506]], 3, 2).expect("two segments");
        assert_eq!(frame[..12], [2, 0, 0, 0, 64, 0, 0, 0, 68, 0, 0, 0]);
        assert_eq!(frame[64..], [2, 1, 3, 5, 2, 2, 4, 6]);
        let frame = encoded(&[vec![5, 5], vec![6, 7], vec![8, 8]], 2, 1).expect("three segments");
        assert_eq!(frame[..16], [3, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0, 70, 0, 0, 0]);
        assert_eq!(frame[64..], [255, 5, 1, 6, 7, 0, 255, 8]);
        assert_eq!(encoded(&vec![vec![0]; 16], 1, 1), None);
    }
}
