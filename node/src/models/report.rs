//! `gantry models compare`: the comparison of two versions as text, or as JSON.

use super::compare::{Comparison, Cost, Failures, Measured, compared};
use super::state;
use crate::cli::ModelsCompareArguments;
use crate::config::Config;
use crate::output::say;
use gantry_store::model_changes::ChangeRow;
use gantry_store::store::Store;
use std::error::Error;
use std::process::ExitCode;

pub async fn run(arguments: &ModelsCompareArguments) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::load(&arguments.config.config)?;
    let reader = Store::open_reader(&config.data).await?;
    let name = &arguments.name;
    let changes = reader.model_changes(Some(name)).await?;
    let candidate = arguments.version.clone().or_else(|| tried_last(&changes, name));
    let candidate = candidate.ok_or_else(|| {
        format!(
            "no version of {name} was tried yet\n  help: `gantry models promote {name} VERSION --shadow` \
             runs one beside the live version"
        )
    })?;
    let pairs = reader.pairs(name, &candidate).await?;
    let canaries = reader.canaries(name, &candidate).await?;
    let comparison = compared(name, &candidate, &pairs, &canaries);
    match arguments.json {
        true => say(&format!("{}\n", serde_json::to_string_pretty(&comparison)?))?,
        false => say(&text(&comparison))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tried_last(changes: &[ChangeRow], name: &str) -> Option<String> {
    let now = state::taken(changes, name).and_then(|state| state.candidate.clone());
    let before = || changes.iter().find_map(|row| row.change.after.candidate.clone());
    now.or_else(before).map(|candidate| candidate.version)
}

fn text(comparison: &Comparison) -> String {
    let Comparison { model, candidate, runs, compared, .. } = comparison;
    let live: Vec<&str> = comparison.live.iter().map(String::as_str).collect();
    let live = if live.is_empty() { "live".to_string() } else { live.join(", ") };
    let mut text = format!("{model}: {candidate} beside {live}\n");
    text.push_str(&format!("  both ran on {runs}, of which {compared} ended well with both\n"));
    failed(&mut text, "live", &comparison.live_failed);
    failed(&mut text, "candidate", &comparison.candidate_failed);
    for measured in &comparison.measurements {
        text.push_str(&of_measured(measured));
    }
    for answer in &comparison.answers {
        let (same, count) = (answer.same, answer.count);
        text.push_str(&format!("  {}: the same answer in {same} of {count}\n", answer.key));
        for (live, row) in &answer.table {
            for (candidate, count) in row {
                text.push_str(&format!("    live {live}, candidate {candidate}: {count}\n"));
            }
        }
    }
    for mask in &comparison.masks {
        let dice = |dice: Option<f64>| dice.map_or("-".to_string(), |dice| format!("{dice:.4}"));
        text.push_str(&format!(
            "  {}: Dice of {} masks, mean {}, least {}; both empty: {}\n",
            mask.key,
            mask.count,
            dice(mask.mean_dice),
            dice(mask.least_dice),
            mask.both_empty
        ));
    }
    cost(&mut text, "live", &comparison.live_cost);
    cost(&mut text, "candidate", &comparison.candidate_cost);
    let canary = &comparison.canary;
    if canary.finished + canary.waiting + canary.given_to_live.count > 0 {
        let (finished, waiting) = (canary.finished, canary.waiting);
        text.push_str(&format!(
            "  in the place of the live version: {finished}, waiting: {waiting}\n"
        ));
        failed(&mut text, "candidate, given to the live version:", &canary.given_to_live);
    }
    text
}

fn failed(text: &mut String, who: &str, failures: &Failures) {
    if failures.count > 0 {
        let reason = failures.last_reason.as_deref().unwrap_or_default();
        text.push_str(&format!("  {who} failed {} times, last: {reason}\n", failures.count));
    }
}

fn of_measured(measured: &Measured) -> String {
    let Measured { key, unit, count, equal, only_live, only_candidate, .. } = measured;
    let number = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:+.4}"));
    let limits = measured.limits_of_agreement;
    let limits = limits.map_or("-".into(), |[low, high]| format!("{low:+.4} to {high:+.4}"));
    let mut text = format!(
        "  {key}, {unit}, of {count}: mean difference {}, largest {}, limits of agreement {limits}; the \
         same number in {equal}\n",
        number(measured.mean_difference),
        number(measured.largest_difference),
    );
    if only_live + only_candidate > 0 {
        text.push_str(&format!(
            "    no number by the candidate alone: {only_live}, by the live version alone: {only_candidate}\n"
        ));
    }
    text
}

fn cost(text: &mut String, who: &str, cost: &Cost) {
    let (Some(median), Some(most)) = (cost.median_seconds, cost.most_seconds) else { return };
    let peak =
        cost.peak_bytes.map(|bytes| format!(", peak memory {} MiB", bytes.div_ceil(1 << 20)));
    let peak = peak.unwrap_or_default();
    text.push_str(&format!(
        "  {who} took {median:.3} s in the median, at most {most:.3} s{peak}\n"
    ));
}
