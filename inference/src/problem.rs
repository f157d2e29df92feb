//! What is wrong with a model on disk, said so that its author can mend it: file, line, column, caret, nearest known word.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One fault of one model. Its display is several lines for a fault with a place, one line without.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProblem {
    pub file: PathBuf,
    pub place: Option<Place>,
    pub text: String,
}

/// Where in the file: line and column count from 1, the column in characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    source: String,
    width: usize,
}

impl ModelProblem {
    pub fn of_file(file: &Path, text: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, text: text.into() }
    }

    /// `span` is in bytes of `source`, the whole text of `file`.
    pub fn at(file: &Path, source: &str, span: Range<usize>, text: impl Into<String>) -> Self {
        Self { file: file.into(), place: Some(Place::of(source, span)), text: text.into() }
    }
}

impl Place {
    fn of(source: &str, span: Range<usize>) -> Self {
        let start = source.floor_char_boundary(span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let end = source.floor_char_boundary(span.end).clamp(start, line_end);
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            source: source[line_start..line_end].trim_end().to_string(),
            width: source[start..end].trim_end().chars().count().max(1),
        }
    }
}

impl fmt::Display for ModelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return write!(f, "{}: {}", self.file.display(), self.text);
        };
        let Place { line, column, source, width } = place;
        let margin = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column - 1);
        writeln!(f, "{}:{line}:{column}: {}", self.file.display(), self.text)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{line} | {source}")?;
        write!(f, "{margin} | {indent}{}", "^".repeat(*width))
    }
}

impl std::error::Error for ModelProblem {}

/// The known word that is nearest to what was written, if one is near enough to be meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let closeness = |word: &&str| (strsim::jaro_winkler(written, word) * 1000.0) as u32;
    known.into_iter().max_by_key(closeness).filter(|word| closeness(word) >= 750)
}

/// `, did you mean ...?` or nothing, to stand behind a message.
pub fn suggestion<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, known).map_or_else(String::new, |word| format!(", did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_under_its_line_with_a_caret() {
        let source = "a = 1\n  ö = \"x\"\n";
        let start = source.find('"').unwrap();
        let problem = ModelProblem::at(Path::new("m.toml"), source, start..start + 3, "bad");
        assert_eq!(problem.to_string(), "m.toml:2:7: bad\n  |\n2 |   ö = \"x\"\n  |       ^^^");
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("spacin", ["tensor", "spacing"]), Some("spacing"));
        assert_eq!(nearest("zzz", ["tensor", "spacing"]), None);
    }
}
