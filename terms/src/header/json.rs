//! Headers as JSON: tags as eight hexadecimal digits (PS3.18 F.2), read without a detour through trees of values.

// A series of a thousand images is read for each decision: derived readers of untagged values and
// of maps that are converted afterwards take five times as long.

use super::{Attribute, Difference, Header, Tag, Value, Vr};
use serde::de::{
    Deserialize, Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer,
};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// A tag as the key of a map.
struct Key(Tag);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&digits(self.0)).unwrap_or_default())
    }
}

/// Capital hexadecimal digits.
fn digits(tag: Tag) -> [u8; 8] {
    let mut digits = [0; 8];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789ABCDEF"[(tag >> (28 - 4 * at) & 0xF) as usize];
    }
    digits
}

/// Begins an entry of a header that is written piece by piece: `"GGGGEEEE":`.
pub fn write_entry(text: &mut Vec<u8>, tag: Tag) {
    text.push(b'"');
    text.extend(digits(tag));
    text.extend(b"\":");
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tag of eight hexadecimal digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
                Tag::from_str_radix(text, 16).map(Key).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(tag, attribute)| (Key(*tag), attribute)))
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Attributes;
        impl<'de> Visitor<'de> for Attributes {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut found = Vec::new();
                while let Some((Key(tag), attribute)) = map.next_entry::<Key, Attribute>()? {
                    found.push((tag, attribute));
                }
                Ok(Header(found.into_iter().collect()))
            }
        }
        deserializer.deserialize_map(Attributes)
    }
}

/// An attribute that is gone is null.
impl<'de> Deserialize<'de> for Difference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Differing;
        impl<'de> Visitor<'de> for Differing {
            type Value = Difference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("what differs between two headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Difference, A::Error> {
                let mut found = Difference::default();
                while let Some((Key(tag), entry)) = map.next_entry::<Key, Option<Attribute>>()? {
                    match entry {
                        Some(attribute) => drop(found.own.0.insert(tag, attribute)),
                        None => found.gone.push(tag),
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Differing)
    }
}

impl Serialize for Vr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Vr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Letters;
        impl Visitor<'_> for Letters {
            type Value = Vr;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a VR")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Vr, E> {
                Ok(text.into())
            }
        }
        deserializer.deserialize_str(Letters)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or an item")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Integer(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
                let fits = i64::try_from(number).map(Value::Integer);
                Ok(fits.unwrap_or(Value::Decimal(number as f64)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Decimal(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.into()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                Header::deserialize(MapAccessDeserializer::new(map)).map(Value::Item)
            }
        }
        deserializer.deserialize_any(One)
    }
}
