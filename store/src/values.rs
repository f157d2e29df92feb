//! The values of one element (PS3.5 6.2) as text in Unicode or as numbers.

use dicom_core::VR;
use gantry_terms::character_sets::CharacterSets;
use gantry_terms::header::{Value, Values};

/// Never part of a header.
pub(crate) fn is_bulk(vr: VR) -> bool {
    use VR::*;
    matches!(vr, OB | OW | OF | OD | OL | OV | UN)
}

/// No values when the element is empty or only padding.
pub(crate) fn read(vr: VR, bytes: &[u8], big_endian: bool, sets: &CharacterSets) -> Values {
    let number = Numbers { bytes, big_endian };
    match vr {
        VR::PN | VR::LO | VR::SH | VR::UC => texts(sets.values(bytes)),
        VR::ST | VR::LT | VR::UT => texts(vec![sets.text(bytes)]),
        VR::UR => texts(vec![CharacterSets::default().text(bytes)]),
        VR::AT => number.each(|[a, b, c, d]: [u8; 4]| {
            Value::Text(match big_endian {
                true => format!("{:02X}{:02X}{:02X}{:02X}", d, c, b, a).into(),
                false => format!("{:02X}{:02X}{:02X}{:02X}", b, a, d, c).into(),
            })
        }),
        VR::US => number.each(|b| Value::Integer(u16::from_le_bytes(b).into())),
        VR::SS => number.each(|b| Value::Integer(i16::from_le_bytes(b).into())),
        VR::UL => number.each(|b| Value::Integer(u32::from_le_bytes(b).into())),
        VR::SL => number.each(|b| Value::Integer(i32::from_le_bytes(b).into())),
        VR::SV => number.each(|b| Value::Integer(i64::from_le_bytes(b))),
        VR::UV => number.each(|b| {
            let value = u64::from_le_bytes(b);
            i64::try_from(value).map_or(Value::Decimal(value as f64), Value::Integer)
        }),
        // The shortest decimal of the 32 bits, not the digits that widening makes up.
        VR::FL => number.each(|b| decimal(f32::from_le_bytes(b).to_string())),
        VR::FD => number.each(|b| decimal(f64::from_le_bytes(b).to_string())),
        _ => texts(CharacterSets::default().values(bytes)),
    }
}

/// JSON has no NaN and no infinity: these stay words, which are no numbers to anybody who asks.
fn decimal(text: String) -> Value {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::Decimal(number),
        _ => Value::Text(text.into()),
    }
}

fn texts(texts: Vec<String>) -> Values {
    match texts.as_slice() {
        [only] if only.is_empty() => Values::new(),
        _ => texts.into_iter().map(|text| Value::Text(text.into())).collect(),
    }
}

struct Numbers<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Numbers<'_> {
    /// Each number's bytes, lowest first. A rest that is no whole number is left out.
    fn each<const WIDTH: usize>(&self, read: impl Fn([u8; WIDTH]) -> Value) -> Values {
        let chunks = self.bytes.chunks_exact(WIDTH);
        chunks
            .filter_map(|chunk| {
                let mut bytes: [u8; WIDTH] = chunk.try_into().ok()?;
                if self.big_endian {
                    bytes.reverse();
                }
                Some(read(bytes))
            })
            .collect()
    }
}
