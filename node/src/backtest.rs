//! `gantry backtest`: what other rules would have done to the series of the last days, and what load that would have been.

use crate::check;
use crate::cli::BacktestArguments;
use crate::config::Config;
use crate::explain::when;
use crate::models::state;
use crate::output::say;
use gantry_routing::backtest::{Change, Example, Load, Report, RuleReport};
use gantry_routing::retell::Retell;
use gantry_store::backtest::ModelSeconds;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY: Duration = Duration::from_secs(86_400);

pub async fn run(arguments: &BacktestArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut config = Config::load(&arguments.config.config)?;
    if let Some(rules) = &arguments.rules {
        config.rules.clone_from(rules);
    }
    let since = since(&arguments.since, Moment::now())?;
    let changes = state::changes_before(&config.data).await;
    let checked = match check::check(&config, &changes) {
        Ok(checked) => checked,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let reader = Store::open_reader(&config.data).await?;
    let seconds = reader.model_seconds().await?;
    let progress = Progress::new();
    let retell = Retell {
        reader,
        rules: Arc::new(checked.rules),
        peers: Arc::new(config.peers.keys().cloned().collect()),
        examples: arguments.examples,
    };
    let all = retell.reader.count_for_backtest(since).await?;
    let report = retell.run(since, |done| progress.tell(done, all)).await?;
    progress.end();
    let mut text = String::new();
    let hours = Moment::now().since(since).as_secs_f64() / 3600.0;
    tell(&mut text, &config, &retell, &report, since);
    tell_load(&mut text, &report, &seconds, hours);
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// `7d`, `36h`, `90m`, or a day or moment of local time.
fn since(text: &str, now: Moment) -> Result<Moment, String> {
    let span = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "d" => DAY.as_secs_f64(),
            "h" => 3600.0,
            "m" => 60.0,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok().filter(|n| *n > 0.0)? * unit;
        Duration::try_from_secs_f64(seconds).ok().map(|span| now.minus(span))
    };
    let moment = || {
        let whole = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok();
        let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        let local = whole.or_else(|| day?.and_hms_opt(0, 0, 0))?;
        let local = local.and_local_timezone(chrono::Local).earliest()?;
        Some(Moment(local.timestamp_micros()))
    };
    span().or_else(moment).ok_or_else(|| {
        format!("--since {text:?}: write 7d, 36h, 90m, 2026-01-31 or 2026-01-31T08:00")
    })
}

fn tell(text: &mut String, config: &Config, retell: &Retell, report: &Report, since: Moment) {
    let _ = writeln!(
        text,
        "{} (digest {}) on {} series and {} studies with {} images, decided since {}",
        config.rules.display(),
        &retell.rules.digest()[..12],
        report.series,
        report.studies,
        report.images,
        when(since)
    );
    if report.left_out > 0 {
        let _ = writeln!(
            text,
            "left out: {} of which something came since they were decided",
            report.left_out
        );
    }
    let [added, dropped, changed] =
        [Change::Added, Change::Dropped, Change::Changed].map(|change| report.count(change));
    let _ = writeln!(text, "would add {added}, drop {dropped}, change {changed}\n");
    for (name, rule) in &report.rules {
        tell_rule(text, name, rule);
    }
}

fn tell_rule(text: &mut String, name: &str, rule: &RuleReport) {
    let _ = writeln!(text, "\"{name}\": ran {}, would run {}", rule.ran, rule.would_run);
    for (change, (count, examples)) in &rule.changes {
        let word = match change {
            Change::Added => "added",
            Change::Dropped => "dropped",
            Change::Changed => "changed",
        };
        let _ = writeln!(text, "  {word} {count}");
        for Example { uid, images, reason } in examples {
            let reason = reason.as_deref().unwrap_or("there is no such rule any more");
            let _ = writeln!(text, "    {uid} ({images} images): {reason}");
        }
        let more = count.saturating_sub(examples.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "    and {more} more");
        }
    }
}

fn tell_load(
    text: &mut String,
    report: &Report,
    seconds: &BTreeMap<String, ModelSeconds>,
    hours: f64,
) {
    let _ = writeln!(text, "\nload");
    for (model, load) in &report.models {
        let _ = write!(text, "  model {model}: {} runs, {}", load.count, pace(load, hours));
        let _ = match seconds.get(model) {
            Some(known) => writeln!(
                text,
                "; {:.1} minutes of the engine, at {:.2} s a run (median of {})",
                load.count as f64 * known.median / 60.0,
                known.median,
                known.jobs
            ),
            None => writeln!(text, "; it has not run yet, so that nobody knows how long it takes"),
        };
    }
    for (peer, load) in &report.peers {
        let _ = writeln!(
            text,
            "  peer {peer}: {} objects, {}; {:.1} MB of originals",
            load.count,
            pace(load, hours),
            load.bytes as f64 / 1e6
        );
    }
    if report.models.is_empty() && report.peers.is_empty() {
        let _ = writeln!(text, "  none: no rule runs a model or sends anything");
    }
}

fn pace(load: &Load, hours: f64) -> String {
    let busiest = load.busiest().map(|(hour, count)| {
        let hour = when(hour);
        format!(", {count} in the busiest hour ({})", &hour[..hour.len() - 3])
    });
    format!("{:.2} an hour{}", load.count as f64 / hours, busiest.unwrap_or_default())
}

/// On a terminal a line that is written over, elsewhere one now and then.
struct Progress {
    terminal: bool,
    last: std::cell::Cell<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), last: Instant::now().into() }
    }

    fn tell(&self, done: u64, all: u64) {
        let between = Duration::from_secs(if self.terminal { 1 } else { 10 });
        if self.last.get().elapsed() < between {
            return;
        }
        self.last.set(Instant::now());
        match self.terminal {
            true => eprint!("\r{done} of {all} series"),
            false => eprintln!("{done} of {all} series"),
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
