//! What the results of a job take the place of: noted once, of the last revision that made some, and never of one that composed later.

mod modality;

use gantry_store::decisions::Level;
use gantry_store::incoming::{Identity, Origin};
use gantry_store::jobs::{FinishedJob, Job, JobState};
use gantry_store::outbox::NewDelivery;
use gantry_store::store::Store;
use gantry_terms::earlier::Earlier;
use modality::decider::{decide, instances, on};
use modality::{identity, image, image_of, instance, series, store, study};
use std::time::Duration;
use tempfile::tempdir;

const MINUTE: Duration = Duration::from_secs(60);
/// Of the images of the kit: here results are of it, too.
const CLASS: &str = "1.2.840.10008.5.1.4.1.1.2";

/// The series has one image more, and is decided anew.
async fn revision(store: &Store, number: u32) -> Job {
    store.keep(image(1, number)).await.expect("kept");
    let numbers: Vec<u32> = (1..=number).collect();
    decide(store, 1, vec![on(Level::Series, "lungs", instances(1, &numbers))]).await;
    store.lease_job("a", MINUTE).await.expect("asked").expect("a job")
}

/// A result and its alternate are kept, and the job ends; what became of it.
async fn finish(store: &Store, job: &Job, number: u32) -> JobState {
    for number in [number, number + 1] {
        let of = Identity { origin: Origin::Made, study: study(1), ..identity(9, number) };
        store.keep(image_of(of, 500, u64::from(number))).await.expect("kept");
    }
    store.settled().await;
    store.keep_alternates(&instance(9, number), &[instance(9, number + 1)]).await.expect("kept");
    let delivery = NewDelivery {
        peer: "PACS".into(),
        sop_instance: instance(9, number),
        priority: job.priority,
    };
    let finished = FinishedJob {
        findings: serde_json::json!([]),
        results: vec![instance(9, number)],
        deliveries: vec![delivery],
        seconds: 1.0,
        peak: None,
    };
    store.finish_job(job.id, finished).await.expect("noted");
    store.job(job.id).await.expect("asked").expect("there").state
}

fn named(earlier: &Option<Earlier>) -> Option<(u32, Vec<String>)> {
    let earlier = earlier.as_ref()?;
    let documents = earlier.documents.iter();
    Some((earlier.revision, documents.map(|one| one.sop_instance.to_string()).collect()))
}

fn documents(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| instance(9, *number).to_string()).collect()
}

#[tokio::test]
async fn a_job_names_the_results_of_the_last_revision_that_made_some_and_each_repeat_the_same() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let first = revision(&store, 1).await;
    assert_eq!(store.note_earlier(&first, &[CLASS]).await.expect("noted"), None);
    assert_eq!(finish(&store, &first, 10).await, JobState::Finished);
    let second = revision(&store, 2).await;
    let noted = store.note_earlier(&second, &[CLASS]).await.expect("noted");
    assert_eq!(named(&noted), Some((1, documents(&[10, 11]))), "and its alternate");
    assert_eq!(noted.as_ref().expect("one").documents[0].series, series(9));
    store.fail_job(second.id, "broken", None).await.expect("noted");
    let third = revision(&store, 3).await;
    let noted = store.note_earlier(&third, &[CLASS]).await.expect("noted");
    assert_eq!(named(&noted), Some((1, documents(&[10, 11]))), "the second made nothing");
    assert_eq!(finish(&store, &third, 20).await, JobState::Finished);
    let fourth = revision(&store, 4).await;
    let noted = store.note_earlier(&fourth, &["1.2.3"]).await.expect("noted");
    assert_eq!(named(&noted), Some((3, Vec::new())), "none of a class that names others");
    let again = store.note_earlier(&fourth, &[CLASS]).await.expect("noted");
    assert_eq!(again, noted, "what was noted stays");
    let row = store.job(fourth.id).await.expect("asked").expect("there");
    assert_eq!(row.job.earlier, noted);
    store.close().await;
}

#[tokio::test]
async fn a_job_names_the_reports_of_failures_since_the_last_results_too() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let fails = async |job: &Job, number: u32, peers: &[&str]| {
        let of = Identity { origin: Origin::Made, study: study(1), ..identity(9, number) };
        store.keep(image_of(of, 500, u64::from(number))).await.expect("kept");
        store.settled().await;
        let results = [instance(9, number)];
        let to = |peer: &&str| NewDelivery {
            peer: (*peer).into(),
            sop_instance: instance(9, number),
            priority: job.priority,
        };
        let deliveries: Vec<NewDelivery> = peers.iter().map(to).collect();
        store.fail_job_with(job.id, "broken", &results, &deliveries).await.expect("noted");
    };
    let noted = async |job: &Job| store.note_earlier(job, &[CLASS]).await.expect("noted");
    let first = revision(&store, 1).await;
    fails(&first, 10, &["PACS"]).await;
    let second = revision(&store, 2).await;
    assert_eq!(named(&noted(&second).await), Some((1, documents(&[10]))), "only a failure so far");
    assert_eq!(finish(&store, &second, 20).await, JobState::Finished);
    let third = revision(&store, 3).await;
    fails(&third, 30, &["PACS"]).await;
    let fourth = revision(&store, 4).await;
    fails(&fourth, 40, &[]).await;
    let fifth = revision(&store, 5).await;
    let named = named(&noted(&fifth).await);
    assert_eq!(
        named,
        Some((2, documents(&[20, 21, 30]))),
        "what the second found, and the failure"
    );
    store.close().await;
}

#[tokio::test]
async fn a_job_that_ends_behind_a_later_revision_that_composed_is_superseded_and_sends_nothing() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let first = revision(&store, 1).await;
    let second = revision(&store, 2).await;
    assert_eq!(store.note_earlier(&second, &[CLASS]).await.expect("noted"), None);
    assert_eq!(finish(&store, &first, 10).await, JobState::Superseded);
    assert_eq!(store.deliveries(&series(9)).await.expect("asked").len(), 0);
    assert_eq!(finish(&store, &second, 20).await, JobState::Finished);
    assert_eq!(store.deliveries(&series(9)).await.expect("asked").len(), 1);

    // One that failed keeps nothing back.
    let third = revision(&store, 3).await;
    let fourth = revision(&store, 4).await;
    store.note_earlier(&fourth, &[CLASS]).await.expect("noted");
    store.fail_job(fourth.id, "broken", None).await.expect("noted");
    assert_eq!(finish(&store, &third, 30).await, JobState::Finished);
    store.close().await;
}
