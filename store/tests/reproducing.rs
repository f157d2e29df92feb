//! What is asked before a result is made again: which job made it, and whether its images are still those.

mod modality;

use gantry_store::decisions::Level;
use gantry_store::jobs::{FinishedJob, RanOn};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use modality::decider::*;
use modality::{identity, image, image_of, instance, options, series, study};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;

async fn replacing(folder: &Path) -> Store {
    let options = StoreOptions { duplicates: Duplicates::Replace, ..options(folder) };
    Store::open(options).await.expect("a store")
}

/// Leases the next job and ends it with this result.
async fn finish(store: &Store, result: Uid) -> i64 {
    let leased = store.lease_job("a", Duration::from_secs(60)).await.expect("asked");
    let id = leased.expect("a job").id;
    let (findings, results, deliveries) = (json!([]), vec![result], Vec::new());
    let finished = FinishedJob { findings, results, deliveries, seconds: 1.0, peak: None };
    store.finish_job(id, finished).await.expect("noted");
    id
}

async fn two_images_and_their_jobs(store: &Store) {
    for number in [1, 2] {
        store.keep(image(1, number)).await.expect("kept");
    }
    store.settled().await;
    let all = on(Level::Series, "all", instances(1, &[1, 2]));
    decide(store, 1, vec![on_images("each", instances(1, &[1])), all]).await;
}

/// Jobs of the time before this was noted have nothing there.
#[tokio::test]
async fn a_job_says_on_what_it_ran_the_last_time_and_nothing_where_that_was_not_noted() {
    let folder = tempdir().expect("a folder");
    let store = replacing(folder.path()).await;
    two_images_and_their_jobs(&store).await;
    let first = finish(&store, instance(50, 1)).await;
    let ran_on = async || store.job(first).await.expect("asked").expect("a job").ran_on;
    assert_eq!(ran_on().await, None);
    let on = |device: &str| RanOn { device: device.into(), runtime: "1.31.1 (6af1a93)".into() };
    for device in ["cuda:0 by TensorRT", "cpu"] {
        store.set_job_ran_on(first, &on(device)).await.expect("noted");
        assert_eq!(ran_on().await, Some(on(device)));
    }
}

#[tokio::test]
async fn a_result_names_the_job_that_made_it_and_a_series_or_study_those_that_finished() {
    let folder = tempdir().expect("a folder");
    let store = replacing(folder.path()).await;
    two_images_and_their_jobs(&store).await;
    let first = finish(&store, instance(50, 1)).await;
    let made = async |result: &Uid| {
        let jobs = store.jobs_that_made(&study(1), result).await.expect("asked");
        jobs.iter().map(|row| row.job.id).collect::<Vec<_>>()
    };
    assert_eq!(made(&instance(50, 1)).await, [first]);
    assert!(made(&instance(50, 2)).await.is_empty(), "its job has not finished");
    let on = async |uid: &Uid| {
        let jobs = store.finished_jobs_on(uid).await.expect("asked");
        jobs.iter().map(|row| row.job.id).collect::<Vec<_>>()
    };
    assert_eq!(on(&series(1)).await, [first]);
    let second = finish(&store, instance(50, 2)).await;
    assert_eq!(made(&instance(50, 2)).await, [second]);
    for uid in [series(1), study(1)] {
        assert_eq!(on(&uid).await, [first, second]);
    }
    assert!(on(&series(2)).await.is_empty());
    let elsewhere = store.jobs_that_made(&study(2), &instance(50, 1)).await.expect("asked");
    assert!(elsewhere.is_empty());
    store.close().await;
}

#[tokio::test]
async fn an_image_with_other_bytes_is_told_to_the_jobs_that_read_it_and_to_no_others() {
    let folder = tempdir().expect("a folder");
    let store = replacing(folder.path()).await;
    two_images_and_their_jobs(&store).await;
    let of_first = finish(&store, instance(50, 1)).await;
    let of_both = finish(&store, instance(50, 2)).await;
    let others = async |job| store.inputs_are_others(job).await.expect("asked");
    assert_eq!((others(of_first).await, others(of_both).await), (false, false));
    store.keep(image_of(identity(1, 2), 700, 77)).await.expect("kept");
    store.settled().await;
    assert_eq!((others(of_first).await, others(of_both).await), (false, true));
    store.keep(image_of(identity(1, 1), 700, 78)).await.expect("kept");
    store.settled().await;
    assert!(others(of_first).await);
    store.close().await;
}
