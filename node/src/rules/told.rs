//! The rules in force and what is wrong on disk, in the words of `gantry status`.

use super::short;
use crate::explain::when;
use gantry_store::rule_sets::{LoadRow, RulesState};

/// Nothing before the first start of a node that keeps versions.
pub fn status(state: Option<&RulesState>) -> String {
    let Some(RulesState { taken, refused }) = state else { return String::new() };
    let mut text = format!(
        "rules     {} of digest {} since {} ({})\n",
        taken.rules,
        short(&taken.digest),
        when(taken.at),
        taken.cause.as_str()
    );
    if let Some(refused) = refused {
        text.push_str(&format!(
            "          on disk is a newer version that is broken, seen {}: {}; the last good one \
             stays in force\n",
            when(refused.at),
            problems(refused)
        ));
    }
    text
}

/// The first of them, and how many more.
pub(super) fn problems(refused: &LoadRow) -> String {
    let first = refused.problems.first().map_or("not kept any more", String::as_str);
    match refused.problems.len().saturating_sub(1) as u64 + refused.more {
        0 => first.to_string(),
        more => format!("{first}, {more} more"),
    }
}
