//! The values on the right side of a condition: plain ones, and patterns.

use super::date_time::{self, DateTime};
use super::dictionary::{self, Kind};
use super::reader::Reader;
use super::scale::Scale;
use super::subject::Held;
use super::tree::{Node, Span, Toml};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use regex::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// A value, or a pattern of values, that a rule compares with.
#[derive(Debug, Clone)]
pub(super) enum Literal {
    Text(String),
    Pattern(Arc<Regex>),
    Measure(Scale, f64),
    Moment(DateTime),
}

/// The patterns of all files, each once: rules of one hospital look for the same words.
#[derive(Default)]
pub(super) struct Patterns(RefCell<HashMap<String, Arc<Regex>>>);

impl Patterns {
    fn compiled(&self, pattern: &str) -> Result<Arc<Regex>, regex::Error> {
        if let Some(known) = self.0.borrow().get(pattern) {
            return Ok(known.clone());
        }
        let new = Arc::new(RegexBuilder::new(pattern).size_limit(1 << 20).build()?);
        self.0.borrow_mut().insert(pattern.to_string(), new.clone());
        Ok(new)
    }
}

/// Bytes of a pattern. No series is described at such length.
const LONGEST_PATTERN: usize = 4096;
const MOST_PATTERNS: usize = 1000;

impl Literal {
    /// `None`: the value cannot be read as what the rule compares it with, so nothing is known.
    pub(super) fn is(&self, held: &Held) -> Option<bool> {
        match self {
            Literal::Text(text) => Some(*text == held.text),
            Literal::Pattern(pattern) => Some(pattern.is_match(&held.text)),
            Literal::Measure(scale, wanted) => scale.read(held).map(|value| value == *wanted),
            Literal::Moment(wanted) => DateTime::read(&held.text)?.is(*wanted),
        }
    }
}

/// One value, or a list of which any fits.
pub(super) fn literals(
    reader: &mut Reader,
    key: &str,
    kind: Kind,
    node: &Node,
) -> Option<Vec<Literal>> {
    let Toml::Array(_) = node.value else {
        return Some(vec![literal(reader, key, kind, node)?]);
    };
    let nodes = reader.list(node, key)?;
    let read: Vec<_> = nodes.iter().map(|node| literal(reader, key, kind, node)).collect();
    read.into_iter().collect()
}

pub(super) fn literal(reader: &mut Reader, key: &str, kind: Kind, node: &Node) -> Option<Literal> {
    match kind {
        Kind::DateTime => return moment(reader, key, node),
        Kind::Truth => {
            let truth = reader.boolean(node, key)?;
            return Some(Literal::Text(truth.to_string()));
        }
        _ => {}
    }
    if let Some(scale) = Scale::of_value(kind, node) {
        return match scale.literal(node) {
            Some(value) => Some(Literal::Measure(scale, value)),
            None => {
                let message =
                    format!("`{key}` wants {}, not {}", scale.example(), reader.shown(node));
                let help = unquoted(scale, node)
                    .map(|number| format!("write it without quotes: {number}"));
                reader.fault(&node.span, message, help);
                None
            }
        };
    }
    let Toml::Text(text) = &node.value else {
        let help = format!("write it in quotes: \"{}\"", reader.written(&node.span));
        let help = matches!(node.value, Toml::Integer(_) | Toml::Float(_)).then_some(help);
        reader.fault(&node.span, format!("`{key}` wants a text, not {}", reader.shown(node)), help);
        return None;
    };
    text_literal(reader, key, kind, text.trim(), &node.span)
}

fn moment(reader: &mut Reader, key: &str, node: &Node) -> Option<Literal> {
    let moment = DateTime::literal(node);
    if moment.is_none() {
        let shown = reader.shown(node);
        let message = format!("`{key}` wants {}, not {shown}", date_time::EXAMPLE);
        reader.fault(&node.span, message, None);
    }
    moment.map(Literal::Moment)
}

/// The number in a text, where one was wanted.
fn unquoted(scale: Scale, node: &Node) -> Option<&str> {
    match &node.value {
        Toml::Text(text) if scale == Scale::Number => {
            Some(text.trim()).filter(|text| text.parse().is_ok_and(f64::is_finite))
        }
        _ => None,
    }
}

fn text_literal(
    reader: &mut Reader,
    key: &str,
    kind: Kind,
    text: &str,
    span: &Span,
) -> Option<Literal> {
    if text.is_empty() {
        let help = "an attribute without a value counts as absent: { absent = true }".to_string();
        reader.fault(span, format!("no value of {key} is empty"), help);
        return None;
    }
    if text.contains('\\') && kind != Kind::FreeText {
        let help = "a backslash parts the values of an attribute; ask for one: { has = \"..\" }";
        reader.fault(span, format!("no value of {key} holds a backslash"), help.to_string());
        return None;
    }
    match kind {
        Kind::Title => {
            if let (false, Err(why)) = (text.contains(['*', '?']), AeTitle::parse(text)) {
                reader.fault(span, format!("\"{text}\" is no AE title: {why}"), None);
                return None;
            }
            return glob(reader, text, false, span);
        }
        Kind::Peer if !reader.world.senders.iter().any(|known| known == text) => {
            if text.contains(['*', '?']) {
                let help = format!("for a pattern write {{ like = \"{text}\" }}");
                reader.fault(span, format!("there is no [[peer]] \"{text}\""), help);
            } else {
                let known = &reader.world.senders;
                reader.unknown_name(span, text, "there is no [[peer]]", known);
            }
            return None;
        }
        Kind::Peer => {}
        Kind::Word(words) if !words.known().contains(&text) => {
            let known: Vec<String> = words.known().iter().map(|word| word.to_string()).collect();
            reader.unknown_name(span, text, &format!("`{key}` is never"), &known);
            return None;
        }
        Kind::Tag => {
            let tag = dictionary::tag_of(text);
            if tag.is_none() {
                let near = dictionary::nearest_keyword(text);
                let help = near.map(|near| format!("did you mean \"{near}\"?"));
                let message = format!("\"{text}\" is neither a DICOM keyword nor a tag");
                reader.fault(span, message, help);
            }
            return tag.map(Literal::Text);
        }
        Kind::Uid if Uid::parse(text).is_err() => {
            let help = "a UID is digits and dots; for a part of it use { like = \"1.2.840.*\" }";
            reader.fault(span, format!("\"{text}\" is not a UID"), help.to_string());
            return None;
        }
        Kind::Code if text.chars().any(char::is_lowercase) => {
            let help = format!("did you mean \"{}\"?", text.to_uppercase());
            reader.warn(
                span,
                format!("{key} is in upper case unless a scanner breaks DICOM"),
                help,
            );
        }
        _ if text.contains('*') => {
            let help = format!("for a pattern write {{ like = \"{text}\" }}");
            reader.warn(span, "the * here is a letter, not a pattern", help);
        }
        _ => {}
    }
    Some(Literal::Text(text.to_string()))
}

pub(super) fn patterns(reader: &mut Reader, operator: &str, node: &Node) -> Option<Vec<Literal>> {
    let nodes = match node.value {
        Toml::Array(_) => reader.list(node, operator)?,
        _ => std::slice::from_ref(node),
    };
    if nodes.len() > MOST_PATTERNS {
        let message = format!(
            "`{operator}` has {} patterns, at most {MOST_PATTERNS} are looked at",
            nodes.len()
        );
        reader.fault(&node.span, message, None);
        return None;
    }
    let read: Vec<_> = nodes.iter().map(|node| pattern(reader, operator, node)).collect();
    read.into_iter().collect()
}

fn pattern(reader: &mut Reader, operator: &str, node: &Node) -> Option<Literal> {
    let text = reader.text_value(node, operator)?;
    if operator == "like" {
        return glob(reader, text, true, &node.span);
    }
    compiled(reader, text, text, &node.span)
}

/// `*` is any run of characters, `?` is any one; the whole value must fit.
fn glob(reader: &mut Reader, text: &str, fold_case: bool, span: &Span) -> Option<Literal> {
    let mut pattern = String::from(if fold_case { "(?is)^" } else { "(?s)^" });
    for letter in text.trim().chars() {
        match letter {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            _ => pattern.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push('$');
    compiled(reader, text, &pattern, span)
}

fn compiled(reader: &mut Reader, written: &str, pattern: &str, span: &Span) -> Option<Literal> {
    if written.len() > LONGEST_PATTERN {
        let message = format!("the pattern is longer than {LONGEST_PATTERN} bytes");
        reader.fault(span, message, None);
        return None;
    }
    match reader.patterns.compiled(pattern) {
        Ok(regex) => Some(Literal::Pattern(regex)),
        Err(regex::Error::CompiledTooBig(limit)) => {
            let message = format!("the pattern is too large: it needs more than {limit} bytes");
            reader.fault(span, message, None);
            None
        }
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            reader.fault(span, format!("not a regular expression: {why}"), None);
            None
        }
    }
}
