//! Lookup tables as they stand in a header: a descriptor of three numbers and the entries (PS3.3 C.11.1.1, C.7.6.3.1.5).

use crate::elements::Elements;
use crate::voxels::displayed::Lut;

/// The table of these two attributes, descriptor and data; none where one of them is missing or does not
/// keep the other. `signed`: its first value is a number of a signed image.
pub fn read(elements: &Elements, [descriptor, data]: [u32; 2], signed: bool) -> Option<Lut> {
    let [count, first, bits] = elements.words(descriptor)?[..] else { return None };
    let bytes = elements.bytes(data)?;
    let count = if count == 0 { 1 << 16 } else { usize::from(count) };
    // Entries of 8 bits may lie in one byte each.
    let packed = bytes.len() < 2 * count;
    let entries = match packed {
        true => bytes.iter().map(|byte| u16::from(*byte)).collect(),
        false => elements.words(data)?,
    };
    let entries: Vec<u16> = entries.into_iter().take(count).collect();
    if entries.len() < count || (packed && bits > 8) {
        return None;
    }
    let first = if signed { f32::from(first as i16) } else { f32::from(first) };
    Lut::new(first, bits, entries).ok()
}
