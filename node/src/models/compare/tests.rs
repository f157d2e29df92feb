//! Figures of a comparison, beside those that numpy gives.

use super::*;
use gantry_store::decisions::Level;
use gantry_store::jobs::{Job, Priority, Role};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde_json::json;

fn row(version: &str, state: JobState, findings: Value, seconds: f64, peak: u64) -> JobRow {
    let job = Job {
        batch: None,
        earlier: None,
        id: 1,
        level: Level::Series,
        study: Uid::derived(&["study"]),
        series: Some(Uid::derived(&["series"])),
        revision: 1,
        rule: "rule".into(),
        rules_digest: "d".into(),
        model: "lung".into(),
        model_digest: "g".into(),
        version: Some(version.into()),
        manifest_digest: None,
        role: Role::Live,
        beside: None,
        priority: Priority::Routine,
        shadow: false,
        selected: Vec::new(),
        selections: None,
        send_to: Vec::new(),
        send_as: Vec::new(),
        deidentify: None,
        regions: Default::default(),
        decided_at: Moment(0),
        attempts: 1,
    };
    JobRow {
        job,
        state,
        station: None,
        reason: (state == JobState::Failed).then(|| format!("{version} broke")),
        due_at: Moment(0),
        started_at: None,
        finished_at: None,
        seconds: (state == JobState::Finished).then_some(seconds),
        findings: Some(findings),
        results: Vec::new(),
        peak: Some(peak),
        ran_on: None,
        candidate_failed: None,
    }
}

fn found(volume: Option<f64>, presence: &str) -> Value {
    json!([
        {"key": "Emphysema", "concept": "Emphysema", "presence": presence},
        {"key": "volume", "concept": "Volume", "value": volume, "unit": "mL"},
    ])
}

fn pair(live: JobRow, candidate: JobRow, dice: Option<f64>) -> Pair {
    Pair { live, candidate, overlap: BTreeMap::from([("lung".to_string(), dice)]) }
}

/// numpy: `d = array([3.0, -1.5, 0.0])`, `d.mean()`, `d.std(ddof=1)`.
#[test]
fn figures_are_those_of_numpy() {
    use JobState::{Failed, Finished};
    let one =
        |volume, presence: &str, seconds| row("1", Finished, found(volume, presence), seconds, 100);
    let two =
        |volume, presence: &str, seconds| row("2", Finished, found(volume, presence), seconds, 300);
    let pairs = [
        pair(one(Some(10.0), "present", 1.0), two(Some(13.0), "present", 5.0), Some(0.5)),
        pair(one(Some(20.0), "absent", 2.0), two(Some(18.5), "present", 4.0), Some(0.75)),
        pair(one(Some(30.0), "absent", 3.0), two(Some(30.0), "absent", 6.0), None),
        pair(one(Some(40.0), "absent", 9.0), two(None, "absent", 6.0), Some(1.0)),
        pair(one(Some(1.0), "absent", 9.0), row("2", Failed, json!([]), 0.0, 0), Some(0.1)),
        pair(row("1", Failed, json!([]), 0.0, 0), two(Some(1.0), "absent", 9.0), Some(0.1)),
    ];
    let found = compared("lung", "2", &pairs, &[]);
    assert_eq!((found.runs, found.compared), (6, 4));
    assert_eq!(found.live, BTreeSet::from(["1".to_string()]));
    assert_eq!(found.candidate_failed.last_reason.as_deref(), Some("2 broke"));
    assert_eq!((found.live_failed.count, found.candidate_failed.count), (1, 1));

    let [volume] = found.measurements.as_slice() else { panic!("{:?}", found.measurements) };
    assert_eq!((volume.count, volume.equal, volume.only_live), (3, 1, 1));
    assert_eq!((volume.mean_difference, volume.largest_difference), (Some(0.5), Some(3.0)));
    let [low, high] = volume.limits_of_agreement.expect("three differences");
    let deviation = 2.291_287_847_477_92;
    assert!((low - (0.5 - 1.96 * deviation)).abs() < 1e-9, "{low}");
    assert!((high - (0.5 + 1.96 * deviation)).abs() < 1e-9, "{high}");

    let [answer] = found.answers.as_slice() else { panic!("{:?}", found.answers) };
    assert_eq!((answer.same, answer.count), (3, 4));
    assert_eq!(
        answer.table["absent"],
        BTreeMap::from([("absent".into(), 2), ("present".into(), 1)])
    );
    assert_eq!(answer.table["present"], BTreeMap::from([("present".into(), 1)]));

    let [mask] = found.masks.as_slice() else { panic!("{:?}", found.masks) };
    assert_eq!((mask.count, mask.mean_dice, mask.least_dice), (3, Some(0.75), Some(0.5)));
    assert_eq!(mask.both_empty, 1);
    assert_eq!(found.live_cost.median_seconds, Some(2.5));
    assert_eq!(found.candidate_cost.median_seconds, Some(5.5));
    assert_eq!(
        (found.live_cost.peak_bytes, found.candidate_cost.peak_bytes),
        (Some(100), Some(300))
    );
}

#[test]
fn nothing_to_compare_is_no_number_and_no_fault() {
    let none = compared("lung", "2", &[], &[]);
    assert_eq!((none.compared, none.live_cost.median_seconds), (0, None));
    let failed = row("1", JobState::Failed, json!([]), 0.0, 0);
    let given = JobRow { candidate_failed: Some("2: crashed".into()), ..failed };
    let canary = compared("lung", "2", &[], &[given]).canary;
    assert_eq!((canary.finished, canary.given_to_live.count), (0, 1));
}

#[test]
fn each_frame_of_a_cine_is_compared_with_its_own() {
    let frames = |areas: [f64; 3]| {
        let of = |(frame, area): (u32, f64)| json!({"key": "area", "concept": "Area", "value": area, "unit": "cm2", "frame": frame});
        Value::Array((1..).zip(areas).map(of).collect())
    };
    let finished = |version, areas| row(version, JobState::Finished, frames(areas), 1.0, 1);
    let pair = pair(finished("1", [1.0, 2.0, 3.0]), finished("2", [1.5, 2.0, 3.0]), None);
    let told = compared("lung", "2", &[pair], &[]);
    let area = &told.measurements[0];
    assert_eq!((told.measurements.len(), area.count, area.equal), (1, 3, 2));
    assert_eq!(area.largest_difference, Some(0.5), "of the first frame");
}
