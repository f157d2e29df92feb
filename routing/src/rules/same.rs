//! An attribute as a key: equal where nothing that a rule can ask is different.

use gantry_terms::header::{Attribute, Value};
use std::hash::{Hash, Hasher};

/// Numbers are compared by their bits: it is enough that what is equal here is equal to every rule.
pub(super) struct Same<'c>(pub(super) Option<&'c Attribute>);

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(one), Some(other)) => std::ptr::eq(one, other) || same_attribute(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Eq for Same<'_> {}

fn same_attribute(one: &Attribute, other: &Attribute) -> bool {
    let alike = one.vr == other.vr && one.values.len() == other.values.len();
    alike && one.values.iter().zip(&other.values).all(|(one, other)| same_value(one, other))
}

fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one == other,
        (Value::Decimal(one), Value::Decimal(other)) => one.to_bits() == other.to_bits(),
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::Item(one), Value::Item(other)) => {
            one.0.len() == other.0.len()
                && one.0.iter().zip(&other.0).all(|((tag, one), (other_tag, other))| {
                    tag == other_tag && same_attribute(one, other)
                })
        }
        _ => false,
    }
}

impl Hash for Same<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(attribute) = self.0 {
            hash_attribute(attribute, state);
        }
    }
}

fn hash_attribute<H: Hasher>(attribute: &Attribute, state: &mut H) {
    attribute.vr.hash(state);
    for value in &attribute.values {
        match value {
            Value::Integer(number) => number.hash(state),
            Value::Decimal(number) => number.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::Item(item) => {
                for (tag, attribute) in &item.0 {
                    tag.hash(state);
                    hash_attribute(attribute, state);
                }
            }
        }
    }
}
