//! What `gantry status` counts, for a monitoring system: text in Prometheus' format, over HTTP or on standard output.

pub mod server;
mod text;

use crate::audit::told;
use crate::config::{AuditConfig, Config};
use crate::output::say;
use crate::tls::{Expiry, expiries};
use gantry_store::error::StoreError;
use gantry_store::reader::Reader;
use gantry_store::rule_sets::LoadOutcome;
use gantry_store::store::Store;
use std::path::Path;
use std::process::ExitCode;
use text::Text;

/// `gantry status --metrics`: for a collector of text files.
pub async fn print(file: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(file)?;
    let reader = Store::open_reader(&config.data).await?;
    say(&read(&reader, &config).await?)?;
    Ok(ExitCode::SUCCESS)
}

/// All of it from the database and the files of `[tls]` and `[audit]`, so that it is the same beside a running node and after a restart.
/// Labels are names of the configuration and words of the node, nothing that a peer sent.
pub async fn read(reader: &Reader, config: &Config) -> Result<String, StoreError> {
    let mut text = Text::default();
    if let Some(files) = &config.tls {
        let help = "When a certificate ends, in seconds since 1970.";
        text.metric("gantry_certificate_not_after_seconds", "gauge", help);
        for Expiry { what, not_after } in expiries(files) {
            text.value(&[("certificate", &what)], u64::try_from(not_after).unwrap_or(0));
        }
    }
    if let Some(trail) = &config.audit {
        audit(&mut text, trail);
    }
    rules(&mut text, reader).await?;
    let summary = reader.summary().await?;
    text.metric("gantry_instances_kept", "gauge", "Instances that are here.");
    text.value(&[], summary.instances);
    text.metric("gantry_instances_evicted", "gauge", "Instances that retention took away.");
    text.value(&[], summary.evicted);
    text.metric("gantry_segment_bytes", "gauge", "Bytes of all segments on disk.");
    text.value(&[], summary.bytes);
    text.metric("gantry_series", "gauge", "Series by state.");
    let series = summary.series;
    for (state, count) in [
        ("receiving", series.receiving),
        ("complete", series.complete),
        ("decided", series.decided),
        ("made", series.made),
    ] {
        text.value(&[("state", state)], count);
    }
    text.metric("gantry_jobs", "gauge", "Jobs by model and state.");
    for model in &summary.jobs {
        for (state, count) in [
            ("queued", model.queued),
            ("running", model.running),
            ("finished", model.finished),
            ("failed", model.failed),
            ("superseded", model.superseded),
        ] {
            text.value(&[("model", &model.model), ("state", state)], count);
        }
    }
    text.metric("gantry_outbox", "gauge", "Deliveries by peer and state.");
    for peer in &summary.outbox {
        for (state, count) in [
            ("queued", peer.queued),
            ("delivered", peer.delivered),
            ("parked", peer.parked),
            ("dropped", peer.dropped),
        ] {
            text.value(&[("peer", &peer.peer), ("state", state)], count);
        }
    }
    text.metric("gantry_outbox_paused", "gauge", "1 while an admin has paused the peer.");
    for state in &summary.peers {
        text.value(&[("peer", &state.peer)], u64::from(state.paused.is_some()));
    }
    let help = "How often in a row the peer could not be reached or took nothing; 0: it is well.";
    text.metric("gantry_outbox_peer_failures", "gauge", help);
    for state in &summary.peers {
        let failures = state.trouble.as_ref().map_or(0, |trouble| trouble.failures);
        text.value(&[("peer", &state.peer)], u64::from(failures));
    }
    let help = "Instances that a peer took, by what it promised (storage commitment), or whether it finds them (C-FIND).";
    text.metric("gantry_commitment", "gauge", help);
    for count in reader.proof_counts().await? {
        for (state, count_of) in [
            ("wanted", count.wanted),
            ("asked", count.asked),
            ("committed", count.committed),
            ("found", count.found),
            ("lost", count.lost),
        ] {
            text.value(&[("peer", &count.peer), ("state", state)], count_of);
        }
    }
    text.metric("gantry_associations_total", "counter", "Associations by the kind of their end.");
    for (kind, count) in reader.association_counts().await? {
        text.value(&[("kind", &kind)], count);
    }
    Ok(text.end())
}

fn audit(text: &mut Text, trail: &AuditConfig) {
    let counted = told::counted(trail);
    text.metric("gantry_audit_bytes", "gauge", "Bytes of the audit trail on disk.");
    text.value(&[], counted.bytes);
    let help = "Audit messages that never came into the trail.";
    text.metric("gantry_audit_lost_total", "counter", help);
    text.value(&[], counted.lost);
    text.metric("gantry_audit_fault", "gauge", "1 while the audit trail cannot be written.");
    text.value(&[], u64::from(!counted.is_recorded));
    let Some(unsent) = counted.unsent_bytes else { return };
    text.metric("gantry_audit_unsent_bytes", "gauge", "Of the trail, what the collector lacks.");
    text.value(&[], unsent);
    let help = "1 while the collector of the audit trail takes nothing.";
    text.metric("gantry_audit_collector_fault", "gauge", help);
    text.value(&[], u64::from(!counted.is_sent));
}

async fn rules(text: &mut Text, reader: &Reader) -> Result<(), StoreError> {
    let state = reader.rules_state().await?;
    text.metric("gantry_rules_in_force_info", "gauge", "The digest of the rules in force.");
    if let Some(state) = &state {
        text.value(&[("digest", &state.taken.digest)], 1);
    }
    let help = "1 while the rules on disk are broken and earlier ones stay in force.";
    text.metric("gantry_rules_fault", "gauge", help);
    text.value(&[], u64::from(state.is_some_and(|state| state.refused.is_some())));
    let help = "How often changed rules were taken, refused, or gone again after a refusal.";
    text.metric("gantry_rules_reloads_total", "counter", help);
    for outcome in LoadOutcome::ALL {
        text.value(&[("outcome", outcome.as_str())], reader.rule_reloads(outcome).await?);
    }
    let counts = reader.decision_counts().await?;
    text.metric("gantry_decisions_total", "counter", "Verdicts of rules.");
    let (runs, skipped) =
        counts.values().fold((0, 0), |sum, one| (sum.0 + one.runs, sum.1 + one.skipped));
    text.value(&[("outcome", "runs")], runs);
    text.value(&[("outcome", "skipped")], skipped);
    Ok(())
}
