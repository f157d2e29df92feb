//! The cells of the table of docs/CONFORMANCE.md, and what stands under it: which reader cannot do it all, and why.

use std::fmt::Write;

/// What is under the table begins with it, each with its letter.
const NOTE: &str = "\n- (";

/// As the table is where nobody is asked who cannot do it all.
pub fn without_notes(table: &str) -> String {
    let table = table.split(NOTE).next().unwrap_or_default();
    let letters = 'a'..='z';
    letters.fold(table.to_owned(), |table, letter| table.replace(&format!(" ({letter})"), ""))
}

/// A cell: what the validators and the readers say, and what a reader cannot do.
#[derive(Default, Clone)]
pub struct Cell {
    pub says: &'static str,
    pub cannot: Vec<String>,
}

/// By letters, with the reasons under the table.
pub fn noted(rows: &[Vec<Cell>]) -> (Vec<Vec<String>>, String) {
    let mut reasons: Vec<&String> = rows.iter().flatten().flat_map(|cell| &cell.cannot).collect();
    reasons.sort();
    reasons.dedup();
    let letter = |reason: &String| {
        let at = reasons.iter().position(|known| *known == reason).expect("one of them");
        char::from(b'a' + at as u8)
    };
    let cell = |cell: &Cell| {
        let mut text = cell.says.to_owned();
        for reason in &cell.cannot {
            write!(text, " ({})", letter(reason)).expect("written to memory");
        }
        text
    };
    let cells = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let mut notes = String::new();
    for reason in &reasons {
        write!(notes, "{NOTE}{}) {reason}", letter(reason)).expect("written to memory");
    }
    (cells, if notes.is_empty() { notes } else { notes + "\n" })
}
