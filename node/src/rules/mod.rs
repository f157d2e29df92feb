//! The rules of a running node: taken anew when their files change, kept with every version, and what an admin asks of them.

mod command;
mod diff;
pub mod folder;
mod history;
mod rollback;
mod told;
pub mod watch;

pub use command::run;
pub use told::status;

use folder::OnDisk;
use gantry_routing::rules::{RuleSet, SourceFile, World};
use gantry_store::rule_sets::{NewRules, RuleFile};

/// What the store keeps of rules that take effect.
pub fn kept(rules: &RuleSet) -> NewRules {
    let file = |file: &SourceFile| RuleFile { name: file.name(), text: file.text.clone() };
    NewRules {
        digest: rules.digest().to_string(),
        text: rules.text(),
        files: rules.files().iter().map(file).collect(),
        rules: rules.rules().len() as u64,
    }
}

/// Reads what lies on disk as a start would. The problems are whole, for an admin's eyes.
pub fn read(on_disk: &OnDisk, world: &World) -> Result<RuleSet, String> {
    let files = on_disk.texts().map_err(|faults| faults.join("\n"))?;
    RuleSet::parse(files, world).map_err(|problems| problems.to_string())
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
