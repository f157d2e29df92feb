//! Retention takes nothing away that a study still needs: while it waits for its decision, while its job runs, and when that failed.

mod modality;

use gantry_store::decisions::Level;
use gantry_store::jobs::JobState;
use gantry_store::reindex::reindex;
use gantry_store::retention::Need;
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use modality::archive::{DAY, image, keep, opened};
use modality::archive::{DISK, MINUTE, MONTH, begin_next, evicted, filled, finish, later, retain};
use modality::decider::*;
use modality::{instance, series, study};
use tempfile::tempdir;

/// What holds the images that should go.
async fn needs(store: &Store) -> Vec<(Need, u64)> {
    let round = store.retain(&MONTH, DISK, later(40 * DAY)).await.expect("a round");
    assert_eq!(evicted(&round), [] as [u32; 0]);
    let holdings = round.stays.iter().flat_map(|stays| &stays.holdings);
    holdings.map(|holding| (holding.need, holding.instances)).collect()
}

fn all(of_series: u32) -> Vec<Uid> {
    instances(of_series, &[0, 1, 2, 3])
}

#[tokio::test]
async fn a_study_that_waits_for_its_decision_holds_its_images() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decide(&store, 1, Vec::new()).await;
    assert_eq!(needs(&store).await, [(Need::Decision, 4)]);
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
}

#[tokio::test]
async fn a_job_on_a_study_holds_the_images_of_each_of_its_series_until_it_has_ended() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decide(&store, 1, Vec::new()).await;
    let verdicts = vec![on(Level::Study, "both", all(1))];
    assert!(decide_study(&store, &study(1), verdicts).await);
    assert_eq!(needs(&store).await, [(Need::Job, 4)]);
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(needs(&store).await, [(Need::Job, 4)], "it runs");
    store.fail_job(leased.id, "out of memory", Some(later(DAY))).await.expect("noted");
    finish(&store, Vec::new()).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
}

#[tokio::test]
async fn a_job_on_a_study_that_failed_holds_its_images_until_a_later_revision() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decide(&store, 1, Vec::new()).await;
    let verdicts = vec![on(Level::Study, "both", all(1))];
    assert!(decide_study(&store, &study(1), verdicts).await);
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    store.fail_job(leased.id, "a gap", None).await.expect("noted");
    assert_eq!(needs(&store).await, [(Need::FailedJob, 4)]);
    keep(&store, &image(1, 9)).await;
    begin_next(&store, 9000).await;
    decide(&store, 1, Vec::new()).await;
    assert_eq!(needs(&store).await, [(Need::Decision, 4)]);
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
}

#[tokio::test]
async fn a_job_on_an_image_that_fails_after_a_later_revision_asked_for_it_still_holds_its_series() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    let rule = || vec![on_images("each", vec![instance(1, 0)])];
    decide(&store, 1, rule()).await;
    keep(&store, &image(1, 9)).await;
    begin_next(&store, 9000).await;
    decide(&store, 1, rule()).await;
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    assert_eq!(store.jobs(&series(1)).await.expect("asked").len(), 1);
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    store.fail_job(leased.id, "a gap", None).await.expect("noted");
    assert_eq!(needs(&store).await, [(Need::FailedJob, 4)]);
    keep(&store, &image(1, 10)).await;
    decide(&store, 1, Vec::new()).await;
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
}

#[tokio::test]
async fn a_job_that_failed_because_an_image_was_evicted_holds_nothing() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decide(&store, 1, Vec::new()).await;
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    assert_eq!(evicted(&retain(&store).await), [1]);
    for number in 9..17 {
        keep(&store, &image(1, number)).await;
    }
    begin_next(&store, 9000).await;
    decide(&store, 1, vec![on(Level::Series, "chest", all(1))]).await;
    assert!(decide_study(&store, &study(1), vec![on(Level::Study, "both", all(1))]).await);
    for _ in 0..2 {
        let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
        store.fail_job(leased.id, "evicted", None).await.expect("noted");
    }
    assert_eq!(evicted(&retain(&store).await), [3]);
    store.close().await;
}

#[tokio::test]
async fn an_image_that_was_evicted_and_comes_again_is_analysed_again() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decide(&store, 1, vec![on_images("each", all(1))]).await;
    assert!(decide_study(&store, &study(1), Vec::new()).await);
    for _ in 0..4 {
        finish(&store, Vec::new()).await;
    }
    assert_eq!(evicted(&retain(&store).await), [1]);
    keep(&store, &image(1, 0)).await;
    decide(&store, 1, vec![on_images("each", instances(1, &[0, 1]))]).await;
    let jobs = store.jobs(&series(1)).await.expect("asked");
    let queued = jobs.iter().filter(|row| row.state == JobState::Queued);
    let queued: Vec<Vec<Uid>> = queued.map(|row| row.job.selected.clone()).collect();
    assert_eq!(queued, [[instance(1, 0)]], "the other was sent once");
    store.close().await;
}

#[tokio::test]
async fn what_was_evicted_and_forgotten_is_decided_again_when_it_comes_again() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let said = || vec![on(Level::Series, "chest", all(1))];
    let said_of_study = || vec![on(Level::Study, "both", all(1))];
    filled(&store, 1).await;
    decide(&store, 1, said()).await;
    assert!(decide_study(&store, &study(1), said_of_study()).await);
    finish(&store, Vec::new()).await;
    finish(&store, Vec::new()).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path()).await;
    assert_eq!(store.study(&study(1)).await.expect("asked"), None, "it is forgotten");
    for number in 0..4 {
        keep(&store, &image(1, number)).await;
    }
    decide(&store, 1, said()).await;
    assert!(decide_study(&store, &study(1), said_of_study()).await);
    let decisions = store.decisions(&series(1)).await.expect("asked");
    let of_study = store.study_decisions(&study(1)).await.expect("asked");
    for told in [decisions, of_study] {
        let revisions: Vec<u32> = told.iter().map(|decision| decision.revision).collect();
        assert_eq!(revisions, [1, 2]);
    }
    store.close().await;
}
