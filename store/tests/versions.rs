//! Versions of a model: what was asked for is kept, a shadow waits for everything else, a candidate that fails costs nothing.

mod modality;

use gantry_store::decisions::{Candidate, Level, NewJob, Pinned};
use gantry_store::events::Event;
use gantry_store::jobs::{FinishedJob, JobState, Role};
use gantry_store::model_changes::{
    self, CandidateState, Change, ChangeState, NewChange, VersionState,
};
use gantry_store::shadows::KeptMask;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use modality::decider::{decide, instances, job, verdict};
use modality::{image, options, series, store};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::tempdir;

const MINUTE: Duration = Duration::from_secs(60);

fn version(version: &str) -> Candidate {
    let manifest_digest = format!("manifest {version}");
    Candidate { version: version.into(), model_digest: format!("graph {version}"), manifest_digest }
}

fn pinned(version: &str, role: Role, beside: Option<&str>) -> Pinned {
    Pinned {
        version: version.into(),
        manifest_digest: format!("manifest {version}"),
        role,
        beside: beside.map(self::version),
    }
}

/// One image, and one job on it.
async fn decided(store: &Store, of_series: u32, pinned: Pinned) {
    store.keep(image(of_series, 1)).await.expect("kept");
    let model_digest = format!("graph {}", pinned.version);
    let job = NewJob { pinned, model_digest, ..job(Level::Series, instances(of_series, &[1])) };
    decide(store, of_series, vec![verdict("rule", Level::Series, vec![job])]).await;
}

fn finished() -> FinishedJob {
    let (results, deliveries) = (Vec::new(), Vec::new());
    FinishedJob { findings: json!([]), results, deliveries, seconds: 1.0, peak: Some(7) }
}

fn mask() -> KeptMask {
    KeptMask { key: "lung".into(), voxels: 9, runs: vec![4, 5] }
}

#[tokio::test]
async fn a_shadow_begins_when_its_live_job_has_ended_and_nothing_else_waits() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, pinned("1", Role::Live, Some("2"))).await;
    decided(&store, 2, pinned("1", Role::Live, None)).await;
    assert_eq!(store.lease_shadow(MINUTE).await.expect("asked"), None, "its live job waits");

    let live = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!((live.role, live.version.as_deref()), (Role::Live, Some("1")));
    assert_eq!(live.manifest_digest.as_deref(), Some("manifest 1"));
    assert!(store.is_shadowed(live.id).await.expect("asked"));
    store.keep_masks(live.id, &[mask()]).await.expect("kept");
    store.keep_masks(live.id, &[mask()]).await.expect("kept once");
    store.finish_job(live.id, finished()).await.expect("finished");
    assert!(store.live_work_waits().await.expect("asked"), "of the other series");
    assert_eq!(store.lease_shadow(MINUTE).await.expect("asked"), None);

    let other = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert!(!store.is_shadowed(other.id).await.expect("asked"));
    assert_eq!(store.lease_shadow(MINUTE).await.expect("asked"), None, "it runs");
    store.finish_job(other.id, finished()).await.expect("finished");
    assert_eq!(store.next_job_due().await.expect("asked"), None, "a shadow wakes nobody");
    assert_eq!(store.lease_job("a", MINUTE).await.expect("asked"), None, "nor does anybody get it");

    let shadow = store.lease_shadow(MINUTE).await.expect("asked").expect("a shadow");
    assert_eq!((shadow.role, shadow.beside), (Role::Shadow, Some(live.id)));
    assert_eq!((shadow.version.as_deref(), shadow.model_digest.as_str()), (Some("2"), "graph 2"));
    assert_eq!((&shadow.selected, shadow.shadow), (&live.selected, true));
    assert!(shadow.send_to.is_empty());
    assert!(!store.live_work_waits().await.expect("asked"));

    store.put_back_shadow(shadow.id).await.expect("put back");
    let again = store.lease_shadow(MINUTE).await.expect("asked").expect("the shadow");
    assert_eq!((again.id, again.attempts), (shadow.id, 1));
    assert_eq!(store.kept_masks(live.id).await.expect("asked"), [mask()]);
    let overlap = BTreeMap::from([("lung".to_string(), Some(0.5)), ("air".into(), None)]);
    store.keep_overlap(shadow.id, &overlap).await.expect("kept");
    store.finish_job(shadow.id, finished()).await.expect("finished");
    assert!(store.kept_masks(live.id).await.expect("asked").is_empty(), "nobody needs them");

    let pairs = store.pairs("lung", "2").await.expect("asked");
    let [pair] = pairs.as_slice() else { panic!("{pairs:?}") };
    assert_eq!((pair.live.job.id, pair.candidate.job.id), (live.id, shadow.id));
    assert_eq!((&pair.overlap, pair.candidate.peak), (&overlap, Some(7)));
    let counts = &store.summary().await.expect("asked").jobs[0];
    assert_eq!((counts.finished, counts.queued), (2, 0), "shadows are counted apart");
}

#[tokio::test]
async fn a_shadow_whose_live_job_was_overtaken_goes_with_it_and_a_failed_one_holds_no_image() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, pinned("1", Role::Live, Some("2"))).await;
    store.keep(image(1, 2)).await.expect("kept");
    store.settled().await;
    let job_of_both = |pinned| NewJob { pinned, ..job(Level::Series, instances(1, &[1, 2])) };
    let jobs = vec![job_of_both(pinned("1", Role::Live, Some("2")))];
    decide(&store, 1, vec![verdict("rule", Level::Series, jobs)]).await;
    let live = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    store.finish_job(live.id, finished()).await.expect("finished");
    let shadow = store.lease_shadow(MINUTE).await.expect("asked").expect("a shadow");
    assert_eq!(shadow.beside, Some(live.id));
    store.fail_job(shadow.id, "it crashed", None).await.expect("failed");
    assert_eq!(store.lease_shadow(MINUTE).await.expect("asked"), None);
    let states: Vec<JobState> =
        store.jobs(&series(1)).await.expect("asked").iter().map(|row| row.state).collect();
    use JobState::{Failed, Finished, Superseded};
    assert_eq!(states, [Superseded, Superseded, Finished, Failed]);
    let jobs = &store.summary().await.expect("asked").jobs[0];
    assert_eq!((jobs.failed, &jobs.last_reason), (0, &None));
}

#[tokio::test]
async fn a_canary_that_fails_is_done_by_the_live_version_and_told() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, pinned("2", Role::Canary, None)).await;
    decided(&store, 2, pinned("1", Role::Live, None)).await;
    let canary = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(canary.role, Role::Canary);
    let given = store.give_to_live(canary.id, &version("1"), "it crashed").await;
    assert!(given.expect("given"));
    let row = store.job(canary.id).await.expect("asked").expect("there");
    assert_eq!((row.state, row.job.role, row.job.attempts), (JobState::Queued, Role::Live, 0));
    assert_eq!((row.job.version.as_deref(), row.job.model_digest.as_str()), (Some("1"), "graph 1"));
    assert_eq!(row.candidate_failed.as_deref(), Some("2: it crashed"));
    assert!(!store.give_to_live(canary.id, &version("1"), "again").await.expect("asked"));
    let known = store.canaries("lung", "2").await.expect("asked");
    assert_eq!(known.iter().map(|row| row.job.id).collect::<Vec<_>>(), [canary.id]);
}

fn event(kind: &str) -> Event {
    let (station, kind) = ("infer".into(), kind.into());
    Event { station, kind, subject: None, text: String::new() }
}

/// What a node has taken: version 1 is live, and this is tried.
async fn taken(store: &Store, candidate: Option<(&str, Option<f64>)>) {
    let candidate =
        candidate.map(|(version, share)| CandidateState { version: version.into(), share });
    let change = match &candidate {
        None => Change::Rollback,
        Some(candidate) if candidate.share.is_some() => Change::Canary,
        Some(_) => Change::Shadow,
    };
    let new = NewChange {
        model: "lung".into(),
        change,
        before: "1".into(),
        after: VersionState { live: "1".into(), candidate },
        asked_by: "anna".into(),
        why: String::new(),
    };
    let seen = store.model_changes(Some("lung")).await.expect("asked").first().map(|row| row.id);
    let asked = model_changes::ask(&store.options().folder, &new, seen).await.expect("asked");
    store.change_taken(asked.expect("the next"), event("taken")).await.expect("taken");
}

async fn states_of(store: &Store, of_series: u32) -> Vec<(Role, JobState)> {
    let rows = store.jobs(&series(of_series)).await.expect("asked");
    rows.iter().map(|row| (row.job.role, row.state)).collect()
}

#[tokio::test]
async fn with_a_trial_end_its_shadows_and_their_masks_however_busy_the_node_is() {
    use JobState::{Finished, Queued, Superseded};
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    taken(&store, Some(("2", None))).await;
    decided(&store, 1, pinned("1", Role::Live, Some("2"))).await;
    decided(&store, 2, pinned("1", Role::Live, Some("2"))).await;
    let live = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    store.keep_masks(live.id, &[mask()]).await.expect("kept");
    store.finish_job(live.id, finished()).await.expect("finished");
    assert!(store.live_work_waits().await.expect("asked"), "it is never idle");
    let other = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");

    // A canary of the same version is another trial.
    taken(&store, Some(("2", Some(0.5)))).await;
    let ended = [(Role::Live, Finished), (Role::Shadow, Superseded)];
    assert_eq!(states_of(&store, 1).await, ended);
    assert!(store.kept_masks(live.id).await.expect("asked").is_empty());
    let waiting = store.waiting_by_version("lung").await.expect("asked");
    assert_eq!(waiting, BTreeMap::from([(Some("1".into()), 1)]), "as `status` counts");

    // What was decided for the trial just before it ended, and what runs on.
    store.keep_masks(other.id, &[mask()]).await.expect("nobody wants them");
    assert!(store.kept_masks(other.id).await.expect("asked").is_empty());
    store.finish_job(other.id, finished()).await.expect("finished");
    decided(&store, 3, pinned("1", Role::Live, Some("2"))).await;
    assert_eq!(states_of(&store, 3).await, [(Role::Live, Queued)]);
    store.close().await;
}

#[tokio::test]
async fn a_shadow_that_runs_when_its_trial_ends_is_not_begun_again() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    taken(&store, Some(("2", None))).await;
    for of_series in [1, 2, 3] {
        decided(&store, of_series, pinned("1", Role::Live, Some("2"))).await;
        let live = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
        store.keep_masks(live.id, &[mask()]).await.expect("kept");
        store.finish_job(live.id, finished()).await.expect("finished");
    }
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(store.lease_shadow(MINUTE).await.expect("asked").expect("a shadow"));
    }
    taken(&store, None).await;
    let masks = async |shadow: usize| {
        let live = running[shadow].beside.expect("a live job");
        store.kept_masks(live).await.expect("asked").len()
    };
    assert_eq!(masks(0).await, 1, "it may still be compared");
    store.put_back_shadow(running[0].id).await.expect("put back");
    let again = Some(Moment::now());
    store.fail_shadow(running[1].id, "in passing", again).await.expect("failed");
    use JobState::{Finished, Running, Superseded};
    for (of_series, state) in [(1, Superseded), (2, Superseded), (3, Running)] {
        let expected = [(Role::Live, Finished), (Role::Shadow, state)];
        assert_eq!(states_of(&store, of_series).await, expected);
    }
    assert_eq!([masks(0).await, masks(1).await, masks(2).await], [0, 0, 1]);

    // The node is killed.
    store.release_leases().await.expect("released");
    let expected = [(Role::Live, Finished), (Role::Shadow, Superseded)];
    assert_eq!(states_of(&store, 3).await, expected);
    assert_eq!(masks(2).await, 0);
    assert_eq!(store.next_shadow_due().await.expect("asked"), None);
    store.close().await;
}

/// The job of an image that the candidate could not do, as the live version did it, and a late image.
#[tokio::test]
async fn a_late_image_makes_no_second_job_of_one_that_was_given_to_the_live_version() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let on_images = |images: &[u32], candidate: &str| {
        let one = |number: &u32| NewJob {
            pinned: pinned(candidate, Role::Canary, None),
            model_digest: format!("graph {candidate}"),
            ..job(Level::Instance, instances(1, &[*number]))
        };
        vec![verdict("each", Level::Instance, images.iter().map(one).collect())]
    };
    store.keep(image(1, 1)).await.expect("kept");
    decide(&store, 1, on_images(&[1], "2")).await;
    let canary = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let given = store.give_to_live(canary.id, &version("1"), "it crashed").await;
    assert!(given.expect("given"));
    let live = store.lease_job("a", MINUTE).await.expect("asked").expect("the job");
    store.finish_job(live.id, finished()).await.expect("finished");

    store.keep(image(1, 2)).await.expect("kept");
    decide(&store, 1, on_images(&[1, 2], "2")).await;
    use JobState::{Finished, Queued};
    let late = [(Role::Live, Finished), (Role::Canary, Queued)];
    assert_eq!(states_of(&store, 1).await, late, "the first image is done");
    // Another candidate may do what that one could not.
    store.keep(image(1, 3)).await.expect("kept");
    decide(&store, 1, on_images(&[1], "2.1")).await;
    assert_eq!(states_of(&store, 1).await.len(), 3);
    store.close().await;
}

#[tokio::test]
async fn a_change_is_asked_beside_a_node_and_outlives_it() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let candidate = CandidateState { version: "2".into(), share: Some(0.05) };
    let new = NewChange {
        model: "lung".into(),
        change: Change::Canary,
        before: "1".into(),
        after: VersionState { live: "1".into(), candidate: Some(candidate) },
        asked_by: "anna".into(),
        why: "a better lung".into(),
    };
    let ask = async |seen| model_changes::ask(folder.path(), &new, seen).await.expect("asked");
    let first = ask(None).await.expect("it is the first");
    assert_eq!(ask(None).await, None, "who did not see the first one knows too little");
    let second = ask(Some(first)).await.expect("it is built on the first");
    assert!(model_changes::is_in_use(folder.path().into()).await.expect("asked"));
    let asked = store.changes_asked().await.expect("asked");
    assert_eq!(asked.iter().map(|row| row.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!((&asked[0].change, asked[0].state), (&new, ChangeState::Asked));
    store.change_taken(first, event("taken")).await.expect("taken");
    store.change_refused(second, "broken", event("refused")).await.expect("refused");
    store.change_taken(second, event("taken")).await.expect("asked");
    store.close().await;
    assert!(!model_changes::is_in_use(folder.path().into()).await.expect("asked"));

    let store = Store::open(options(folder.path())).await.expect("a store");
    let rows = store.model_changes(Some("lung")).await.expect("asked");
    let states: Vec<_> = rows.iter().map(|row| (row.state, row.reason.as_deref())).collect();
    use ChangeState::{Refused, Taken};
    assert_eq!(states, [(Refused, Some("broken")), (Taken, None)], "what has ended stays so");
    assert!(store.changes_asked().await.expect("asked").is_empty());
    assert!(store.model_changes(Some("heart")).await.expect("asked").is_empty());
}
