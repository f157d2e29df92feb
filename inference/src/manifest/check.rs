//! From what an author wrote to what it means: every problem of a manifest with its place.

mod batching;
mod boxes;
mod choices;
mod classes;
mod derived;
mod image;
mod input;
mod marks;
mod outputs;
mod segments;
mod windows;

use super::written::{Inputs, Written, WrittenAlgorithm, WrittenGroup, WrittenInput};
use super::{AlgorithmEntry, Group, Manifest, VERSION};
use crate::problem::{ModelProblem, suggestion};
use gantry_terms::code::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

impl Manifest {
    /// `file` is named in problems only; `source` is its text.
    pub fn parse(file: &Path, source: &str) -> Result<Self, Vec<ModelProblem>> {
        check_version(file, source).map_err(|problem| vec![problem])?;
        let (written, problems) = match has_several_inputs(source) {
            false => {
                let (written, problems) = read::<WrittenInput>(file, source);
                (written.map(|it| it.with_inputs(|input| vec![(None, input)])), problems)
            }
            true => {
                let (written, problems) =
                    read::<BTreeMap<Spanned<String>, WrittenInput>>(file, source);
                let named = |(name, input)| (Some(name), input);
                (
                    written.map(|it| it.with_inputs(|all| all.into_iter().map(named).collect())),
                    problems,
                )
            }
        };
        let mut check = Check { file, source, problems };
        let manifest = written.map(|written| check.manifest(written));
        manifest.filter(|_| check.problems.is_empty()).ok_or(check.problems)
    }
}

/// `[input.NAME]` instead of `[input]`: nothing but tables in it, and none of those that an input has.
fn has_several_inputs(source: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        input: Option<toml::Table>,
    }
    let inputs =
        toml::from_str::<Head>(source).ok().and_then(|head| head.input).unwrap_or_default();
    let is_name = |(key, value): (&String, &toml::Value)| {
        value.is_table()
            && !["frames", "grid", "image", "limits", "windows"].contains(&key.as_str())
    };
    !inputs.is_empty() && inputs.iter().all(is_name)
}

/// serde stops at its first fault. A line that begins with an unknown key is told, blanked and
/// stepped over, so that what is wrong behind it comes with it.
fn read<I: DeserializeOwned>(file: &Path, source: &str) -> (Option<Written<I>>, Vec<ModelProblem>) {
    let mut text = source.to_string();
    let mut problems = Vec::new();
    loop {
        let error = match toml::from_str(&text) {
            Ok(written) => return (Some(written), problems),
            Err(error) => error,
        };
        // A key that is missing behind an unknown one is most often that one, misspelt.
        if problems.is_empty() || !error.message().starts_with("missing field") {
            problems.push(of_toml(file, source, &error));
        }
        match without_line(&text, &error) {
            Some(rest) => text = rest,
            None => return (None, problems),
        }
    }
}

fn without_line(text: &str, error: &toml::de::Error) -> Option<String> {
    let start = error.span().filter(|_| error.message().starts_with("unknown field"))?.start;
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let mut rest = text.to_string();
    rest.replace_range(line_start..line_end, &" ".repeat(line_end - line_start));
    let begins_the_line = text[line_start..start].trim().is_empty();
    (begins_the_line && rest.parse::<toml::Table>().is_ok()).then_some(rest)
}

/// The version comes first: a manifest of the future may have keys that are unknown here, and
/// "unknown key" would then be the wrong advice.
fn check_version(file: &Path, source: &str) -> Result<(), ModelProblem> {
    #[derive(Deserialize)]
    struct Head {
        manifest: Option<Spanned<toml::Value>>,
    }
    let head: Head = toml::from_str(source).map_err(|error| of_toml(file, source, &error))?;
    match head.manifest {
        None => Err(ModelProblem::of_file(
            file,
            format!(
                "`manifest = {VERSION}` is missing: it says which version of the format this is"
            ),
        )),
        Some(version) if version.get_ref().as_integer() == Some(VERSION) => Ok(()),
        Some(version) => Err(ModelProblem::at(
            file,
            source,
            version.span(),
            format!("this build reads manifests of version {VERSION} only"),
        )),
    }
}

/// serde says "unknown field `x`, expected one of `a`, `b`": the words are ours, so is the order.
fn of_toml(file: &Path, source: &str, error: &toml::de::Error) -> ModelProblem {
    let message = error.message();
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let text = match words.split_first() {
        Some((unknown, known)) if message.starts_with("unknown field") => {
            format!("unknown key `{unknown}`{}", suggestion(unknown, known.iter().copied()))
        }
        Some((unknown, known)) if message.starts_with("unknown variant") => {
            let known = known.join("`, `");
            format!("`{unknown}` is not known here; known: `{known}`")
        }
        Some((missing, _)) if message.starts_with("missing field") => {
            format!("the key `{missing}` is missing")
        }
        _ => message.to_string(),
    };
    match error.span() {
        Some(span) => ModelProblem::at(file, source, span, text),
        None => ModelProblem::of_file(file, text),
    }
}

/// Turns what was written into what it means, and collects every problem on the way.
struct Check<'a> {
    file: &'a Path,
    source: &'a str,
    problems: Vec<ModelProblem>,
}

impl Check<'_> {
    fn manifest(&mut self, written: Written<Inputs>) -> Manifest {
        self.references(&written);
        self.pieces(&written);
        self.films(&written);
        self.films_together(&written);
        self.marks(&written);
        let graph = self.text("graph", &written.graph, 255);
        if graph.contains(['/', '\\']) || graph.starts_with('.') {
            self.fault(
                written.graph.span(),
                "the graph is a file beside its manifest: a plain name",
            );
        }
        if let Some(digest) = &written.sha256 {
            let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            let digest_holds =
                digest.get_ref().len() == 64 && digest.get_ref().bytes().all(hexadecimal);
            self.require(
                digest_holds,
                digest.span(),
                "a SHA-256 is 64 lower-case hexadecimal digits",
            );
        }
        let seconds = *written.time_out.get_ref();
        let in_range = seconds.is_finite() && seconds > 0.0 && seconds <= 3600.0;
        self.require(
            in_range,
            written.time_out.span(),
            "time-out is in seconds, above 0 and at most 3600",
        );
        let some_results = !written.results.get_ref().is_empty();
        self.require(some_results, written.results.span(), "name at least one result");
        let segments = self.segments(&written);
        let mut segmentations = written.segmentations;
        segmentations.sort_by_key(|segmentation| segmentation.draw_order);
        Manifest {
            graph,
            sha256: written.sha256.map(Spanned::into_inner),
            results: written.results.into_inner(),
            time_out: Duration::from_secs_f64(if in_range { seconds } else { 1.0 }),
            cpu: written.cpu,
            batching: written.batching.map(|batching| self.batching(batching)),
            algorithm: self.algorithm(written.algorithm),
            procedure: self.code(written.procedure),
            inputs: self.inputs(written.input),
            groups: written
                .groups
                .into_iter()
                .zip(segments)
                .map(|(group, segment)| self.group(group, segment))
                .collect(),
            measurements: written.measurements.into_iter().map(|m| self.measurement(m)).collect(),
            classifications: written
                .classifications
                .into_iter()
                .map(|c| self.classification(c))
                .collect(),
            choices: written.choices.into_iter().map(|choice| self.choice(choice)).collect(),
            segmentations: segmentations.into_iter().map(|s| self.segmentation(s)).collect(),
            detections: written.detections.into_iter().map(|d| self.detection(d)).collect(),
            derived: written.images.into_iter().map(|image| self.derived(image)).collect(),
        }
    }

    fn algorithm(&mut self, written: WrittenAlgorithm) -> AlgorithmEntry {
        AlgorithmEntry {
            title: self.text("title", &written.title, 64),
            version: self.text("version", &written.version, 64),
            manufacturer: self.text("manufacturer", &written.manufacturer, 64),
            family: self.code(written.family),
            research_only: written.research_only,
        }
    }

    fn group(&mut self, written: WrittenGroup, segment: Option<String>) -> Group {
        Group {
            key: self.key(&written.key),
            label: self.text("label", &written.label, 64),
            finding: written.finding.map(|code| self.code(code)),
            site: written.site.map(|code| self.code(code)),
            method: written.method.map(|code| self.code(code)),
            segment,
        }
    }

    /// Coding Scheme Designator is SH, Code Meaning is LO, and a code longer than SH holds is a Long Code Value (PS3.3 8.1, 8.2).
    fn code(&mut self, written: Spanned<Code>) -> Code {
        let span = written.span();
        let code = written.into_inner();
        let parts = [
            ("value", &code.value, 64),
            ("scheme", &code.scheme, 16),
            ("meaning", &code.meaning, 64),
        ];
        for (name, text, most) in parts {
            self.plain(name, text, most, span.clone());
        }
        code
    }

    fn key(&mut self, written: &Spanned<String>) -> String {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let key = written.get_ref();
        let holds = !key.is_empty() && key.len() <= 64 && key.bytes().all(fits);
        self.require(holds, written.span(), "a key has 1 to 64 of a-z, 0-9 and -");
        key.clone()
    }

    fn text(&mut self, name: &str, written: &Spanned<String>, most: usize) -> String {
        self.plain(name, written.get_ref(), most, written.span());
        written.get_ref().clone()
    }

    fn plain(&mut self, name: &str, text: &str, most: usize, span: Range<usize>) {
        let length = text.chars().count();
        if length == 0 || length > most {
            self.fault(span, &format!("{name} has 1 to {most} characters, this one has {length}"));
        } else if text.chars().any(|c| c.is_control() || c == '\\') || text.trim() != text {
            let text = format!("{name} has no control characters, backslash or outer spaces");
            self.fault(span, &text);
        }
    }

    fn require(&mut self, holds: bool, span: Range<usize>, text: &str) {
        if !holds {
            self.fault(span, text);
        }
    }

    fn fault(&mut self, span: Range<usize>, text: &str) {
        self.problems.push(ModelProblem::at(self.file, self.source, span, text));
    }
}
