//! What the lines of `[rule.select]` claim of an image, as far as that can be seen from the rule alone.
//!
//! Nothing is guessed: a line whose meaning depends on patterns, dates or sequences claims nothing but that there is a
//! value, or nothing at all. What is said to exclude or to imply something does so for every image.

use super::super::tree::{Entry, Node, Toml};
use super::claim::{Claim, Literal, literals, number};

/// Conditions that must hold together.
#[derive(Debug, Clone, Default)]
pub(super) struct Group<'n> {
    pub(super) lines: Vec<Line<'n>>,
    any: Vec<Choice<'n>>,
    none: Vec<Choice<'n>>,
    /// A line is among them of which nothing is known.
    opaque: bool,
}

/// `any` or `none` with its groups.
#[derive(Debug, Clone)]
struct Choice<'n> {
    entry: &'n Entry,
    text: String,
    groups: Vec<Group<'n>>,
}

/// A keyword or fact and what its values must be like.
#[derive(Debug, Clone)]
pub(super) struct Line<'n> {
    pub(super) entry: &'n Entry,
    text: String,
    claims: Vec<Claim>,
    single: bool,
}

/// Two things that no image can have at once, or one that it cannot have.
pub(super) struct Conflict<'n> {
    /// The later one in the rule.
    pub(super) at: &'n Entry,
    pub(super) words: String,
}

/// Attributes of one value by the standard, and facts of one value, that are compared as they are written. Of others an
/// image may have two values that two rules ask for.
const SINGLE: [&str; 42] = [
    "AcquisitionNumber",
    "BitsAllocated",
    "BitsStored",
    "BodyPartExamined",
    "BurnedInAnnotation",
    "Columns",
    "ContrastBolusAgent",
    "EchoTime",
    "EchoTrainLength",
    "FilterType",
    "FlipAngle",
    "GantryDetectorTilt",
    "ImageLaterality",
    "InstanceNumber",
    "InstitutionName",
    "InversionTime",
    "KVP",
    "Laterality",
    "MagneticFieldStrength",
    "Manufacturer",
    "ManufacturerModelName",
    "Modality",
    "MRAcquisitionType",
    "NumberOfFrames",
    "PatientPosition",
    "PatientSex",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "ProtocolName",
    "QualityControlImage",
    "RepetitionTime",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    "SeriesDescription",
    "SeriesNumber",
    "SliceThickness",
    "StationName",
    "ViewPosition",
    "called-ae",
    "calling-ae",
];

impl<'n> Group<'n> {
    /// Of a table of conditions; `all` counts as if its lines stood in the table itself.
    pub(super) fn read(table: &'n Node) -> Self {
        let mut group = Self::default();
        group.add(table);
        group
    }

    fn add(&mut self, table: &'n Node) {
        let Toml::Table(entries) = &table.value else { return };
        for entry in entries {
            let groups = match &entry.node.value {
                Toml::Array(nodes) => nodes.as_slice(),
                _ => &[],
            };
            let choice = || Choice {
                entry,
                text: entry.node.to_string(),
                groups: groups.iter().map(Group::read).collect(),
            };
            match entry.key.as_str() {
                "all" => groups.iter().for_each(|node| self.add(node)),
                "any" => self.any.push(choice()),
                "none" => self.none.push(choice()),
                _ => match Line::read(entry) {
                    Some(line) => self.lines.push(line),
                    None => self.opaque = true,
                },
            }
        }
    }

    /// Why no image fits, when that is certain.
    pub(super) fn conflict(&self) -> Option<Conflict<'n>> {
        conflict(&[], self)
    }

    /// The lines of both: of an image that fits the one and the other.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.lines.extend(other.lines.iter().cloned());
        both.any.extend(other.any.iter().cloned());
        both.none.extend(other.none.iter().cloned());
        both.opaque |= other.opaque;
        both
    }

    /// Whether every image that fits this fits the other, too.
    pub(super) fn implies(&self, other: &Self) -> bool {
        let lines = other.lines.iter().all(|wanted| has(&self.lines, wanted));
        let any = other.any.iter().all(|wanted| {
            self.any.iter().any(|mine| mine.text == wanted.text)
                || wanted.groups.iter().any(|group| self.implies(group))
        });
        let none = other.none.iter().all(|wanted| {
            let excluded = |group: &Group<'n>| conflict(&self.lines, group).is_some();
            self.none.iter().any(|mine| mine.text == wanted.text)
                || wanted.groups.iter().all(excluded)
        });
        !other.opaque && lines && any && none
    }

    /// One value for each attribute that must have one of some, for an example.
    pub(super) fn example(&self) -> Vec<String> {
        let denied = self.none.iter().flat_map(|choice| &choice.groups).flat_map(|it| &it.lines);
        let denied: Vec<&str> = denied.map(|line| line.entry.key.as_str()).collect();
        let mut told: Vec<&str> = Vec::new();
        let mut example = Vec::new();
        for line in &self.lines {
            let key = line.entry.key.as_str();
            let fits = |one: &&Literal| {
                let of_key = self.lines.iter().filter(|other| other.entry.key == key);
                of_key.flat_map(|other| &other.claims).all(|claim| claim.allows(one))
            };
            let known = line.claims.iter().find_map(Claim::literals).unwrap_or_default();
            let Some(value) = known.iter().find(fits) else { continue };
            if !told.contains(&key) && !denied.contains(&key) {
                told.push(key);
                example.push(format!("{key} = {value}"));
            }
        }
        example
    }
}

/// Why no image fits the group together with the lines.
fn conflict<'n>(before: &[Line<'n>], group: &Group<'n>) -> Option<Conflict<'n>> {
    let mut lines: Vec<Line> = before.to_vec();
    for line in &group.lines {
        if let Some(other) = lines.iter().chain([line]).find(|other| other.excludes(line)) {
            return Some(line.conflict_with(other));
        }
        lines.push(line.clone());
    }
    let tried = group.any.iter().find(|choice| {
        !choice.groups.is_empty()
            && choice.groups.iter().all(|group| conflict(&lines, group).is_some())
    });
    if let Some(choice) = tried {
        let words = "each group of `any` excludes what is asked beside it".to_string();
        return Some(Conflict { at: choice.entry, words });
    }
    let fitting = group.none.iter().find(|choice| {
        let fits = |group: &Group<'n>| {
            let plain = Group { lines: lines.clone(), ..Group::default() };
            plain.implies(group)
        };
        choice.groups.iter().any(fits)
    });
    fitting.map(|choice| Conflict {
        at: choice.entry,
        words: "`none` excludes what is asked beside it".to_string(),
    })
}

/// Whether the lines imply this one.
fn has(lines: &[Line], wanted: &Line) -> bool {
    lines.iter().filter(|line| line.entry.key == wanted.entry.key).any(|line| {
        let implied =
            |claim: &Claim| line.claims.iter().any(|mine| mine.implies(claim, line.single));
        line.text == wanted.text
            || (!wanted.claims.is_empty() && wanted.whole() && wanted.claims.iter().all(implied))
    })
}

impl<'n> Line<'n> {
    /// Nothing for a line that looks into a sequence.
    fn read(entry: &'n Entry) -> Option<Self> {
        let text = entry.node.to_string();
        let single = SINGLE.contains(&entry.key.as_str());
        let claims = match &entry.node.value {
            Toml::Table(operators) if operators.iter().any(|it| is_keyword(&it.key)) => {
                return None;
            }
            Toml::Table(operators) => of_operators(operators),
            _ => vec![literals(&entry.node).map_or(Claim::Present, Claim::OneOf)],
        };
        Some(Self { entry, text, claims, single })
    }

    /// Whether its claims say all that the line says.
    fn whole(&self) -> bool {
        match &self.entry.node.value {
            Toml::Table(operators) => operators.iter().all(understood),
            _ => !matches!(self.claims.as_slice(), [Claim::Present]),
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        let pair = |a: &Claim| {
            other.claims.iter().any(|b| a.excludes(b, self.single) || b.excludes(a, self.single))
        };
        self.entry.key == other.entry.key && self.claims.iter().any(pair)
    }

    fn conflict_with(&self, other: &Self) -> Conflict<'n> {
        let (key, mine, others) = (&self.entry.key, short(&self.text), short(&other.text));
        let words = match std::ptr::eq(self.entry, other.entry) {
            true => format!("nothing is {key} = {mine}"),
            false => format!("{key} = {others} and {key} = {mine} exclude each other"),
        };
        Conflict { at: self.entry, words }
    }
}

fn is_keyword(key: &str) -> bool {
    key.starts_with(|letter: char| letter.is_ascii_uppercase() || letter == '(')
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_string(),
    }
}

/// An operator that a claim says wholly.
fn understood(operator: &Entry) -> bool {
    match operator.key.as_str() {
        "has" | "not" | "lacks" => literals(&operator.node).is_some(),
        "min" | "max" => number(&operator.node).is_some(),
        "absent" | "present" => true,
        _ => false,
    }
}

/// All but `absent` hold only where there is a value.
fn of_operators(operators: &[Entry]) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut ends = [None, None];
    for operator in operators {
        let known = literals(&operator.node);
        match (operator.key.as_str(), known) {
            ("absent", _) => claims.push(Claim::Absent),
            ("has", Some(known)) => claims.push(Claim::OneOf(known)),
            ("not" | "lacks", Some(known)) => claims.push(Claim::NoneOf(known)),
            ("min", _) => ends[0] = number(&operator.node),
            ("max", _) => ends[1] = number(&operator.node),
            _ => claims.push(Claim::Present),
        }
    }
    if ends != [None, None] {
        let [min, max] = ends;
        claims.push(Claim::Within(min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY)));
    } else if operators.iter().any(|it| matches!(it.key.as_str(), "min" | "max")) {
        claims.push(Claim::Present);
    }
    claims
}
