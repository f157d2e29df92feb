//! `gantry status`: what is where, what failed, and what was refused.

use crate::associations::counted;
use crate::audit;
use crate::config::Config;
use crate::explain::when;
use crate::explain::work::{closed, in_trouble};
use crate::output::say;
use crate::retain;
use crate::rules;
use crate::tls;
use gantry_routing::complete::learned::Learned;
use gantry_routing::complete::pace::{Times, seconds};
use gantry_store::outbox::Said;
use gantry_store::proofs::ProofCount;
use gantry_store::store::Store;
use gantry_store::summary::Summary;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use std::path::Path;
use std::process::ExitCode;

pub async fn run(file: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(file)?;
    let reader = Store::open_reader(&config.data).await?;
    let summary = reader.summary().await?;
    let mut text = String::new();
    if let Some(counted) = counted(&reader.association_counts().await?) {
        text.push_str(&format!("receive   {counted}\n"));
    }
    for expiry in config.tls.iter().flat_map(tls::expiries) {
        text.push_str(&format!("tls       {}\n", tls::told(&expiry)));
    }
    if let Some(trail) = &config.audit {
        text.push_str(&audit::told::status(trail));
    }
    text.push_str(&rules::status(reader.rules_state().await?.as_ref()));
    text.push_str(&told(&summary, &config));
    text.push_str(&retain::status(&reader, config.retention.as_ref()).await?);
    for count in reader.proof_counts().await? {
        tell_proofs(&mut text, &count, config.seeks(&count.peer));
    }
    for peer in reader.peers_with_a_pace().await? {
        let learned = Learned::read(&reader, &peer).await?;
        tell_pace(&mut text, &peer, &config.times_for(&peer), &learned);
    }
    if !summary.events.is_empty() {
        text.push_str("last events\n");
    }
    for row in &summary.events {
        let (at, event) = (when(row.at), &row.event);
        text.push_str(&format!("  {at}  {:<9} {}", event.station, event.text));
        if let Some(subject) = event.subject.as_ref().filter(|it| !event.text.contains(*it)) {
            text.push_str(&format!(" [{subject}]"));
        }
        text.push('\n');
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn told(summary: &Summary, config: &Config) -> String {
    let mut text = format!(
        "keep      {} instances in {} segments, {:.1} MB{}\n",
        summary.instances,
        summary.segments,
        summary.bytes as f64 / 1e6,
        match summary.evicted {
            0 => String::new(),
            evicted => format!("; {evicted} instances evicted"),
        }
    );
    text.push_str(&format!(
        "complete  {} series receiving, {} waiting for a decision, {} decided; {} studies waiting\n",
        summary.series.receiving,
        summary.series.complete,
        summary.series.decided,
        summary.studies_waiting
    ));
    for model in &summary.jobs {
        text.push_str(&format!(
            "infer     {}: {} queued, {} running, {} finished, {} failed, {} overtaken\n",
            model.model,
            model.queued,
            model.running,
            model.finished,
            model.failed,
            model.superseded
        ));
        if let Some(reason) = &model.last_reason {
            text.push_str(&format!("          last failure: {reason}\n"));
        }
    }
    for peer in &summary.outbox {
        let dropped = match peer.dropped {
            0 => String::new(),
            dropped => format!(", {dropped} dropped"),
        };
        text.push_str(&format!(
            "deliver   {}: {} queued, {} delivered, {} parked{dropped}\n",
            peer.peer, peer.queued, peer.delivered, peer.parked
        ));
        let state = summary.peers.iter().find(|state| state.peer == peer.peer);
        if let Some((at, said)) = state.and_then(|state| state.paused.as_ref()) {
            text.push_str(&format!("          paused since {}\n", in_words(*at, said)));
        }
        if let Some(times) = closed(config, &peer.peer) {
            text.push_str(&format!("          {times}\n"));
        }
        if let Some(trouble) = state.and_then(|state| state.trouble.as_ref()) {
            text.push_str(&format!("          last trouble: {}\n", in_trouble(trouble)));
        } else if let Some(reason) = &peer.last_reason {
            let next =
                peer.next_try.map(|due| format!(", next try {}", when(due))).unwrap_or_default();
            text.push_str(&format!("          last trouble: {reason}{next}\n"));
        }
    }
    text
}

/// When, by whom and why.
pub(crate) fn in_words(at: Moment, said: &Said) -> String {
    let why = if said.why.is_empty() { String::new() } else { format!(": {}", said.why) };
    format!("{} by {}{why}", when(at), said.by)
}

/// What a peer took and has, or has not, promised to keep; of one that is asked by C-FIND, what it has.
fn tell_proofs(text: &mut String, count: &ProofCount, is_sought: bool) {
    let ProofCount { peer, wanted, asked, committed, found, lost, reason } = count;
    let before = |count: &u64, what: &str| match count {
        0 => String::new(),
        count => format!("{count} {what}, "),
    };
    let line = match is_sought {
        true => {
            let committed = before(committed, "committed");
            format!("{committed}{found} found at the peer, {wanted} to find, {lost} sent again")
        }
        false => {
            let found = before(found, "found at the peer");
            format!(
                "{committed} committed, {found}{asked} asked, {wanted} to ask, {lost} sent again"
            )
        }
    };
    text.push_str(&format!("commit    {peer}: {line}\n"));
    if let Some(reason) = reason {
        text.push_str(&format!("          last trouble: {reason}\n"));
    }
}

/// How long the series of a peer are waited for, and which numbers of its headers are believed.
fn tell_pace(text: &mut String, peer: &AeTitle, times: &Times, learned: &Learned) {
    text.push_str(&format!(
        "pace      {peer}: {}, {} behind a release; learned from {} series\n",
        times.quiet(&learned.pace, false),
        seconds(times.after_release(&learned.pace, None)),
        learned.pace.series
    ));
    for named in &learned.named {
        let believed = if named.believed { "" } else { ", not believed for now" };
        text.push_str(&format!(
            "          {} named the right number of images {} times, a wrong one {} times{believed}\n",
            named.attribute, named.came_true, named.failed
        ));
    }
}
