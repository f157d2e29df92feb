//! `gantry rules`: what was in force when, what it said, what is different, and the way back.

use super::folder::OnDisk;
use super::{diff, history, rollback, short};
use crate::cli::RulesCommand;
use crate::config::Config;
use crate::output::say;
use gantry_store::reader::Reader;
use gantry_store::rule_sets::KeptRules;
use gantry_store::store::Store;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

/// Digests that a refusal lists.
const LISTED: usize = 5;

/// Reads the database beside a running node, or without one.
pub async fn run(command: &RulesCommand) -> Result<ExitCode, Failure> {
    match command {
        RulesCommand::History(arguments) => {
            let config = Config::load(&arguments.config)?;
            let reader = Store::open_reader(&config.data).await?;
            say(&history::told(&reader).await?)?;
        }
        RulesCommand::Show(arguments) => {
            let config = Config::load(&arguments.config.config)?;
            let reader = Store::open_reader(&config.data).await?;
            say(&shown(&one(&reader, &arguments.digest).await?))?;
        }
        RulesCommand::Diff(arguments) => {
            let config = Config::load(&arguments.config.config)?;
            let reader = Store::open_reader(&config.data).await?;
            let from = one(&reader, &arguments.from).await?;
            let to = match &arguments.to {
                Some(prefix) => Side::Kept(one(&reader, prefix).await?),
                None => Side::OnDisk(OnDisk::look(&config.rules)?),
            };
            say(&compared(&from, &to))?;
        }
        RulesCommand::Rollback(arguments) => {
            let config = Config::load(&arguments.config.config)?;
            return rollback::run(&config, arguments.digest.as_deref()).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules whose digest begins so; the failure explains what to write instead.
pub(super) async fn one(reader: &Reader, prefix: &str) -> Result<KeptRules, Failure> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.is_empty() || !prefix.chars().all(|letter| letter.is_ascii_hexdigit()) {
        let help = "`gantry rules history` lists them; their first letters are enough";
        return Err(
            format!("{prefix:?} is no digest: digests are hexadecimal\n  help: {help}").into()
        );
    }
    let digests = reader.rule_digests(&prefix).await?;
    match digests.as_slice() {
        [] => Err(format!(
            "no rules whose digest begins with {prefix} were ever in force\n  help: `gantry rules history` lists all"
        )
        .into()),
        [only] => kept(reader, only).await,
        several => {
            let some: Vec<&str> = several.iter().take(LISTED).map(|it| it.get(..16).unwrap_or(it)).collect();
            let more = if several.len() > LISTED { ", .." } else { "" };
            Err(format!(
                "{} kept rules have a digest that begins with {prefix}: {}{more}\n  help: write more of it",
                several.len(),
                some.join(", ")
            )
            .into())
        }
    }
}

pub(super) async fn kept(reader: &Reader, digest: &str) -> Result<KeptRules, Failure> {
    let kept = reader.rule_set(digest).await?;
    kept.ok_or_else(|| format!("the rules {digest} are not kept").into())
}

/// All files, each under a comment with its name, so that the whole is TOML still.
fn shown(rules: &KeptRules) -> String {
    let mut text = format!("# digest {}\n", rules.digest);
    if !rules.byte_for_byte {
        text.push_str(
            "# kept by an earlier version: line breaks at the ends of files may be others\n",
        );
    }
    for file in &rules.files {
        let end = if file.text.ends_with('\n') { "" } else { "\n" };
        text.push_str(&format!("# ---- {} ----\n{}{end}", file.name, file.text));
    }
    text
}

enum Side {
    Kept(KeptRules),
    OnDisk(OnDisk),
}

impl Side {
    fn label(&self) -> &str {
        match self {
            Side::Kept(rules) => short(&rules.digest),
            Side::OnDisk(_) => "on disk",
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Side::Kept(rules) => rules.files.iter().map(|file| file.name.as_str()).collect(),
            Side::OnDisk(seen) => seen.names().collect(),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        match self {
            Side::Kept(rules) => {
                rules.files.iter().find(|file| file.name == name).map(|file| file.text.clone())
            }
            Side::OnDisk(seen) => {
                seen.bytes(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }
}

/// File by file, in the order of their names.
fn compared(from: &KeptRules, to: &Side) -> String {
    let from = Side::Kept(from.clone());
    let mut names = from.names();
    names.extend(to.names());
    names.sort_unstable();
    names.dedup();
    let mut text = String::new();
    for name in names {
        let (before, after) = (from.text(name), to.text(name));
        if before == after {
            continue;
        }
        for (sign, side, there) in [("---", &from, &before), ("+++", to, &after)] {
            let gone = if there.is_none() { ", which has no such file" } else { "" };
            text.push_str(&format!("{sign} {name} ({}{gone})\n", side.label()));
        }
        text.push_str(&diff::lines(&before.unwrap_or_default(), &after.unwrap_or_default()));
    }
    if text.is_empty() {
        return format!("no difference between {} and {}\n", from.label(), to.label());
    }
    text
}
