//! Station retain: evicts what is decided, delivered and old, every few minutes, and tells of what it may not evict.

use crate::audit::{self, Audit, commands};
use crate::cli::{RetentionArguments, user_name};
use crate::config::Config;
use crate::explain::when;
use crate::output::say;
use crate::serve::store_options;
use gantry_store::error::StoreError;
use gantry_store::events::Event;
use gantry_store::evict::{Evicted, Round};
use gantry_store::reader::Reader;
use gantry_store::retention::{Holding, Need, Plan, Policy, Stays, Verdict, Wanted};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After the start, so that what a crash left half-done does not wait.
const SOON: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(120);

/// Runs until told to stop; a round that is cut short is ended by a later one.
pub async fn run(store: Store, policy: Policy, audit: Audit, stop: CancellationToken) {
    let mut told = None;
    let mut pause = SOON;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = between(&policy);
        let stays = tokio::select! {
            () = stop.cancelled() => return,
            round = round(&store, &policy, &audit) => round,
        };
        match stays {
            Ok(stays) => tell(&store, &stays, &mut told).await,
            Err(error) => tracing::error!(station = "retain", %error, "a round failed"),
        }
    }
}

/// Often enough that a short age is kept to.
fn between(policy: &Policy) -> Duration {
    let of_age = policy.keep.map_or(EVERY, |keep| keep / 100);
    of_age.clamp(SOON, EVERY)
}

async fn round(store: &Store, policy: &Policy, audit: &Audit) -> Result<Vec<Wanted>, StoreError> {
    let disk = store.disk().await?;
    let round = store.retain(policy, disk, Moment::now()).await?;
    if audit.is_on() {
        let messages = commands::evicted(store.reader(), &round.evicted, None).await?;
        audit.tell_all(messages);
    }
    Ok(round.stays)
}

/// Once for as long as the same needs hold something.
async fn tell(store: &Store, stays: &[Wanted], told: &mut Option<Vec<Reason>>) {
    let reasons = (!stays.is_empty()).then(|| reasons(stays));
    if *told == reasons {
        return;
    }
    *told = reasons;
    let Some(text) = in_words(stays) else { return };
    tracing::warn!(station = "retain", text, "segments may not be evicted");
    let (station, kind) = ("retain".into(), "not evicted".into());
    if let Err(error) = store.note(Event { station, kind, subject: None, text }).await {
        tracing::error!(station = "retain", %error, "an event could not be noted");
    }
}

/// What holds something, without how much.
type Reason = (Option<(Need, Option<String>)>, Option<Stays>);

fn reasons(stays: &[Wanted]) -> Vec<Reason> {
    let needs = merged(stays).into_iter().map(|one| (Some((one.need, one.peer)), None));
    needs.chain(own_reasons(stays).map(|(_, why)| (None, Some(why.clone())))).collect()
}

/// Those that are not by what is needed alone.
fn own_reasons(stays: &[Wanted]) -> impl Iterator<Item = (u32, &Stays)> {
    stays.iter().filter_map(|one| match &one.verdict {
        Verdict::Stay(why) if !matches!(why, Stays::Needed | Stays::NeededMeanwhile) => {
            Some((one.segment, why))
        }
        _ => None,
    })
}

/// The needs of all of them; the series are the first ones'.
fn merged(stays: &[Wanted]) -> Vec<Holding> {
    let mut merged: Vec<Holding> = Vec::new();
    for holding in stays.iter().flat_map(|one| &one.holdings) {
        match merged.iter_mut().find(|one| one.need == holding.need && one.peer == holding.peer) {
            Some(one) => one.instances += holding.instances,
            None => merged.push(holding.clone()),
        }
    }
    merged.sort_by_key(|one| one.need);
    merged
}

/// What should go and may not, or nothing.
fn in_words(stays: &[Wanted]) -> Option<String> {
    let first = stays.first()?;
    let megabytes = stays.iter().map(|one| one.bytes).sum::<u64>() as f64 / 1e6;
    let mut needs: Vec<String> = merged(stays).iter().map(ToString::to_string).collect();
    needs.extend(own_reasons(stays).map(|(segment, why)| format!("segment {segment}: {why}")));
    Some(format!(
        "{} segments ({megabytes:.1} MB, from segment {} on) should go and may not: {}",
        stays.len(),
        first.segment,
        needs.join(", ")
    ))
}

/// `gantry retention`: the plan, or one round while no node runs.
pub async fn command(
    arguments: &RetentionArguments,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(&arguments.config.config)?;
    let Some(policy) = config.retention else {
        say("nothing is ever evicted: the configuration has no [retention]\n")?;
        return Ok(ExitCode::SUCCESS);
    };
    if arguments.dry_run {
        let reader = Store::open_reader(&config.data).await?;
        let disk = reader.disk().await?;
        say(&planned(&reader.retention_plan(&policy, disk, Moment::now()).await?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let store = match Store::open(store_options(&config)).await {
        Err(StoreError::InUse(folder)) => {
            let folder = folder.display();
            eprintln!(
                "gantry: a node runs on {folder}, which does this by itself\n  help: --dry-run shows \
                 what it would do"
            );
            return Ok(ExitCode::FAILURE);
        }
        store => store?,
    };
    let round = told_round(&config, &store, &policy).await;
    store.close().await;
    let round = round?;
    let mut text = String::new();
    for Evicted { segment, instances, carried, .. } in &round.evicted {
        text.push_str(&format!(
            "segment {segment} is evicted: {instances} instances, {carried} written anew before\n"
        ));
    }
    for stays in &round.stays {
        text.push_str(&format!("{stays}\n"));
    }
    text.push_str(&format!("{} segments evicted\n", round.evicted.len()));
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing is taken away that cannot be told.
async fn told_round(
    config: &Config,
    store: &Store,
    policy: &Policy,
) -> Result<Round, Box<dyn std::error::Error>> {
    audit::record(config, |_| Vec::new())?;
    let disk = store.disk().await?;
    let round = store.retain(policy, disk, Moment::now()).await?;
    let by = user_name();
    let messages = commands::evicted(store.reader(), &round.evicted, Some(&by)).await?;
    audit::record(config, messages)?;
    Ok(round)
}

fn planned(plan: &Plan) -> String {
    let mut text = String::new();
    for wanted in &plan.wanted {
        text.push_str(&format!("{wanted}; the newest arrived {}\n", when(wanted.newest)));
    }
    text.push_str(&format!(
        "{} segments are not due: too young, not in the way, or still growing\n",
        plan.others
    ));
    text
}

/// The lines of `gantry status`.
pub async fn status(reader: &Reader, policy: Option<&Policy>) -> Result<String, StoreError> {
    let disk = reader.disk().await?;
    let (kept, used) = (reader.retained().await?, disk.percent());
    let mut text = format!("retain    {}; {used:.1} % of the disk used", rule(policy));
    if let Some(oldest) = kept.oldest {
        text.push_str(&format!(", the oldest kept arrived {}", when(oldest)));
    }
    text.push('\n');
    if let Some((segment, at)) = kept.last_evicted {
        text.push_str(&format!("          last evicted: segment {segment} at {}\n", when(at)));
    }
    let Some(policy) = policy else { return Ok(text) };
    let plan = reader.retention_plan(policy, disk, Moment::now()).await?;
    let mut stays = plan.wanted;
    stays.retain(|wanted| matches!(wanted.verdict, Verdict::Stay(_)));
    if let Some(words) = in_words(&stays) {
        text.push_str(&format!("          {words}\n"));
    }
    Ok(text)
}

fn rule(policy: Option<&Policy>) -> String {
    let Some(Policy { keep, watermark_percent }) = policy else {
        return "nothing is ever evicted (no [retention])".into();
    };
    let days = keep.map(|keep| match keep.as_secs_f64() / 86400.0 {
        days if days < 1.0 => format!("{:.1} s are kept", keep.as_secs_f64()),
        days => format!("{} days are kept", (days * 100.0).round() / 100.0),
    });
    let percent = watermark_percent.map(|percent| format!("the oldest goes above {percent} %"));
    [days, percent].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_store::retention::Why;
    use gantry_terms::uid::Uid;

    fn stays(segment: u32, need: Need, instances: u64, peer: Option<&str>) -> Wanted {
        let series = Uid::parse(&format!("1.2.{segment}")).expect("a UID");
        Wanted {
            segment,
            bytes: 1_000_000,
            instances: 10,
            newest: Moment(0),
            why: Why::Age,
            holdings: vec![Holding { need, instances, series, peer: peer.map(Into::into) }],
            verdict: Verdict::Stay(Stays::Needed),
        }
    }

    #[test]
    fn what_holds_segments_is_told_in_one_sentence() {
        assert_eq!(in_words(&[]), None);
        let mut damaged = stays(9, Need::Delivery, 1, Some("PACS"));
        damaged.verdict = Verdict::Stay(Stays::Damaged(Uid::parse("1.2.9.1").expect("a UID")));
        let three =
            [stays(3, Need::Delivery, 7, Some("PACS")), stays(4, Need::Decision, 5, None), damaged];
        assert_eq!(
            in_words(&three).expect("something"),
            "3 segments (3.0 MB, from segment 3 on) should go and may not: 5 not decided (series \
             1.2.4), 8 to deliver to PACS (series 1.2.3), segment 9: the record of 1.2.9.1 is \
             needed and damaged: see gantry verify"
        );
    }

    #[test]
    fn the_same_reasons_are_the_same_however_much_they_hold() {
        let reason = |instances, peer| reasons(&[stays(3, Need::Delivery, instances, Some(peer))]);
        assert_eq!(reason(7, "PACS"), reason(8, "PACS"));
        assert_ne!(reason(7, "PACS"), reason(7, "OTHER"));
    }

    #[test]
    fn a_round_comes_every_two_minutes_and_sooner_for_a_short_age() {
        let policy = |days: f64| Policy {
            keep: Some(Duration::from_secs_f64(days * 86400.0)),
            watermark_percent: None,
        };
        assert_eq!(between(&policy(30.0)), EVERY);
        assert_eq!(between(&policy(1.0 / 24.0)), Duration::from_secs(36));
        assert_eq!(between(&policy(0.0001)), SOON);
        assert_eq!(between(&Policy { keep: None, watermark_percent: Some(80.0) }), EVERY);
    }
}
