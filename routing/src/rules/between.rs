//! What is allowed and probably not meant, seen by laying rules side by side: warnings, each of them certain in what it claims.

mod claim;
mod lines;
mod modality;

use super::fact::FACTS;
use super::problem::Problem;
use super::rule_set::SourceFile;
use super::tree::{Entry, Node, Span, Toml};
use lines::Group;

/// One rule as it is written.
struct Written<'n> {
    file: &'n SourceFile,
    name: &'n str,
    name_span: &'n Span,
    on: &'n str,
    /// One, or each of the named ones.
    selections: Vec<Group<'n>>,
    named: bool,
    requires: bool,
    stops: bool,
    /// The model, where its results go out.
    model: Option<&'n str>,
    /// Peers, each with its changes as they are written.
    forward: Vec<(&'n str, String)>,
    never: bool,
}

/// Of files that parse: rules that can never run, models that may run twice, changes that differ.
pub(super) fn check(files: &[SourceFile]) -> Vec<Problem> {
    let trees: Vec<(&SourceFile, Node)> =
        files.iter().filter_map(|file| Some((file, Node::parse(&file.text).ok()?))).collect();
    let mut warnings = Vec::new();
    let mut rules = Vec::new();
    for (file, tree) in &trees {
        for node in list(tree, "rule") {
            modality::check(file, node, &mut warnings);
            rules.extend(Written::read(file, node));
        }
    }
    for rule in &mut rules {
        rule.check_alone(&mut warnings);
    }
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| !rule.never) {
        warnings.extend(rules.iter().find_map(|stop| rule.stopped_by(stop)));
        for earlier in rules[..at].iter().filter(|earlier| !earlier.never) {
            warnings.extend(rule.beside(earlier));
        }
    }
    warnings
}

impl<'n> Written<'n> {
    fn read(file: &'n SourceFile, node: &'n Node) -> Option<Self> {
        let name = of(node, "name")?;
        let then = &of(node, "then")?.node;
        let on = of(node, "on").and_then(|on| text(&on.node)).unwrap_or("series");
        let select = of(node, "select").map(|select| &select.node);
        let inner = select.map_or(&[][..], entries);
        let named = on == "study" && inner.iter().any(names_a_selection);
        let selections = match select {
            Some(_) if named => inner.iter().map(|entry| Group::read(&entry.node)).collect(),
            Some(select) => vec![Group::read(select)],
            None => vec![Group::default()],
        };
        let live = of(then, "mode").and_then(|mode| text(&mode.node)) != Some("shadow");
        Some(Self {
            file,
            name: text(&name.node)?.trim(),
            name_span: &name.node.span,
            on,
            selections,
            named,
            requires: of(node, "require").is_some(),
            stops: of(then, "stop").is_some_and(|it| matches!(it.node.value, Toml::Boolean(true))),
            model: of(then, "run").filter(|_| live).and_then(|run| text(&run.node)),
            forward: if live { forwards(then) } else { Vec::new() },
            never: false,
        })
    }

    /// Conditions that contradict each other.
    fn check_alone(&mut self, warnings: &mut Vec<Problem>) {
        let found = self.selections.iter().find_map(Group::conflict);
        let Some(conflict) = found else { return };
        self.never = true;
        let message = format!("\"{}\" can never match: {}", self.name, conflict.words);
        warnings.push(self.warning(&conflict.at.key_span, message, None));
    }

    /// Another rule stops whatever this one would look at.
    fn stopped_by(&self, stop: &Self) -> Option<Problem> {
        let reaches = stop.on == self.on
            || matches!((stop.on, self.on), ("instance", "series" | "study") | ("series", "study"));
        // What is required of a selection may fail.
        // So may the one series that a rule with a model on a study wants.
        let picks = stop.on == "study" && stop.model.is_some();
        let certain =
            stop.stops && !stop.requires && !picks && !stop.named && !self.stops && reaches;
        let mine = self.only()?;
        if !certain || !mine.implies(stop.only()?) {
            return None;
        }
        let message =
            format!("\"{}\" never runs: \"{}\" stops all that it selects", self.name, stop.name);
        let help = format!(
            "\"{}\" is at {}; narrow it, or give this rule stop = true",
            stop.name,
            stop.place()
        );
        Some(self.warning(self.name_span, message, Some(help)))
    }

    /// What two rules do to one image that fits both.
    fn beside(&self, earlier: &Self) -> Vec<Problem> {
        let (Some(mine), Some(theirs)) = (self.only(), earlier.only()) else { return Vec::new() };
        // One of them stops the other.
        if self.stops != earlier.stops {
            return Vec::new();
        }
        let both = mine.and(theirs);
        if both.conflict().is_some() {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        if let Some(model) =
            self.model.filter(|_| self.on == earlier.on && self.model == earlier.model)
        {
            let message = format!(
                "\"{}\" and \"{}\" both run {model} on {}: it may run twice",
                earlier.name,
                self.name,
                such_as(&both)
            );
            warnings.push(self.warning(self.name_span, message, Some(earlier.is_at())));
        }
        for (peer, changes) in &self.forward {
            let other = earlier.forward.iter().find(|(to, other)| to == peer && other != changes);
            if other.is_some() {
                let message = format!(
                    "\"{}\" and \"{}\" both forward {} to {peer}, with different changes",
                    earlier.name,
                    self.name,
                    such_as(&both)
                );
                warnings.push(self.warning(self.name_span, message, Some(earlier.is_at())));
            }
        }
        warnings
    }

    /// The selection of a rule that has one.
    fn only(&self) -> Option<&Group<'n>> {
        self.selections.first().filter(|_| !self.named)
    }

    fn warning(&self, span: &Span, message: String, help: Option<String>) -> Problem {
        Problem::new(&self.file.path, &self.file.text, span.clone(), message).with_help(help)
    }

    fn place(&self) -> String {
        let here = self.warning(self.name_span, String::new(), None);
        format!("{}:{}", here.path.display(), here.line)
    }

    fn is_at(&self) -> String {
        format!("\"{}\" is at {}", self.name, self.place())
    }
}

fn such_as(both: &Group) -> String {
    let example = both.example();
    match example.is_empty() {
        true => "the same image".to_string(),
        false => format!("an image such as {}", example[..example.len().min(3)].join(", ")),
    }
}

/// `[rule.select.flair]`: a table below `select` that is neither an attribute nor a fact.
fn names_a_selection(entry: &Entry) -> bool {
    matches!(entry.node.value, Toml::Table(_))
        && entry.key.starts_with(|letter: char| letter.is_ascii_lowercase())
        && !FACTS.iter().any(|(name, _)| *name == entry.key)
}

/// `forward = ["A", { to = ["B"], set = {..}, remove = [..] }]`.
fn forwards(then: &Node) -> Vec<(&str, String)> {
    let mut forwards = Vec::new();
    let nodes = match of(then, "forward").map(|it| &it.node.value) {
        Some(Toml::Array(nodes)) => nodes.as_slice(),
        _ => &[],
    };
    for node in nodes {
        forwards.extend(text(node).map(|peer| (peer, String::new())));
        let changes: Vec<String> = entries(node)
            .iter()
            .filter(|entry| entry.key != "to")
            .map(|entry| format!("{} = {}", entry.key, entry.node))
            .collect();
        let to = of(node, "to").map(|to| &to.node);
        let peers = match to.map(|to| &to.value) {
            Some(Toml::Array(peers)) => peers.iter().filter_map(text).collect(),
            _ => to.and_then(text).into_iter().collect::<Vec<_>>(),
        };
        forwards.extend(peers.into_iter().map(|peer| (peer, changes.join(", "))));
    }
    forwards
}

fn of<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    entries(node).iter().find(|entry| entry.key == key)
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Toml::Table(entries) => entries,
        _ => &[],
    }
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match of(node, key).map(|entry| &entry.node.value) {
        Some(Toml::Array(nodes)) => nodes,
        _ => &[],
    }
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Toml::Text(text) => Some(text),
        _ => None,
    }
}
