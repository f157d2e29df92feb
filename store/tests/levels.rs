//! Decisions on images and on studies: kept once, and made again only for what changed.

mod modality;

use gantry_store::decisions::Level;
use gantry_store::incoming::{Identity, Incoming};
use gantry_store::jobs::{FinishedJob, JobState};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::reindex::reindex;
use gantry_store::store::Store;
use gantry_store::study::{StudyRow, StudyState};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::decider::*;
use modality::{identity, image, image_of, instance, options, series, store, study, uid};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tempfile::tempdir;

const MINUTE: Duration = Duration::from_secs(60);

/// Of the study of the first series.
fn of_first_study(of_series: u32, number: u32) -> Incoming {
    let identity = Identity { study: study(1), ..identity(of_series, number) };
    image_of(identity, 700, u64::from(of_series * 100 + number))
}

async fn keep(store: &Store, of_series: u32, numbers: &[u32]) {
    for number in numbers {
        store.keep(of_first_study(of_series, *number)).await.expect("kept");
    }
    store.settled().await;
}

async fn row(store: &Store) -> StudyRow {
    store.study(&study(1)).await.expect("asked").expect("there")
}

async fn due(store: &Store, quiet_before: Moment) -> Vec<Uid> {
    let due = store.studies_due(quiet_before).await.expect("asked");
    due.into_iter().map(|row| row.uid).collect()
}

fn finished() -> FinishedJob {
    let (results, deliveries) = (Vec::new(), Vec::new());
    FinishedJob { findings: json!([]), results, deliveries, seconds: 1.0, peak: None }
}

async fn lease(store: &Store) -> i64 {
    store.lease_job("a", MINUTE).await.expect("asked").expect("a job").id
}

#[tokio::test]
async fn a_late_image_costs_no_other_image_of_its_series_a_second_run() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    keep(&store, 1, &[1, 2, 3]).await;
    let rules = |numbers: &[u32]| {
        let (images, all) = (instances(1, numbers), instances(1, numbers));
        vec![on_images("each", images), on(Level::Series, "all", all)]
    };
    decide(&store, 1, rules(&[1, 2, 3])).await;
    // The first has finished, the second failed, the third and that of the series wait.
    let first = lease(&store).await;
    store.finish_job(first, finished()).await.expect("noted");
    let second = lease(&store).await;
    store.fail_job(second, "a gap", None).await.expect("noted");
    keep(&store, 1, &[4]).await;
    decide(&store, 1, rules(&[1, 2, 3, 4])).await;
    let jobs = store.jobs(&series(1)).await.expect("asked");
    let one = |number| vec![instance(1, number)];
    use JobState::*;
    assert_eq!(
        states(&jobs),
        [
            (one(1), Finished),
            (one(2), Failed),
            (one(3), Queued),
            (instances(1, &[1, 2, 3]), Superseded),
            (one(2), Queued),
            (one(4), Queued),
            (instances(1, &[1, 2, 3, 4]), Queued),
        ]
    );
    let revisions: Vec<u32> = jobs.iter().map(|row| row.job.revision).collect();
    assert_eq!(revisions, [1, 1, 1, 1, 2, 2, 2]);
    assert!(jobs.iter().all(|row| row.job.series == Some(series(1))));
    let decisions = store.decisions(&series(1)).await.expect("asked");
    let said: Vec<_> = decisions.iter().map(|d| (d.revision, d.rule.as_str(), d.level)).collect();
    let (each, all) = (("each", Level::Instance), ("all", Level::Series));
    let expected = [(1, each), (1, all), (2, each), (2, all)];
    assert_eq!(said, expected.map(|(revision, (rule, level))| (revision, rule, level)));
    let (of, all) = (decisions[0].study.clone(), decisions[0].fates.clone());
    assert_eq!((of, all), (Some(study(1)), json!([["selected", 1]])));
    let images = store.decided_images(&series(1), 2).await.expect("asked");
    assert_eq!(images, Some(instances(1, &[1, 2, 3, 4])));
    let images = store.decided_images(&series(1), 1).await.expect("asked");
    assert_eq!(images, Some(instances(1, &[1, 2, 3])));
    assert_eq!(store.decided_images(&series(1), 3).await.expect("asked"), None);
    store.close().await;
}

#[tokio::test]
async fn an_image_with_other_bytes_or_a_model_with_another_digest_is_analysed_again() {
    let folder = tempdir().expect("a folder");
    let options = StoreOptions { duplicates: Duplicates::Replace, ..options(folder.path()) };
    let store = Store::open(options).await.expect("a store");
    keep(&store, 1, &[1, 2]).await;
    decide(&store, 1, vec![on_images("each", instances(1, &[1, 2]))]).await;
    let identity = Identity { study: study(1), ..identity(1, 1) };
    store.keep(image_of(identity, 700, 77)).await.expect("kept");
    decide(&store, 1, vec![on_images("each", instances(1, &[1, 2]))]).await;
    let one = |number| vec![instance(1, number)];
    use JobState::*;
    let jobs = store.jobs(&series(1)).await.expect("asked");
    let mut expected = vec![(one(1), Superseded), (one(2), Queued), (one(1), Queued)];
    assert_eq!(states(&jobs), expected);
    keep(&store, 1, &[3]).await;
    let mut other_model = on_images("each", instances(1, &[2]));
    other_model.jobs[0].model_digest = "cd34".into();
    let other_rule = on_images("other", instances(1, &[2]));
    decide(&store, 1, vec![other_model, other_rule]).await;
    expected[1].1 = Superseded;
    expected.extend([(one(2), Queued), (one(2), Queued)]);
    assert_eq!(states(&store.jobs(&series(1)).await.expect("asked")), expected);
    store.close().await;
}

#[tokio::test]
async fn a_rule_that_goes_live_runs_again_for_the_images_that_it_saw_in_shadow() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    keep(&store, 1, &[1, 2]).await;
    let mut in_shadow = on_images("each", instances(1, &[1, 2]));
    in_shadow.jobs.iter_mut().for_each(|job| job.shadow = true);
    decide(&store, 1, vec![in_shadow]).await;
    let first = lease(&store).await;
    store.finish_job(first, finished()).await.expect("noted");
    let live = || on_images("each", instances(1, &[1, 2]));
    for (number, later) in [(3, live()), (4, live())] {
        keep(&store, 1, &[number]).await;
        decide(&store, 1, vec![later]).await;
    }
    let one = |number| vec![instance(1, number)];
    use JobState::*;
    let mut expected = vec![(one(1), Finished), (one(2), Superseded)];
    expected.extend([(one(1), Queued), (one(2), Queued)]);
    assert_eq!(states(&store.jobs(&series(1)).await.expect("asked")), expected, "and once");
    keep(&store, 1, &[5]).await;
    let mut elsewhere = on_images("each", instances(1, &[1]));
    elsewhere.jobs[0].send_to = vec!["ARCHIVE".into()];
    decide(&store, 1, vec![elsewhere]).await;
    expected[2].1 = Superseded;
    expected.push((one(1), Queued));
    assert_eq!(states(&store.jobs(&series(1)).await.expect("asked")), expected);
    store.close().await;
}

#[tokio::test]
async fn a_study_that_came_before_the_clock_was_set_back_does_not_wait_until_it_is_there_again() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let tomorrow = Moment::now().plus(24 * 60 * MINUTE);
    let identity = Identity { arrival: tomorrow, ..identity(1, 1) };
    store.keep(image_of(identity, 700, 1)).await.expect("kept");
    decide(&store, 1, Vec::new()).await;
    assert_eq!(due(&store, Moment(0)).await, [study(1)]);
    assert_eq!(store.next_study_due().await.expect("asked"), Some(Moment(0)));
    store.close().await;
}

#[tokio::test]
async fn a_study_that_its_only_series_has_left_waits_no_more() {
    let folder = tempdir().expect("a folder");
    let options = StoreOptions { duplicates: Duplicates::Replace, ..options(folder.path()) };
    let store = Store::open(options).await.expect("a store");
    keep(&store, 1, &[1]).await;
    decide(&store, 1, Vec::new()).await;
    assert_eq!(row(&store).await.state, StudyState::Waiting);
    let corrected = Identity { study: study(2), ..identity(1, 1) };
    store.keep(image_of(corrected, 700, 77)).await.expect("kept");
    store.settled().await;
    assert_eq!(store.series(&series(1)).await.expect("asked").expect("there").study, study(2));
    assert_eq!(row(&store).await.state, StudyState::Decided);
    decide(&store, 1, Vec::new()).await;
    assert_eq!(due(&store, Moment::now()).await, [study(2)]);
    store.close().await;
}

#[tokio::test]
async fn a_study_waits_until_each_of_its_series_is_decided_and_it_was_quiet() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    keep(&store, 1, &[1, 2]).await;
    keep(&store, 2, &[3]).await;
    let later = Moment::now();
    let last = identity(2, 3).arrival;
    let before = row(&store).await;
    assert_eq!((before.state, before.revision), (StudyState::Decided, 0), "nothing waits yet");
    assert_eq!((before.last_arrival, before.series.receiving), (last, 2));
    decide(&store, 1, Vec::new()).await;
    assert_eq!((row(&store).await.state, row(&store).await.revision), (StudyState::Waiting, 1));
    assert_eq!(due(&store, later).await, [], "one receives");
    complete(&store, 2).await;
    assert_eq!(due(&store, later).await, [], "one is not decided");
    assert_eq!(store.next_study_due().await.expect("asked"), None);
    assert!(!decide_study(&store, &study(1), Vec::new()).await);
    let nothing = gantry_store::decisions::NewDecisions {
        series: series(2),
        revision: 1,
        rules_digest: "r1".into(),
        rules_text: "rules".into(),
        at: later,
        images: instances(2, &[3]),
        decisions: Vec::new(),
    };
    assert!(store.decide(nothing).await.expect("decided"));
    assert_eq!(row(&store).await.revision, 1, "it was not decided in between");
    assert_eq!(due(&store, Moment(last.0 - 1)).await, [], "it is not quiet yet");
    assert_eq!(store.next_study_due().await.expect("asked"), Some(last));
    assert_eq!(due(&store, last).await, [study(1)]);
    let verdicts = || vec![on(Level::Study, "both", instances(1, &[1, 2]))];
    for _ in 0..2 {
        assert!(decide_study(&store, &study(1), verdicts()).await, "a repeat is answered the same");
    }
    assert_eq!(store.study_jobs(&study(1)).await.expect("asked").len(), 1);
    assert_eq!((row(&store).await.state, row(&store).await.revision), (StudyState::Decided, 1));
    assert_eq!(row(&store).await.series.decided, 2);
    assert_eq!(due(&store, later).await, []);
    let of_study = store.series_of_study(&study(1)).await.expect("asked");
    let uids: Vec<Uid> = of_study.into_iter().map(|row| row.uid).collect();
    assert_eq!(uids, [series(1), series(2)]);
    store.close().await;
}

#[tokio::test]
async fn a_late_image_opens_its_study_again_and_supersedes_the_job_that_nobody_has_begun() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    keep(&store, 1, &[1]).await;
    decide(&store, 1, Vec::new()).await;
    let verdicts = |numbers: &[u32]| vec![on(Level::Study, "both", instances(1, numbers))];
    assert!(decide_study(&store, &study(1), verdicts(&[1])).await);
    keep(&store, 1, &[2]).await;
    let decided = row(&store).await;
    assert_eq!((decided.state, decided.revision), (StudyState::Decided, 1));
    decide(&store, 1, Vec::new()).await;
    let open = row(&store).await;
    assert_eq!((open.state, open.revision), (StudyState::Waiting, 2));
    let of_before = study_decisions(&study(1), 1, verdicts(&[1]));
    assert!(!store.decide_study(of_before).await.expect("asked"), "it is in a later revision");
    assert!(decide_study(&store, &study(1), verdicts(&[1, 2])).await);
    let jobs = store.study_jobs(&study(1)).await.expect("asked");
    use JobState::*;
    let expected = [(instances(1, &[1]), Superseded), (instances(1, &[1, 2]), Queued)];
    assert_eq!(states(&jobs), expected);
    assert_eq!((jobs[1].job.level, jobs[1].job.series.clone()), (Level::Study, None));
    assert_eq!(store.jobs(&series(1)).await.expect("asked"), []);
    let decisions = store.study_decisions(&study(1)).await.expect("asked");
    let said: Vec<_> = decisions.into_iter().map(|d| (d.revision, d.level, d.series)).collect();
    assert_eq!(said, [(1, Level::Study, None), (2, Level::Study, None)]);
    let images = store.study_decided_images(&study(1), 2).await.expect("asked");
    assert_eq!(images, Some(instances(1, &[1, 2])));
    store.close().await;
}

#[tokio::test]
async fn a_job_on_a_study_says_which_images_each_selection_took_and_counts_on_their_bytes() {
    let folder = tempdir().expect("a folder");
    let options = StoreOptions { duplicates: Duplicates::Replace, ..options(folder.path()) };
    let store = Store::open(options).await.expect("a store");
    keep(&store, 1, &[1, 2]).await;
    keep(&store, 2, &[3]).await;
    decide(&store, 1, Vec::new()).await;
    decide(&store, 2, Vec::new()).await;
    let t1 = ("t1".to_string(), instances(1, &[1, 2]));
    let flair = ("flair".to_string(), instances(2, &[3]));
    let selections = BTreeMap::from([t1, flair]);
    let mut tumour =
        on(Level::Study, "tumour", [instances(1, &[1, 2]), instances(2, &[3])].concat());
    tumour.jobs[0].selections = Some(selections.clone());
    assert!(decide_study(&store, &study(1), vec![tumour]).await);
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!((leased.study, leased.series, leased.selected.len()), (study(1), None, 3));
    assert_eq!(leased.selections, Some(selections));
    let identity = Identity { study: study(1), ..identity(2, 3) };
    store.keep(image_of(identity, 700, 77)).await.expect("kept");
    store.settled().await;
    store.finish_job(leased.id, finished()).await.expect("noted");
    let row = store.job(leased.id).await.expect("asked").expect("there");
    assert_eq!(row.state, JobState::Superseded, "an image of one selection was replaced");
    store.close().await;
}

#[tokio::test]
async fn a_study_and_a_series_with_one_uid_are_decided_side_by_side() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let identity = Identity { study: series(1), ..identity(1, 1) };
    store.keep(image_of(identity, 700, 1)).await.expect("kept");
    let images = || instances(1, &[1]);
    decide(&store, 1, vec![on(Level::Series, "series", images())]).await;
    assert!(decide_study(&store, &series(1), vec![on(Level::Study, "study", images())]).await);
    let decisions = store.decisions(&series(1)).await.expect("asked");
    let of_study = store.study_decisions(&series(1)).await.expect("asked");
    let rules: Vec<_> = decisions.iter().chain(&of_study).map(|d| d.rule.as_str()).collect();
    assert_eq!(rules, ["series", "study"]);
    assert_eq!(store.jobs(&series(1)).await.expect("asked").len(), 1);
    assert_eq!(store.study_jobs(&series(1)).await.expect("asked").len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_rebuilt_index_neither_decides_studies_again_nor_forgets_those_that_wait() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for of_series in 1..=3 {
        store.keep(image(of_series, 1)).await.expect("kept");
    }
    for of_series in 1..=2 {
        decide(&store, of_series, Vec::new()).await;
    }
    let verdicts = || vec![on(Level::Study, "both", instances(1, &[1]))];
    assert!(decide_study(&store, &study(1), verdicts()).await);
    let studies = async |store: &Store| {
        let mut rows = Vec::new();
        for of_series in 1..=3 {
            rows.push(store.study(&study(of_series)).await.expect("asked").expect("there"));
        }
        rows
    };
    let before = studies(&store).await;
    let states: Vec<_> = before.iter().map(|row| (row.state, row.revision)).collect();
    use StudyState::*;
    assert_eq!(states, [(Decided, 1), (Waiting, 1), (Decided, 0)]);
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = modality::store(folder.path()).await;
    assert_eq!(studies(&store).await, before);
    assert_eq!(due(&store, Moment::now()).await, [study(2)]);
    assert!(decide_study(&store, &study(1), verdicts()).await, "as before");
    assert_eq!(store.study_jobs(&study(1)).await.expect("asked").len(), 1);
    // Without any index everything is decided anew, studies too.
    store.close().await;
    fs::remove_file(folder.path().join("index.db")).expect("an index");
    let store = modality::store(folder.path()).await;
    decide(&store, 1, Vec::new()).await;
    assert_eq!(due(&store, Moment::now()).await, [study(1)]);
    store.close().await;
}

#[tokio::test]
async fn a_study_with_images_of_another_one_waits_for_its_own_series_only() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    keep(&store, 1, &[1]).await;
    let stranger = uid("1.2.826.0.1.3680043.9.5");
    let identity = Identity { study: stranger.clone(), ..identity(1, 2) };
    store.keep(image_of(identity, 700, 2)).await.expect("kept");
    decide(&store, 1, Vec::new()).await;
    assert_eq!(due(&store, Moment::now()).await, [study(1)]);
    let other = store.study(&stranger).await.expect("asked").expect("there");
    assert_eq!((other.state, other.series.receiving), (StudyState::Decided, 0));
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    store.close().await;
}
