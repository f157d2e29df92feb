//! All rules of a node: read from their files, checked against what exists, and their cases run.

use super::arrives;
use super::between;
use super::case::{self, Case};
use super::judge::{self, ImageFacts, Judgement};
use super::literal::Patterns;
use super::problem::{Problem, Problems};
use super::question::Questions;
use super::reader::Reader;
use super::rule::{self, ReadRule, Rule};
use super::tree::{Node, Toml};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What rules may name.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub models: Vec<ModelFacts>,
    /// AE titles of the peers that can receive.
    pub peers: Vec<String>,
    /// AE titles of all peers: each may send.
    pub senders: Vec<String>,
    /// Profiles of de-identification.
    pub profiles: Vec<String>,
    /// The profiles of peers that have one of their own.
    pub deidentified: BTreeMap<String, String>,
    /// Peers that are asked for what they took, by its own UIDs.
    pub proving: Vec<String>,
}

/// A model's name, its inputs and the kinds of result that it makes.
#[derive(Debug, Clone)]
pub struct ModelFacts {
    pub name: String,
    /// As selections are named that fill them; at least one.
    pub inputs: Vec<String>,
    pub results: Vec<String>,
    /// Whether it finds something at places in a volume.
    pub places: bool,
}

/// One file of rules. Only the file's name counts for the digest, not its folder.
#[derive(Debug, Clone)]
pub struct SourceFile {
    pub path: PathBuf,
    pub text: String,
}

/// Rules that parse, name only what exists, and pass their cases.
#[derive(Debug, Clone)]
pub struct RuleSet {
    rules: Vec<Rule>,
    files: Vec<SourceFile>,
    digest: String,
    warnings: Vec<Problem>,
}

/// A file as far as it could be read.
#[derive(Default)]
struct ReadFile {
    rules: Vec<ReadRule>,
    cases: Vec<Case>,
    faults: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl RuleSet {
    /// Tells all that is wrong at once, failing cases included. No files give a set without rules.
    pub fn parse(mut files: Vec<SourceFile>, world: &World) -> Result<RuleSet, Problems> {
        files.sort_by(|a, b| (name(&a.path), &a.path).cmp(&(name(&b.path), &b.path)));
        let patterns = Patterns::default();
        let read = files.iter().map(|file| read_file(file, world, &patterns));
        let read: Vec<ReadFile> = read.collect();
        let mut faults: Vec<Problem> = read.iter().flat_map(|read| read.faults.clone()).collect();
        faults.extend(duplicates(&files, &read));
        let by_file: Vec<(&SourceFile, &[ReadRule])> =
            files.iter().zip(&read).map(|(file, read)| (file, read.rules.as_slice())).collect();
        let (unguarded, late_guards) = arrives::check_guards(&by_file);
        faults.extend(unguarded);
        let broken = !faults.is_empty();
        let mut rules: Vec<Rule> =
            read.iter().flat_map(|read| &read.rules).filter_map(|read| read.rule.clone()).collect();
        let mut questions = Questions::default();
        rules.iter_mut().for_each(|rule| questions.share(rule));
        let names: Vec<&str> =
            read.iter().flat_map(|read| &read.rules).map(|read| read.name.as_str()).collect();
        for (file, read) in files.iter().zip(&read) {
            for case in &read.cases {
                faults.extend(case.check(file, &rules, &names, broken));
            }
        }
        if !faults.is_empty() {
            return Err(Problems::new(faults));
        }
        let mut warnings: Vec<Problem> =
            read.iter().flat_map(|read| read.warnings.clone()).collect();
        warnings.extend(without_case(&files, &read));
        warnings.extend(between::check(&files));
        warnings.extend(late_guards);
        let digest = digest(&files);
        Ok(RuleSet { rules, files, digest, warnings })
    }

    /// In the order of file names and lines.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// SHA-256 over the sorted file names and their texts, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// In the order of their names.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// All files in one, each under a comment with its name: what is kept beside the decisions.
    pub fn text(&self) -> String {
        let texts = self.files.iter().map(|file| {
            let end = if file.text.ends_with('\n') { "" } else { "\n" };
            format!("# ---- {} ----\n{}{end}", name(&file.path), file.text)
        });
        texts.collect()
    }

    /// What is allowed and probably not meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Judges the images of one series by the rules on instances and on series, in the order of the rules.
    pub fn judge(&self, images: &[ImageFacts]) -> Vec<Judgement> {
        judge::judge(&self.rules, images)
    }

    /// Whether a rule forwards images as they arrive.
    pub fn forwards_on_arrival(&self) -> bool {
        self.rules.iter().any(|rule| rule.then.arrives)
    }

    /// Judges an image by itself, as it arrived, by the rules that forward then.
    pub fn judge_arrival(&self, image: &ImageFacts) -> Vec<Judgement> {
        judge::judge_arrival(&self.rules, image)
    }

    /// Judges the images of one study, in the order of their arrival, by the rules on studies.
    pub fn judge_study(&self, images: &[ImageFacts]) -> Vec<Judgement> {
        judge::judge_study(&self.rules, images)
    }
}

impl SourceFile {
    /// Without its folder.
    pub fn name(&self) -> String {
        name(&self.path)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn digest(files: &[SourceFile]) -> String {
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|file| [name(&file.path), file.text.clone()]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_file(file: &SourceFile, world: &World, patterns: &Patterns) -> ReadFile {
    let mut reader = Reader::new(&file.path, &file.text, world, patterns);
    let mut read = ReadFile::default();
    match Node::parse(&file.text) {
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            reader.fault(&span, format!("this is not TOML: {}", error.message()), None);
        }
        Ok(node) => read_tables(&mut reader, &node, &mut read),
    }
    ReadFile { faults: reader.faults, warnings: reader.warnings, ..read }
}

fn read_tables(reader: &mut Reader, file: &Node, read: &mut ReadFile) {
    for entry in reader.table(file, "file").unwrap_or_default() {
        let known = ["rule", "case"].contains(&entry.key.as_str());
        match &entry.node.value {
            Toml::Array(nodes) if entry.key == "rule" => {
                read.rules.extend(nodes.iter().filter_map(|node| rule::read(reader, node)));
            }
            Toml::Array(nodes) if entry.key == "case" => {
                read.cases.extend(nodes.iter().filter_map(|node| case::read(reader, node)));
            }
            _ if known => {
                let help = format!("each one begins with [[{}]]", entry.key);
                let message = format!("`{}` is a list, in double brackets", entry.key);
                reader.fault(&entry.key_span, message, help);
            }
            _ => reader.unknown_key(entry, "a file of rules", &["rule", "case"]),
        }
    }
}

fn duplicates(files: &[SourceFile], read: &[ReadFile]) -> Vec<Problem> {
    let mut seen: Vec<(&str, Problem)> = Vec::new();
    let mut faults = Vec::new();
    for (file, read) in files.iter().zip(read) {
        for rule in &read.rules {
            let message = format!("there are two rules with the name \"{}\"", rule.name);
            let here = Problem::new(&file.path, &file.text, rule.name_span.clone(), message);
            match seen.iter().find(|(name, _)| *name == rule.name) {
                Some((_, first)) => {
                    let help = format!("the first is at {}:{}", first.path.display(), first.line);
                    faults.push(here.with_help(Some(help)));
                }
                None => seen.push((&rule.name, here)),
            }
        }
    }
    faults
}

/// A rule that no case shows running may be one that can never run.
fn without_case(files: &[SourceFile], read: &[ReadFile]) -> Vec<Problem> {
    let cases: Vec<&Case> = read.iter().flat_map(|read| &read.cases).collect();
    let mut warnings = Vec::new();
    for (file, read) in files.iter().zip(read) {
        for rule in
            read.rules.iter().filter(|rule| !cases.iter().any(|c| c.shows_running(&rule.name)))
        {
            let message = format!("no case shows that \"{}\" runs", rule.name);
            let help = format!("add a [[case]] with expect = {{ \"{}\" = \"runs\" }}", rule.name);
            let here = Problem::new(&file.path, &file.text, rule.name_span.clone(), message);
            warnings.push(here.with_help(Some(help)));
        }
    }
    warnings
}
