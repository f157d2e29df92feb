//! What is wrong with a rule file, shown as a compiler would: place, source line, caret, message and help.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One fault or warning and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    pub message: String,
    pub help: Option<String>,
    source_line: String,
    /// Characters under which carets stand, at least 1.
    width: usize,
}

/// Everything that is wrong with a set of rule files, in the order of files and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
        Self(problems)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

/// Parts of the keywords of attributes that name or describe a person.
const OF_SOMEBODY: [&str; 8] =
    ["Patient", "Name", "ID", "Number", "Comments", "Description", "Address", "Birth"];

impl Problem {
    /// `span` counts bytes of `text`.
    pub(super) fn new(path: &Path, text: &str, span: Range<usize>, message: String) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = text.floor_char_boundary(span.end).clamp(start, line_end);
        Self {
            path: path.to_path_buf(),
            line: text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message,
            help: None,
            source_line: text[line_start..line_end].trim_end().to_string(),
            width: text[start..end].chars().count().max(1),
        }
    }

    /// `FILE:LINE:COLUMN: MESSAGE`, for a log and for events: without the line itself, and without
    /// what stands in quotes where the line is about somebody.
    pub fn in_a_line(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let somebody = OF_SOMEBODY.iter().any(|word| self.source_line.contains(word));
        let message = if somebody { unquoted(&self.message) } else { self.message.clone() };
        let message = message.replace(|letter: char| letter.is_control(), " ");
        format!("{file}:{}:{}: {message}", self.line, self.column)
    }

    pub(super) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// `".."` for each quoted part.
fn unquoted(message: &str) -> String {
    let parts = message.split('"').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { part } else { "\"..\"" }).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands under its word in any terminal.
        let tab_or_space = |c: char| if c == '\t' { '\t' } else { ' ' };
        let before: String =
            self.source_line.chars().take(self.column - 1).map(tab_or_space).collect();
        writeln!(f, "{}:{}:{}: {}", self.path.display(), self.line, self.column, self.message)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.source_line)?;
        write!(f, "{gutter} | {before}{}", "^".repeat(self.width))?;
        match &self.help {
            Some(help) => write!(f, "\n{gutter} = help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_in_a_line_quotes_nothing_of_a_line_about_somebody() {
        let message = || "\"Doe^J\" is listed twice".to_string();
        let of =
            |line: &str| Problem::new(Path::new("r/a.toml"), line, 0..1, message()).in_a_line();
        assert_eq!(of("PatientName = [..]"), "a.toml:1:1: \"..\" is listed twice");
        assert_eq!(of("Modality = [..]"), "a.toml:1:1: \"Doe^J\" is listed twice");
    }
}
