//! The value of an attribute that a rule sets, as bytes: by its VR (PS3.5 6.2) and in the character set of the object.

use super::CoerceError;
use gantry_terms::changes::SetAttribute;
use gantry_terms::character_sets;
use std::str::FromStr;

/// With its padding. `character_set` is the value of the object's own (0008,0005).
pub(super) fn encode(
    set: &SetAttribute,
    character_set: &[u8],
    big_endian: bool,
) -> Result<Vec<u8>, CoerceError> {
    let numbers = Numbers { set, big_endian };
    let mut bytes = match &*set.vr {
        "PN" | "LO" | "SH" | "UC" | "ST" | "LT" | "UT" => text(set, character_set)?,
        "AE" | "AS" | "CS" | "DA" | "DS" | "DT" | "IS" | "TM" | "UR" => text(set, b"")?,
        "US" => numbers.each(u16::to_le_bytes)?,
        "SS" => numbers.each(i16::to_le_bytes)?,
        "UL" => numbers.each(u32::to_le_bytes)?,
        "SL" => numbers.each(i32::to_le_bytes)?,
        "UV" => numbers.each(u64::to_le_bytes)?,
        "SV" => numbers.each(i64::to_le_bytes)?,
        "FL" => numbers.each(f32::to_le_bytes)?,
        "FD" => numbers.each(f64::to_le_bytes)?,
        _ => return Err(CoerceError::NotSet(set.tag)),
    };
    if bytes.len() % 2 == 1 {
        bytes.push(b' ');
    }
    Ok(bytes)
}

fn text(set: &SetAttribute, character_set: &[u8]) -> Result<Vec<u8>, CoerceError> {
    let encoded = set.values.iter().map(|value| character_sets::encode(character_set, value));
    let values: Option<Vec<Vec<u8>>> = encoded.collect();
    Ok(values.ok_or(CoerceError::NoPlaceInCharacterSet(set.tag))?.join(&b'\\'))
}

struct Numbers<'a> {
    set: &'a SetAttribute,
    big_endian: bool,
}

impl Numbers<'_> {
    /// `bytes` gives them lowest first.
    fn each<N: FromStr, const WIDTH: usize>(
        &self,
        bytes: impl Fn(N) -> [u8; WIDTH],
    ) -> Result<Vec<u8>, CoerceError> {
        let mut all = Vec::new();
        for value in &self.set.values {
            let number = value.trim().parse().map_err(|_| CoerceError::NotSet(self.set.tag))?;
            let mut bytes = bytes(number);
            if self.big_endian {
                bytes.reverse();
            }
            all.extend(bytes);
        }
        Ok(all)
    }
}
