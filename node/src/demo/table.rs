//! The demo's end: what was sent, what was decided and found, what the PACS received, and how long the road took.

use super::pacs::Pacs;
use super::picture;
use super::{Failure, Sent};
use crate::output::line;
use crate::phantom::Truth;
use crate::serve::Node;
use crate::transcode;
use gantry_store::jobs::JobState;
use gantry_store::outbox::DeliveryState;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::path::Path;

const COMPREHENSIVE_3D_SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";
const MULTI_FRAME_TRUE_COLOR_SC: &str = "1.2.840.10008.5.1.4.1.1.7.4";

/// One result, as it was laid into the folder.
pub struct Laid {
    pub what: &'static str,
    pub sop_instance: Uid,
    pub bytes: usize,
    pub file: String,
}

/// Lays the results into a folder: as the demo's PACS received them, or, where a real PACS has
/// them, as the node sent them.
pub async fn lay_out(
    node: &Node,
    sent: &Sent,
    pacs: &Pacs,
    to: &Path,
) -> Result<Vec<Laid>, Failure> {
    std::fs::create_dir_all(to)
        .map_err(|error| format!("cannot make the folder {}: {error}", to.display()))?;
    let received = pacs.received();
    let mut laid = Vec::new();
    for series in &sent.series {
        let deliveries = node.store.deliveries(series).await?;
        for job in node.store.jobs(series).await? {
            for sop_instance in &job.results {
                let Some(kept) = node.store.object(sop_instance).await? else { continue };
                let arrived = received.iter().find(|r| r.sop_instance == *sop_instance);
                let was_taken = deliveries.iter().any(|delivery| {
                    delivery.is_of(sop_instance) && delivery.state == DeliveryState::Delivered
                });
                let received_it = match pacs {
                    Pacs::Own { .. } => arrived.is_some(),
                    Pacs::Elsewhere { .. } => was_taken,
                };
                if !received_it {
                    continue;
                }
                let data_set = match arrived {
                    Some(received) => received.data_set.clone(),
                    None => transcode::data_set_of(&kept).map(|d| d.to_vec()).unwrap_or_default(),
                };
                let head = kept.len().saturating_sub(data_set.len());
                let file = [&kept[..head], &data_set].concat();
                let number = laid.len() + 1;
                laid.push(lay_one(node, sop_instance, &file, &data_set, to, number).await?);
            }
        }
    }
    Ok(laid)
}

async fn lay_one(
    node: &Node,
    sop_instance: &Uid,
    file: &[u8],
    data_set: &[u8],
    to: &Path,
    number: usize,
) -> Result<Laid, Failure> {
    let row = node.store.instance(sop_instance).await?.ok_or("a result is not in the index")?;
    let (what, short) = match row.identity.sop_class.as_str() {
        COMPREHENSIVE_3D_SR => ("Comprehensive 3D SR", "sr"),
        MULTI_FRAME_TRUE_COLOR_SC => ("Secondary Capture, colour", "sc"),
        _ => ("DICOM object", "object"),
    };
    let name = format!("{number}-{short}.dcm");
    std::fs::write(to.join(&name), file)?;
    if short == "sc" {
        picture::write_png(data_set, &to.join(format!("{number}-overlay.png")))?;
    }
    Ok(Laid { what, sop_instance: sop_instance.clone(), bytes: file.len(), file: name })
}

pub async fn print(node: &Node, sent: &Sent, laid: &[Laid]) -> Result<(), Failure> {
    for series in &sent.series {
        line!("Series {series}");
        for decision in node.store.decisions(series).await? {
            line!("  rule \"{}\"\n    {}", decision.rule, decision.reason);
        }
        for row in node.store.jobs(series).await? {
            match (row.state, &row.findings) {
                (JobState::Failed, _) => {
                    let reason = row.reason.as_deref().unwrap_or_default();
                    line!("  model {}: failed: {reason}", row.job.model);
                }
                (_, Some(findings)) => print_findings(sent, findings),
                (_, None) => {}
            }
        }
        for delivery in node.store.deliveries(series).await? {
            if delivery.state != DeliveryState::Delivered {
                let reason = delivery.reason.as_deref().unwrap_or("still queued");
                line!("  not delivered to {}: {reason}", delivery.peer);
            }
        }
    }
    line!("Objects that the PACS received");
    for object in laid {
        line!(
            "  {:<26} {:>9} bytes  {:<10} {}",
            object.what,
            object.bytes,
            object.file,
            object.sop_instance
        );
    }
    if laid.is_empty() {
        line!("  none");
    }
    Ok(())
}

/// Each figure, beside the phantom's truth where there is one.
fn print_findings(sent: &Sent, findings: &serde_json::Value) {
    line!(
        "  {:<52} {:>12} {:<8} {:>12}",
        "found",
        "value",
        "unit",
        if sent.truth.is_some() { "truth" } else { "" }
    );
    for found in findings.as_array().into_iter().flatten() {
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_string();
        let said = found["presence"].as_str().or(found["answer"].as_str());
        let value = match (found["value"].as_f64(), said) {
            (Some(value), _) => format!("{value:.3}"),
            (None, Some(said)) => said.to_string(),
            (None, None) => "no value".into(),
        };
        let truth = sent.truth.as_ref().and_then(|truth| truth_of(truth, &text("key")));
        let truth = truth.map(|truth| format!("{truth:.3}")).unwrap_or_default();
        line!("  {:<52} {value:>12} {:<8} {truth:>12}", text("concept"), text("unit"));
    }
}

/// The phantom's truth for a figure of the shipped model, by the key of its manifest.
fn truth_of(truth: &Truth, key: &str) -> Option<f64> {
    match key {
        "lung-volume" => Some(truth.lung_volume_ml),
        "laa-950" => Some(truth.laa950_percent),
        "mean-density" => Some(truth.mean_lung_hu),
        _ => None,
    }
}

/// Where the time went between the last C-STORE response and the last result's arrival.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub whole: f64,
    pub quiet: f64,
    pub model: f64,
}

impl Times {
    /// What the node itself took: completing, deciding, assembling, composing, keeping, delivering.
    pub fn rest(&self) -> f64 {
        (self.whole - self.quiet - self.model).max(0.0)
    }
}

/// Times in seconds; nothing when no result arrived.
pub async fn times(
    node: &Node,
    sent: &Sent,
    pacs: &Pacs,
    last_response: Moment,
) -> Result<Option<Times>, Failure> {
    let received = pacs.received();
    let (mut last, mut model) = (None, 0.0);
    for series in &sent.series {
        let deliveries = node.store.deliveries(series).await?;
        for job in node.store.jobs(series).await? {
            model += job.seconds.unwrap_or_default();
            for instance in &job.results {
                let arrived = received.iter().find(|r| r.sop_instance == *instance).map(|r| r.at);
                let answered = deliveries.iter().find(|d| d.is_of(instance));
                last = last.max(arrived.or(answered.and_then(|d| d.delivered_at)));
            }
        }
    }
    Ok(last.map(|last| Times {
        whole: last.since(last_response).as_secs_f64(),
        quiet: node.config.complete.quiet.as_secs_f64(),
        model,
    }))
}

pub fn print_times(times: &Times) {
    line!(
        "\nFrom the last C-STORE response to the last result at the PACS: {:.2} s\n  \
         quiet time {:.2} s, model {:.2} s, everything else {:.2} s",
        times.whole,
        times.quiet,
        times.model,
        times.rest()
    );
}
