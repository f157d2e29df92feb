//! `gantry associations`: who called, what was offered and taken, how it ended, and why one was refused.

use crate::cli::AssociationsArguments;
use crate::config::Config;
use crate::explain::when;
use crate::output::say;
use dicom_core::dictionary::{UidDictionary, UidDictionaryEntry};
use dicom_dictionary_std::StandardSopClassDictionary;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_store::associations::{AssociationRow, Contexts, Outcome, Wanted};
use gantry_store::store::Store;
use std::collections::BTreeMap;
use std::process::ExitCode;

pub async fn run(
    arguments: &AssociationsArguments,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(&arguments.config.config)?;
    let reader = Store::open_reader(&config.data).await?;
    let wanted = Wanted {
        refused_only: arguments.refused,
        calling: arguments.peer.clone(),
        limit: arguments.limit,
    };
    let rows = reader.associations(&wanted).await?;
    let mut text: String = rows.iter().map(told).collect();
    if rows.is_empty() {
        text.push_str("no association is known that fits\n");
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The counters in one line, for `gantry status`; nothing before the first association.
pub fn counted(counts: &BTreeMap<String, u64>) -> Option<String> {
    let all: u64 = counts.values().sum();
    let kinds: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    (all > 0).then(|| format!("{all} associations: {}", kinds.join(", ")))
}

fn told(row: &AssociationRow) -> String {
    let AssociationRow { calling, called, address, explanation, .. } = row;
    let mut text = format!("{}  {calling:?} to {called:?} from {address}\n", when(row.began));
    let seconds = row.ended.since(row.began).as_secs_f64();
    match row.outcome {
        Outcome::Refused => line(&mut text, "refused", explanation),
        Outcome::Released | Outcome::BrokenOff => {
            line(&mut text, "ended", &format!("{explanation}, after {seconds:.1} s"));
            line(&mut text, "objects", &objects(row));
        }
    }
    for contexts in &row.contexts {
        let (word, told) = offered(contexts);
        line(&mut text, word, &told);
    }
    if !row.implementation.is_empty() {
        line(&mut text, "peer", &row.implementation);
    }
    text
}

fn line(text: &mut String, word: &str, told: &str) {
    text.push_str(&format!("    {word:<9} {told}\n"));
}

fn objects(row: &AssociationRow) -> String {
    let statuses = row.statuses.iter().map(|(status, count)| format!("{status} x {count}"));
    let statuses: Vec<String> = statuses.collect();
    let answered = match statuses.is_empty() {
        true => String::new(),
        false => format!(", answered {}", statuses.join(", ")),
    };
    format!("{}, {:.1} MB{answered}", row.objects, row.bytes as f64 / 1e6)
}

/// What was made of some SOP classes, and which.
fn offered(contexts: &Contexts) -> (&'static str, String) {
    let mut classes: Vec<String> = contexts.sop_classes.iter().map(|uid| class(uid)).collect();
    if contexts.more > 0 {
        classes.push(format!("and {} more", contexts.more));
    }
    let classes = classes.join(", ");
    let syntaxes: Vec<String> = contexts.offered.iter().map(|uid| syntax(uid)).collect();
    let syntaxes = syntaxes.join(", ");
    match (&contexts.accepted, contexts.reason.as_str()) {
        (Some(accepted), _) => {
            ("taken", format!("{classes} in {}; offered in {syntaxes}", syntax(accepted)))
        }
        (None, "") => ("offered", format!("{classes} in {syntaxes}")),
        (None, reason) => ("not taken", format!("{classes}: {reason}; offered in {syntaxes}")),
    }
}

fn class(uid: &str) -> String {
    match StandardSopClassDictionary.by_uid(uid) {
        Some(entry) => format!("{} ({uid})", entry.name()),
        None => uid.into(),
    }
}

fn syntax(uid: &str) -> String {
    match TransferSyntaxRegistry.get(uid) {
        Some(syntax) => syntax.name().into(),
        None => uid.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_in_one_line_and_not_before_there_is_something_to_count() {
        assert_eq!(counted(&BTreeMap::new()), None);
        let counts =
            BTreeMap::from([("refused 1/1/3".to_string(), 2), ("released".to_string(), 5)]);
        let told = counted(&counts).expect("something");
        assert_eq!(told, "7 associations: 2 refused 1/1/3, 5 released");
    }
}
