//! `gantry outbox`: what waits for which peer, and what an admin may do about it: try again, drop, pause, resume.

use crate::cli::{
    OutboxCommand, OutboxListArguments, OutboxMeantArguments, OutboxPeerArguments,
    OutboxRetryArguments, SaidArguments,
};
use crate::config::Config;
use crate::explain::work::{PeersNow, closed, fate, in_trouble, instead};
use crate::output::say;
use crate::status::in_words;
use gantry_store::outbox::commands;
use gantry_store::outbox::listed::{Meant, What};
use gantry_store::outbox::{DeliveryRow, DeliveryState, Said};
use gantry_store::store::Store;
use gantry_store::summary::PeerCounts;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

pub async fn run(command: &OutboxCommand) -> Result<ExitCode, Failure> {
    match command {
        OutboxCommand::List(arguments) => list(arguments).await,
        OutboxCommand::Retry(arguments) => retry(arguments).await,
        OutboxCommand::Drop(arguments) => drop(arguments).await,
        OutboxCommand::Pause(arguments) => pause(arguments).await,
        OutboxCommand::Resume(arguments) => resume(arguments).await,
    }
}

async fn list(arguments: &OutboxListArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let reader = Store::open_reader(&config.data).await?;
    let states = match (arguments.parked, arguments.dropped) {
        (false, false) => vec![DeliveryState::Queued, DeliveryState::Parked],
        (parked, dropped) => [(parked, DeliveryState::Parked), (dropped, DeliveryState::Dropped)]
            .into_iter()
            .filter_map(|(is_wanted, state)| is_wanted.then_some(state))
            .collect(),
    };
    let peer = arguments.peer.as_deref();
    let peers = PeersNow { states: reader.peer_states().await?, config: &config };
    let mut text = String::new();
    let counts = reader.peer_counts().await?;
    for counts in counts.iter().filter(|counts| peer.is_none_or(|peer| counts.peer == peer)) {
        tell_peer(&mut text, counts, &peers);
        for state in &states {
            let rows = reader.outbox(Some(&counts.peer), *state, arguments.limit).await?;
            rows.iter().for_each(|row| tell(&mut text, row, &peers));
            let hidden = count(counts, *state).saturating_sub(rows.len() as u64);
            if hidden > 0 {
                let state = state.as_str();
                text.push_str(&format!("  and {hidden} more {state}; --limit shows more\n"));
            }
        }
    }
    if text.is_empty() {
        text.push_str("nothing was ever queued");
        text.push_str(&peer.map(|peer| format!(" for {peer}")).unwrap_or_default());
        text.push('\n');
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn tell_peer(text: &mut String, counts: &PeerCounts, peers: &PeersNow<'_>) {
    let PeerCounts { peer, queued, parked, dropped, .. } = counts;
    let state = peers.states.iter().find(|state| state.peer == *peer);
    text.push_str(&format!("{peer}: {queued} queued, {parked} parked, {dropped} dropped\n"));
    if let Some((at, said)) = state.and_then(|state| state.paused.as_ref()) {
        text.push_str(&format!("  paused since {}\n", in_words(*at, said)));
    }
    if let Some(times) = closed(peers.config, peer) {
        text.push_str(&format!("  {times}\n"));
    }
    if let Some(trouble) = state.and_then(|state| state.trouble.as_ref()) {
        text.push_str(&format!("  {}\n", in_trouble(trouble)));
    }
}

/// The number is what `retry` and `drop` take.
fn tell(text: &mut String, row: &DeliveryRow, peers: &PeersNow<'_>) {
    let instead = instead(row);
    text.push_str(&format!(
        "  {:>6}  {}{instead}  {}\n",
        row.id,
        row.sop_instance,
        fate(row, peers)
    ));
}

fn count(counts: &PeerCounts, state: DeliveryState) -> u64 {
    match state {
        DeliveryState::Queued => counts.queued,
        DeliveryState::Delivered => counts.delivered,
        DeliveryState::Parked => counts.parked,
        DeliveryState::Dropped => counts.dropped,
    }
}

async fn retry(arguments: &OutboxRetryArguments) -> Result<ExitCode, Failure> {
    let (as_it_is, arguments) = (arguments.as_it_is, &arguments.meant);
    if as_it_is && arguments.said.why.trim().is_empty() {
        return Err(
            "say why with --why: the history keeps it beside what is sent all the same".into()
        );
    }
    let config = Config::load(&arguments.config.config)?;
    let meant = meant(arguments)?;
    let tried = commands::retry(&config.data, &meant, &said(&arguments.said), as_it_is).await?;
    tell_done(tried, "tried again", &meant)
}

async fn drop(arguments: &OutboxMeantArguments) -> Result<ExitCode, Failure> {
    if arguments.said.why.trim().is_empty() {
        return Err("say why with --why: the history keeps it beside what was dropped".into());
    }
    let config = Config::load(&arguments.config.config)?;
    let meant = meant(arguments)?;
    let dropped = commands::drop(&config.data, &meant, &said(&arguments.said)).await?;
    tell_done(dropped, "dropped", &meant)
}

fn tell_done(count: u64, done: &str, meant: &Meant) -> Result<ExitCode, Failure> {
    if count == 0 {
        let to = meant.peer.as_ref().map(|peer| format!(" to {peer}")).unwrap_or_default();
        eprintln!(
            "gantry: no such delivery{to} waits or is parked\n  help: `gantry outbox list` lists them"
        );
        return Ok(ExitCode::FAILURE);
    }
    let deliveries = if count == 1 { "delivery" } else { "deliveries" };
    say(&format!("{count} {deliveries} {done}\n"))?;
    Ok(ExitCode::SUCCESS)
}

async fn pause(arguments: &OutboxPeerArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let peer = receiver(&config, &arguments.peer)?;
    commands::pause(&config.data, peer.as_str(), &said(&arguments.said)).await?;
    say(&format!("{peer} is paused: `gantry outbox resume {peer}` goes on\n"))?;
    Ok(ExitCode::SUCCESS)
}

async fn resume(arguments: &OutboxPeerArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let peer = receiver(&config, &arguments.peer)?;
    commands::resume(&config.data, peer.as_str(), &said(&arguments.said)).await?;
    say(&format!("{peer} goes on\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn receiver(config: &Config, written: &str) -> Result<AeTitle, Failure> {
    let known: Vec<&AeTitle> = config
        .peers
        .iter()
        .filter_map(|(name, peer)| peer.address.is_some().then_some(name))
        .collect();
    match known.iter().find(|name| name.as_str() == written) {
        Some(name) => Ok((*name).clone()),
        None => {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            let known = known.join(", ");
            Err(format!(
                "no peer {written:?} with an address in the configuration; those are: {known}"
            )
            .into())
        }
    }
}

fn meant(arguments: &OutboxMeantArguments) -> Result<Meant, Failure> {
    let written = arguments.what.as_str();
    let what = match (written, written.parse()) {
        ("all", _) => What::All,
        (_, Ok(number)) => What::Number(number),
        _ => What::Uid(Uid::parse(written).map_err(|why| {
            format!("{written:?} is neither `all`, nor a number of `gantry outbox list`, nor a UID: {why}")
        })?),
    };
    Ok(Meant { what, peer: arguments.peer.clone() })
}

fn said(arguments: &SaidArguments) -> Said {
    Said { by: arguments.who(), why: arguments.why.clone() }
}
