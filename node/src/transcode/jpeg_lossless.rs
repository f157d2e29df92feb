//! JPEG Lossless, first-order prediction (ISO 10918-1 process 14, selection value 1; PS3.5 8.2.1): one frame as a codestream.

/// Differences have 0 to 16 bits (ISO 10918-1 table H.2).
const CATEGORIES: usize = 17;
/// No code is longer (C.2).
const LONGEST: usize = 16;
/// Named so that nobody who goes by the names takes red, green and blue for luminance and differences.
const COLOURS: [u8; 3] = *b"RGB";

/// One frame of 1 or 3 planes of samples of so many bits, 2 to 16, row by row. `None` where a codestream cannot tell of such a frame.
pub(super) fn encoded(planes: &[Vec<u16>], columns: usize, bits: u8) -> Option<Vec<u8>> {
    let samples = planes.first()?.len();
    let rows = samples.checked_div(columns)?;
    let is_whole = rows * columns == samples && planes.iter().all(|plane| plane.len() == samples);
    if !is_whole || !(2..=16).contains(&bits) {
        return None;
    }
    let names: &[u8] = match planes.len() {
        1 => &[1],
        3 => &COLOURS,
        _ => return None,
    };
    let number = u8::try_from(names.len()).ok()?;
    let (height, width) = (u16::try_from(rows).ok()?, u16::try_from(columns).ok()?);
    if height == 0 {
        return None;
    }

    let mut frequencies = [0; CATEGORIES];
    for difference in differences(planes, columns, bits) {
        frequencies[category(difference)] += 1;
    }
    let table = Table::of(&frequencies);

    let mut stream = vec![0xFF, 0xD8];
    let mut frame = vec![bits];
    frame.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    frame.push(number);
    frame.extend(names.iter().flat_map(|name| [*name, 0x11, 0]));
    segment(&mut stream, 0xC3, &frame);
    segment(&mut stream, 0xC4, &[&[0], &table.counts[..], &table.categories].concat());
    let mut scan = vec![number];
    scan.extend(names.iter().flat_map(|name| [*name, 0]));
    // The predictor, and no point transform.
    scan.extend([1, 0, 0]);
    segment(&mut stream, 0xDA, &scan);

    let mut bits_written = Bits { bytes: stream, held: 0, count: 0 };
    for difference in differences(planes, columns, bits) {
        let category = category(difference);
        let (code, length) = table.codes[category];
        bits_written.put(code, length);
        // 32768 is told by its category alone; what is negative by one less (H.1.2.2, F.1.2.1.1).
        if (1..LONGEST).contains(&category) {
            let told = if difference < 0 { difference.wrapping_sub(1) } else { difference };
            bits_written.put(u32::from(told as u16) & ((1 << category) - 1), category as u32);
        }
    }
    let mut stream = bits_written.done();
    stream.extend([0xFF, 0xD9]);
    Some(stream)
}

/// A marker segment, whose length counts itself (ISO 10918-1 B.1.1.4).
fn segment(stream: &mut Vec<u8>, marker: u8, content: &[u8]) {
    stream.extend([0xFF, marker]);
    stream.extend((content.len() as u16 + 2).to_be_bytes());
    stream.extend_from_slice(content);
}

/// Each sample less the one to its left, at the left edge less the one above it, modulo 65536; the first less half of what there is
/// (ISO 10918-1 H.1.2.1). The planes take turns.
fn differences(planes: &[Vec<u16>], columns: usize, bits: u8) -> impl Iterator<Item = i16> {
    let count = planes.first().map_or(0, Vec::len);
    (0..count).flat_map(move |at| {
        planes.iter().map(move |plane| {
            let predicted = match at {
                0 => 1 << (bits - 1),
                _ if at % columns == 0 => plane[at - columns],
                _ => plane[at - 1],
            };
            plane[at].wrapping_sub(predicted) as i16
        })
    })
}

/// How many bits the difference has.
fn category(difference: i16) -> usize {
    (u16::BITS - difference.unsigned_abs().leading_zeros()) as usize
}

/// The Huffman code of the categories of one frame.
struct Table {
    /// How many codes have 1 bit, 2 bits, ...
    counts: [u8; LONGEST],
    /// The categories in the order of their codes.
    categories: Vec<u8>,
    /// The code of each category and its length; 0 where it does not occur.
    codes: [(u32, u32); CATEGORIES],
}

impl Table {
    /// ISO 10918-1 K.2 and C.2.
    fn of(frequencies: &[u32; CATEGORIES]) -> Self {
        // One more takes the code of ones alone, which no category may have.
        let all = frequencies.iter().copied().chain([1]).enumerate();
        let mut groups: Vec<(u64, Vec<usize>)> = all
            .filter(|(_, often)| *often > 0)
            .map(|(symbol, often)| (often.into(), vec![symbol]))
            .collect();
        let mut lengths = [0_usize; CATEGORIES + 1];
        loop {
            groups.sort_by_key(|(often, _)| std::cmp::Reverse(*often));
            let (Some((rarest, mut both)), Some((next, others))) = (groups.pop(), groups.pop())
            else {
                break;
            };
            both.extend(others);
            for symbol in &both {
                lengths[*symbol] += 1;
            }
            groups.push((rarest + next, both));
        }
        // Of 18 symbols none has more than 17 bits.
        let mut counts = [0_u8; LONGEST + 2];
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[*length] += 1;
        }
        while counts[LONGEST + 1] > 1 {
            let Some(shorter) = (1..LONGEST).rev().find(|length| counts[*length] > 0) else {
                break;
            };
            counts[LONGEST + 1] -= 2;
            counts[LONGEST] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
        if let Some(longest) = counts.iter_mut().rev().find(|count| **count > 0) {
            *longest -= 1;
        }
        let mut categories: Vec<u8> =
            (0..CATEGORIES as u8).filter(|one| frequencies[usize::from(*one)] > 0).collect();
        categories.sort_by_key(|one| lengths[usize::from(*one)]);

        let counts: [u8; LONGEST] = std::array::from_fn(|at| counts[at + 1]);
        let mut codes = [(0, 0); CATEGORIES];
        let (mut code, mut coded) = (0_u32, categories.iter());
        for (length, count) in (1..).zip(counts) {
            for category in coded.by_ref().take(count.into()) {
                codes[usize::from(*category)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        Self { counts, categories, codes }
    }
}

/// The bits behind the scan header; a byte of ones is followed by one of zeros (ISO 10918-1 F.1.2.3).
struct Bits {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        self.held = self.held << bits | u64::from(value);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.held >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xFF {
                self.bytes.push(0);
            }
        }
    }

    /// The last byte is filled with ones.
    fn done(mut self) -> Vec<u8> {
        let missing = (8 - self.count % 8) % 8;
        self.put((1 << missing) - 1, missing);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_frame_is_one_bit_a_sample_and_begins_with_what_it_differs_from_the_middle() {
        let stream = encoded(&[vec![0x8000; 8]], 4, 16).expect("it can be told of");
        let expected = b"\xFF\xD8\xFF\xC3\x00\x0B\x10\0\x02\0\x04\x01\x01\x11\x00\
            \xFF\xC4\x00\x14\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\
            \xFF\xDA\x00\x08\x01\x01\x00\x01\x00\x00\x00\xFF\xD9";
        assert_eq!(stream, expected);
    }

    #[test]
    fn the_rarest_categories_have_codes_of_sixteen_bits_and_none_of_ones_alone() {
        // Each as often as all before it: as deep as a code can be.
        let frequencies = std::array::from_fn(|at| 1 << at);
        let table = Table::of(&frequencies);
        assert_eq!(table.counts.iter().map(|count| usize::from(*count)).sum::<usize>(), CATEGORIES);
        let taken = table.codes.iter().map(|(_, length)| 1_u32 << (LONGEST as u32 - length));
        assert!(taken.sum::<u32>() < 1 << LONGEST);
        for (code, length) in table.codes {
            assert!((1..=LONGEST as u32).contains(&length) && code < (1 << length) - 1);
        }
    }

    #[test]
    fn what_a_codestream_cannot_tell_of_is_not_encoded() {
        assert_eq!(encoded(&[], 1, 8), None);
        assert_eq!(encoded(&[vec![]], 1, 8), None);
        assert_eq!(encoded(&[vec![1, 2, 3]], 2, 8), None);
        assert_eq!(encoded(&[vec![1], vec![2]], 1, 8), None);
        assert_eq!(encoded(&[vec![1]], 0, 8), None);
        assert_eq!(encoded(&[vec![1]], 1, 1), None);
    }
}
