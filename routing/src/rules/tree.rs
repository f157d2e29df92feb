//! A TOML file as a tree in which every key and value knows its place.

use std::fmt;
use std::ops::Range;
use toml_edit::{Document, Item, TableLike, TomlError, Value};

pub(super) type Span = Range<usize>;

/// A value and the bytes where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Toml,
    /// A table that the dots of a key made: `a` of `a.b = ..`.
    pub(super) dotted: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Toml {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Moment(toml_edit::Datetime),
    Array(Vec<Node>),
    /// In the order in which it is written; `[x]` and `{..}` are the same here.
    Table(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Node {
    /// The whole file as one table.
    pub(super) fn parse(text: &str) -> Result<Node, TomlError> {
        let document = Document::parse(text)?;
        Ok(table(document.as_table(), 0..0))
    }

    /// What sort of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Toml::Text(_) => "a text",
            Toml::Integer(_) | Toml::Float(_) => "a number",
            Toml::Boolean(_) => "true or false",
            Toml::Moment(_) => "a date or time",
            Toml::Array(_) => "a list",
            Toml::Table(_) => "a table",
        }
    }
}

/// As TOML on one line, without comments.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Toml::Text(text) => write!(f, "{}", quoted(text)),
            Toml::Integer(number) => write!(f, "{number}"),
            Toml::Float(number) => write!(f, "{number:?}"),
            Toml::Boolean(boolean) => write!(f, "{boolean}"),
            Toml::Moment(moment) => write!(f, "{moment}"),
            Toml::Array(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(Node::to_string).collect();
                write!(f, "[{}]", nodes.join(", "))
            }
            Toml::Table(entries) => {
                let entry = |entry: &Entry| format!("{} = {}", bare(&entry.key), entry.node);
                let entries: Vec<String> = entries.iter().map(entry).collect();
                write!(f, "{{ {} }}", entries.join(", "))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => quoted.extend(letter.escape_default()),
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}

fn bare(key: &str) -> String {
    let is_bare = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_bare { key.to_string() } else { quoted(key) }
}

fn table(table: &dyn TableLike, span: Span) -> Node {
    let entries = table.iter().map(|(name, item)| {
        let key_span = table.key(name).and_then(|key| key.span()).unwrap_or(span.clone());
        Entry { key: name.to_string(), node: item_node(item, &key_span), key_span }
    });
    Node { value: Toml::Table(entries.collect()), span, dotted: table.is_dotted() }
}

/// `key_span` stands in where the TOML reader gives no place (tables made by dotted keys).
fn item_node(item: &Item, key_span: &Span) -> Node {
    match item {
        Item::Value(value) => value_node(value, key_span),
        Item::Table(inner) => table(inner, inner.span().unwrap_or(key_span.clone())),
        Item::ArrayOfTables(tables) => Node {
            span: tables.span().unwrap_or(key_span.clone()),
            value: Toml::Array(
                tables.iter().map(|t| table(t, t.span().unwrap_or(key_span.clone()))).collect(),
            ),
            dotted: false,
        },
        Item::None => {
            Node { span: key_span.clone(), value: Toml::Table(Vec::new()), dotted: false }
        }
    }
}

fn value_node(value: &Value, key_span: &Span) -> Node {
    let span = value.span().unwrap_or(key_span.clone());
    let value = match value {
        Value::String(text) => Toml::Text(text.value().clone()),
        Value::Integer(number) => Toml::Integer(*number.value()),
        Value::Float(number) => Toml::Float(*number.value()),
        Value::Boolean(boolean) => Toml::Boolean(*boolean.value()),
        Value::Datetime(moment) => Toml::Moment(*moment.value()),
        Value::Array(array) => {
            Toml::Array(array.iter().map(|inner| value_node(inner, &span)).collect())
        }
        Value::InlineTable(inner) => return table(inner, span),
    };
    Node { span, value, dotted: false }
}
