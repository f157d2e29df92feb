//! Reads one file: the place where faults and warnings gather, and the simple values of the grammar.

use super::dictionary::nearest;
use super::literal::Patterns;
use super::problem::Problem;
use super::rule_set::World;
use super::tree::{Entry, Node, Span, Toml};
use std::path::Path;

pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) world: &'a World,
    pub(super) patterns: &'a Patterns,
    pub(super) faults: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Of `any`, `all` and `none` around what is read now: a trace of too many could not be read back.
    pub(super) groups: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        path: &'a Path,
        text: &'a str,
        world: &'a World,
        patterns: &'a Patterns,
    ) -> Self {
        Self { path, text, world, patterns, faults: Vec::new(), warnings: Vec::new(), groups: 0 }
    }

    /// Notes what makes the file unusable. Reading goes on.
    pub(super) fn fault(
        &mut self,
        span: &Span,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        let problem = Problem::new(self.path, self.text, span.clone(), message.into());
        self.faults.push(problem.with_help(help.into()));
    }

    /// Notes what is allowed and probably not meant.
    pub(super) fn warn(
        &mut self,
        span: &Span,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        let problem = Problem::new(self.path, self.text, span.clone(), message.into());
        self.warnings.push(problem.with_help(help.into()));
    }

    /// The source of a value on one line.
    pub(super) fn written(&self, span: &Span) -> String {
        let source = self.text.get(span.clone()).unwrap_or_default();
        source.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A short value as it is written, of others their sort.
    pub(super) fn shown(&self, node: &Node) -> String {
        let written = self.written(&node.span);
        match node.value {
            Toml::Array(_) | Toml::Table(_) => node.kind().to_string(),
            _ if written.is_empty() || written.len() > 40 => node.kind().to_string(),
            _ => written,
        }
    }

    pub(super) fn table<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Toml::Table(entries) => Some(entries),
            _ => self.wrong(node, what, "a table"),
        }
    }

    pub(super) fn text_value<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Toml::Text(text) if text.trim().is_empty() => {
                self.fault(&node.span, format!("`{what}` is empty"), None);
                None
            }
            Toml::Text(text) => Some(text),
            _ => self.wrong(node, what, "a text in quotes"),
        }
    }

    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.value {
            Toml::Boolean(boolean) => Some(boolean),
            _ => self.wrong(node, what, "true or false"),
        }
    }

    pub(super) fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        match node.value {
            Toml::Integer(number) => Some(number as f64),
            Toml::Float(number) if number.is_finite() => Some(number),
            _ => self.wrong(node, what, "a number"),
        }
    }

    /// A whole number of at least 1.
    pub(super) fn count(&mut self, node: &Node, what: &str) -> Option<usize> {
        match node.value {
            Toml::Integer(number) if number >= 1 => {
                Some(usize::try_from(number).unwrap_or(usize::MAX))
            }
            _ => self.wrong(node, what, "a whole number, 1 or more"),
        }
    }

    /// A whole number of at least 0.
    pub(super) fn whole(&mut self, node: &Node, what: &str) -> Option<usize> {
        match node.value {
            Toml::Integer(number) if number >= 0 => {
                Some(usize::try_from(number).unwrap_or(usize::MAX))
            }
            _ => self.wrong(node, what, "a whole number, 0 or more"),
        }
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Toml::Array(nodes) if nodes.is_empty() => {
                self.fault(&node.span, format!("`{what}` is an empty list"), None);
                None
            }
            Toml::Array(nodes) => Some(nodes),
            Toml::Text(_) => {
                let help = format!("write [{}]", self.shown(node));
                let message =
                    format!("`{what}` must be a list in brackets, not {}", self.shown(node));
                self.fault(&node.span, message, help);
                None
            }
            _ => self.wrong(node, what, "a list in brackets"),
        }
    }

    /// A list of names, each of which is known and stands there once.
    pub(super) fn names(
        &mut self,
        node: &Node,
        key: &str,
        noun: &str,
        known: &[String],
    ) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for item in self.list(node, key).unwrap_or_default() {
            let Some(name) = self.text_value(item, key) else { continue };
            if !known.iter().any(|known| known == name) {
                self.unknown_name(&item.span, name, noun, known);
            } else if names.iter().any(|other| other == name) {
                self.fault(&item.span, format!("\"{name}\" is in `{key}` twice"), None);
            } else {
                names.push(name.to_string());
            }
        }
        names
    }

    /// `noun` is a sentence without its object: `there is no peer`.
    pub(super) fn unknown_name(&mut self, span: &Span, name: &str, noun: &str, known: &[String]) {
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if known.is_empty() => "there is none that a rule could name".to_string(),
            None => format!("known: {}", known.join(", ")),
        };
        self.fault(span, format!("{noun} \"{name}\""), help);
    }

    pub(super) fn unknown_key(&mut self, entry: &Entry, place: &str, known: &[&str]) {
        let help = match nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known: {}", known.join(", ")),
        };
        self.fault(&entry.key_span, format!("unknown key \"{}\" in {place}", entry.key), help);
    }

    fn wrong<T>(&mut self, node: &Node, what: &str, wanted: &str) -> Option<T> {
        let message = format!("`{what}` must be {wanted}, not {}", self.shown(node));
        self.fault(&node.span, message, None);
        None
    }
}
