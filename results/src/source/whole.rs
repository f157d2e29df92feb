//! A source image with all that its header says, but for what belongs to its pixels or to its maker alone.

use crate::data_set::{DataSet, vr_of};
use crate::object::ComposeError;
use crate::source::reading::{Raw, RawValue, elements, mark_lossy, values};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::Endianness;
use gantry_terms::character_sets::CharacterSets;

/// Pixels, and what stands behind them, are no part of the header.
const LAST: Tag = Tag(0x7FDF, 0xFFFF);

/// Decoded to Unicode. Without private elements, curves, overlays and group lengths, and without elements that
/// the dictionary does not know, and items that had nothing else; a value that its VR does not allow is empty.
pub fn whole(part10: &[u8]) -> Result<DataSet, ComposeError> {
    let (raw, order) = elements(part10, LAST)?;
    let mut image = decoded(&raw, &CharacterSets::default(), order, 0);
    mark_lossy(part10, &mut image);
    Ok(image)
}

fn decoded(raw: &Raw, outer: &CharacterSets, order: Endianness, depth: usize) -> DataSet {
    let sets = match raw.get(&tags::SPECIFIC_CHARACTER_SET) {
        Some(RawValue::Bytes(_, bytes)) => CharacterSets::from_attribute(bytes),
        _ => outer.clone(),
    };
    let mut data_set = DataSet::new();
    for (tag, value) in raw.iter().filter(|(tag, _)| is_kept(**tag)) {
        match (value, vr_of(*tag)) {
            (RawValue::Items(raw), VR::SQ) => {
                let items = raw.iter().map(|of| (of, decoded(of, &sets, order, depth + 1)));
                let items = items.filter(|(of, item)| of.is_empty() || !item.is_empty());
                let items: Vec<DataSet> = items.map(|(_, item)| item).collect();
                if depth == 0 || raw.is_empty() || !items.is_empty() {
                    data_set.items(*tag, items);
                }
            }
            (RawValue::Bytes(written, bytes), vr) if vr != VR::SQ => {
                element(*tag, (*written, vr), bytes, &sets, order, &mut data_set);
            }
            _ => {}
        }
    }
    data_set
}

fn is_kept(Tag(group, element): Tag) -> bool {
    let drawn = matches!(group & 0xFF00, 0x5000 | 0x6000);
    group % 2 == 0 && element != 0 && !drawn && Tag(group, element) != tags::SPECIFIC_CHARACTER_SET
}

/// Of numbers the VR of the file counts: whether pixels are signed decides over some of them.
fn element(
    tag: Tag,
    (written, vr): (VR, VR),
    bytes: &[u8],
    sets: &CharacterSets,
    order: Endianness,
    data_set: &mut DataSet,
) {
    if bytes.is_empty() {
        data_set.empty(tag);
        return;
    }
    if let Some(texts) = values(tag, vr, bytes, sets) {
        if texts.iter().any(|text| !text.is_empty()) {
            data_set.values(tag, texts);
        }
        return;
    }
    let vr =
        if written == VR::UN || binary(written, bytes, order).is_none() { vr } else { written };
    match binary(vr, bytes, order) {
        Some(value) => drop(data_set.put(DataElement::new(tag, vr, value))),
        None if vr == VR::UN => {}
        // Text that its VR does not allow: it may be Type 2.
        None => drop(data_set.empty(tag)),
    }
}

fn binary(vr: VR, bytes: &[u8], order: Endianness) -> Option<PrimitiveValue> {
    Some(match vr {
        VR::US | VR::OW => PrimitiveValue::U16(numbers(bytes, order, u16::from_le_bytes).collect()),
        VR::SS => PrimitiveValue::I16(numbers(bytes, order, i16::from_le_bytes).collect()),
        VR::UL | VR::OL => PrimitiveValue::U32(numbers(bytes, order, u32::from_le_bytes).collect()),
        VR::SL => PrimitiveValue::I32(numbers(bytes, order, i32::from_le_bytes).collect()),
        VR::FL | VR::OF => PrimitiveValue::F32(numbers(bytes, order, f32::from_le_bytes).collect()),
        VR::FD | VR::OD => PrimitiveValue::F64(numbers(bytes, order, f64::from_le_bytes).collect()),
        VR::AT => {
            let halves: Vec<u16> = numbers(bytes, order, u16::from_le_bytes).collect();
            PrimitiveValue::Tags(halves.chunks_exact(2).map(|two| Tag(two[0], two[1])).collect())
        }
        VR::OB => PrimitiveValue::U8(bytes.into()),
        _ => return None,
    })
}

fn numbers<const N: usize, T>(
    bytes: &[u8],
    order: Endianness,
    read: fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    bytes.chunks_exact(N).map(move |part| {
        let mut part: [u8; N] = part.try_into().unwrap_or([0; N]);
        if order == Endianness::Big {
            part.reverse();
        }
        read(part)
    })
}
