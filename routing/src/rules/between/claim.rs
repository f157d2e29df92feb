//! What a line claims of the values of one attribute, what excludes it and what it implies.

use super::super::tree::{Node, Toml};
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Claim {
    /// Some value is one of these.
    OneOf(Vec<Literal>),
    /// There are values, and none of them is one of these.
    NoneOf(Vec<Literal>),
    /// There are values, and each lies between these, both included.
    Within(f64, f64),
    Absent,
    /// There is a value.
    Present,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(f64),
}

/// Texts and numbers; nothing when something else is among them.
pub(super) fn literals(node: &Node) -> Option<Vec<Literal>> {
    match &node.value {
        Toml::Array(nodes) => nodes.iter().map(literal).collect(),
        _ => Some(vec![literal(node)?]),
    }
}

fn literal(node: &Node) -> Option<Literal> {
    match &node.value {
        Toml::Text(text) => Some(Literal::Text(text.trim().to_string())),
        _ => number(node).map(Literal::Number),
    }
}

pub(super) fn number(node: &Node) -> Option<f64> {
    match node.value {
        Toml::Integer(number) => Some(number as f64),
        Toml::Float(number) => Some(number),
        _ => None,
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Text(text) => write!(f, "\"{text}\""),
            Literal::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Claim {
    pub(super) fn literals(&self) -> Option<&[Literal]> {
        match self {
            Self::OneOf(literals) => Some(literals),
            _ => None,
        }
    }

    /// Whether an attribute that has this one value may be what is claimed.
    pub(super) fn allows(&self, value: &Literal) -> bool {
        match (self, value) {
            (Self::OneOf(some), _) => some.contains(value),
            (Self::NoneOf(not), _) => !not.contains(value),
            (Self::Within(min, max), Literal::Number(number)) => min <= number && number <= max,
            (Self::Within(..), Literal::Text(_)) | (Self::Absent, _) => false,
            (Self::Present, _) => true,
        }
    }

    pub(super) fn excludes(&self, other: &Self, single: bool) -> bool {
        match (self, other) {
            (Self::Absent, other) => *other != Self::Absent,
            (Self::OneOf(some), Self::OneOf(others)) => single && apart(some, others),
            (Self::OneOf(some), Self::NoneOf(not)) => some.iter().all(|one| not.contains(one)),
            (Self::OneOf(some), Self::Within(min, max)) => some.iter().all(|one| match one {
                Literal::Number(number) => number < min || number > max,
                Literal::Text(_) => false,
            }),
            (Self::Within(min, max), Self::Within(least, most)) => min > most || least > max,
            _ => false,
        }
    }

    /// `single`: of an attribute with one value.
    pub(super) fn implies(&self, other: &Self, single: bool) -> bool {
        match (self, other) {
            (Self::Absent, Self::Present) => false,
            (_, Self::Present) => true,
            (Self::OneOf(some), Self::OneOf(others)) => some.iter().all(|one| others.contains(one)),
            (Self::OneOf(some), Self::NoneOf(not)) => single && apart(some, not),
            (Self::OneOf(some), Self::Within(min, max)) => {
                let inside =
                    |one: &Literal| matches!(one, Literal::Number(n) if min <= n && n <= max);
                single && some.iter().all(inside)
            }
            (Self::NoneOf(not), Self::NoneOf(others)) => others.iter().all(|one| not.contains(one)),
            (Self::Within(min, max), Self::Within(least, most)) => least <= min && max <= most,
            _ => self == other,
        }
    }
}

/// Whether no value is in both. Patterns, as AE titles may be, and letters in another case may be the same value.
fn apart(some: &[Literal], others: &[Literal]) -> bool {
    let certain = |one: &Literal, other: &Literal| match (one, other) {
        (Literal::Text(one), Literal::Text(other)) => {
            let plain = |text: &str| !text.contains(['*', '?', '\\', '^']);
            plain(one) && plain(other) && !one.eq_ignore_ascii_case(other)
        }
        (Literal::Number(one), Literal::Number(other)) => one != other,
        _ => false,
    };
    some.iter().all(|one| others.iter().all(|other| certain(one, other)))
}
