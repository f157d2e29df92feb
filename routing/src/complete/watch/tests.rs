//! Series that come, pause and are complete, on a clock that the test turns.

use super::*;
use gantry_store::completion::CompletionRow;
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::{Durability, StoreOptions};
use std::path::Path;
use tempfile::{TempDir, tempdir};

const SERIES_INSTANCES: (u16, u16) = (0x0020, 0x1209);

/// A node's station complete and a scanner, in seconds since some moment.
struct Room {
    folder: TempDir,
    store: Store,
    associations: Arc<Associations>,
    watch: Watch,
    images: u32,
}

fn second(second: f64) -> Moment {
    Moment(1_700_000_000_000_000 + (second * 1e6) as i64)
}

fn series(number: u32) -> Uid {
    Uid::derived(&["series", &number.to_string()])
}

async fn open(folder: &Path, started: Moment) -> (Store, Arc<Associations>, Watch) {
    let options = StoreOptions { durability: Durability::Crash, ..StoreOptions::new(folder) };
    let store = Store::open(options).await.expect("a store");
    let times: TimesOf = Arc::new(|_| Times {
        quiet: Duration::from_secs(30),
        quiet_is_its_own: false,
        after_release: Duration::from_secs(5),
        shortest: Duration::from_secs(10),
        longest: Duration::from_secs(300),
    });
    let associations = Arc::new(Associations::new(started));
    let watch = Watch::new(store.clone(), times, associations.clone());
    (store, associations, watch)
}

impl Room {
    async fn new() -> Self {
        let folder = tempdir().expect("a folder");
        let (store, associations, watch) = open(folder.path(), second(0.0)).await;
        Self { folder, store, associations, watch, images: 0 }
    }

    /// The node ends with all its associations, and starts again.
    async fn restart(&mut self, at: f64) {
        let started = open_after(self.store.clone(), self.folder.path(), second(at)).await;
        (self.store, self.associations, self.watch) = started;
    }

    /// An image on an association, the number of its series' images in its header where one is given.
    async fn image(&mut self, association: u64, of: u32, at: f64, named: Option<u32>) {
        self.images += 1;
        let sop_instance = Uid::derived(&["image", &self.images.to_string()]);
        let identity = Identity {
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").expect("a UID"),
            sop_instance,
            series: series(of),
            study: Uid::derived(&["study"]),
            transfer_syntax: Uid::parse("1.2.840.10008.1.2.1").expect("a UID"),
            calling_ae: AeTitle::parse("CT1").expect("a title"),
            called_ae: AeTitle::parse("GANTRY").expect("a title"),
            arrival: second(at),
            origin: Origin::Received,
        };
        let mut data_set = b"\x08\0\x60\0CS\x02\0CT".to_vec();
        if let Some(named) = named {
            let (group, element) = SERIES_INSTANCES;
            data_set.extend(group.to_le_bytes());
            data_set.extend(element.to_le_bytes());
            data_set.extend_from_slice(b"IS\x04\0");
            data_set.extend_from_slice(format!("{named:<4}").as_bytes());
        }
        self.associations.storing(association, second(at));
        self.associations.carries(association, &identity.series, second(at));
        let part10 = part10(&identity, &data_set).into();
        self.store.keep(Incoming { identity, part10 }).await.expect("kept");
        self.associations.stored(association, true, second(at));
        self.store.settled().await;
    }

    /// A whole association with one image.
    async fn visit(&mut self, association: u64, of: u32, at: f64) {
        self.associations.opened(association, second(at));
        self.image(association, of, at, None).await;
        self.associations.ended(association, true, second(at));
    }

    /// Looks at this moment, and whenever a look was asked for before it, as the station does.
    async fn look_until(&mut self, at: f64) {
        let mut next = self.watch.look(second(at).min(self.next())).await.expect("looked");
        while next <= second(at) {
            next = self.watch.look(next).await.expect("looked");
        }
        self.watch.look(second(at)).await.expect("looked");
    }

    fn next(&self) -> Moment {
        self.watch.looks.first().map_or(Moment(i64::MAX), |(look_at, _)| *look_at)
    }

    async fn completion(&self, of: u32, revision: u32) -> Option<CompletionRow> {
        let completions = self.store.completions(&series(of)).await.expect("asked");
        completions.into_iter().find(|row| row.revision == revision)
    }

    /// That a revision became complete between two looks, and why.
    async fn complete_between(&mut self, of: u32, revision: u32, from: f64, to: f64, why: &str) {
        self.look_until(from).await;
        let before = self.completion(of, revision).await.and_then(|row| row.at);
        assert_eq!(before, None, "it is not complete before {from} s");
        self.look_until(to).await;
        let row = self.completion(of, revision).await.expect("complete");
        assert!(row.at.is_some(), "waits: {}", row.reason);
        assert_eq!(row.reason, why);
    }
}

async fn open_after(
    store: Store,
    folder: &Path,
    started: Moment,
) -> (Store, Arc<Associations>, Watch) {
    store.close().await;
    open(folder, started).await
}

#[tokio::test]
async fn a_series_whose_association_was_released_does_not_wait_out_its_quiet_time() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    room.image(1, 1, 1.0, None).await;
    room.image(1, 1, 2.0, None).await;
    room.look_until(9.0).await;
    room.associations.ended(1, true, second(9.0));
    let why = "its association released, then quiet for 5 s";
    room.complete_between(1, 1, 13.9, 14.1, why).await;
}

#[tokio::test]
async fn a_series_whose_association_was_broken_off_waits_out_its_quiet_time() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    room.image(1, 1, 1.0, None).await;
    room.associations.ended(1, false, second(2.0));
    let why = "quiet for 30 s; an association of it was broken off";
    room.complete_between(1, 1, 30.9, 31.1, why).await;
    assert!(room.completion(1, 1).await.is_some_and(|row| row.broken_off));
}

#[tokio::test]
async fn a_late_image_opens_a_revision_of_its_own_and_teaches_to_wait_longer() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    room.image(1, 1, 1.0, None).await;
    room.complete_between(1, 1, 30.9, 31.1, "quiet for 30 s").await;
    room.image(1, 1, 41.0, None).await;
    let why = "quiet for 80 s (longer than configured: its peer pauses up to 40 s)";
    room.complete_between(1, 2, 120.9, 121.1, why).await;
    room.image(1, 2, 130.0, None).await;
    room.complete_between(2, 1, 209.9, 210.1, why).await;
    let first = room.completion(1, 1).await.expect("still told");
    assert_eq!((first.instances, first.reason.as_str()), (1, "quiet for 30 s"));
}

#[tokio::test]
async fn all_images_that_the_header_names_complete_a_series_while_its_association_is_open() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    for image in 1..=3 {
        room.image(1, 1, f64::from(image), Some(3)).await;
    }
    let why = "all 3 images that (0020,1209) names are here";
    room.complete_between(1, 1, 3.9, 4.1, why).await;
}

#[tokio::test]
async fn a_header_that_names_too_many_holds_one_series_for_a_time_and_the_next_not_at_all() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    room.image(1, 1, 1.0, Some(9)).await;
    room.look_until(3.0).await;
    let waits = room.completion(1, 1).await.expect("the wait is told");
    let why = "1 of 9 images that (0020,1209) names are here, and no other in 300 s";
    assert_eq!((waits.at, waits.due, waits.reason.as_str()), (None, second(301.0), why));
    room.complete_between(1, 1, 300.9, 301.1, why).await;
    room.image(1, 2, 310.0, Some(9)).await;
    room.complete_between(2, 1, 339.9, 340.1, "quiet for 30 s").await;
    let named = room.store.named_counts(&AeTitle::parse("CT1").expect("a title")).await;
    let named = named.expect("asked").remove(0);
    assert_eq!((named.came_true, named.failed, named.believed), (0, 2, false));
}

#[tokio::test]
async fn a_running_count_ends_one_series_too_early_and_no_other() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    room.image(1, 1, 1.0, Some(1)).await;
    room.complete_between(1, 1, 1.9, 2.1, "the one image that (0020,1209) names is here").await;
    room.image(1, 1, 4.0, Some(2)).await;
    room.complete_between(1, 2, 33.9, 34.1, "quiet for 30 s").await;
    room.image(1, 2, 40.0, Some(1)).await;
    room.complete_between(2, 1, 69.9, 70.1, "quiet for 30 s").await;
}

#[tokio::test]
async fn associations_that_were_open_when_the_node_was_killed_count_as_broken_off() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(1.0));
    room.image(1, 1, 1.0, None).await;
    room.image(1, 2, 2.0, None).await;
    room.restart(10.0).await;
    room.associations.opened(1, second(12.0));
    room.image(1, 2, 12.0, None).await;
    room.associations.ended(1, true, second(13.0));
    let why = "its association released, then quiet for 5 s";
    room.complete_between(2, 1, 17.9, 18.1, why).await;
    let why = "quiet for 30 s; an association of it was broken off";
    room.complete_between(1, 1, 39.9, 40.1, why).await;
}

#[tokio::test]
async fn a_scanner_that_opens_an_association_for_each_image_is_soon_waited_for() {
    let mut room = Room::new().await;
    // 7 s between its images, and a wait of 5 s: the first is decided alone, and that is enough.
    room.visit(1, 1, 1.0).await;
    let why = "its association released, then quiet for 5 s";
    room.complete_between(1, 1, 5.9, 6.1, why).await;
    room.visit(2, 1, 8.0).await;
    let why = "its association released, then quiet for 21 s";
    room.look_until(14.0).await;
    room.visit(3, 1, 15.0).await;
    room.complete_between(1, 2, 35.9, 36.1, why).await;
    room.visit(4, 2, 40.0).await;
    room.look_until(46.0).await;
    room.visit(5, 2, 47.0).await;
    room.complete_between(2, 1, 67.9, 68.1, why).await;
}

#[tokio::test]
async fn what_a_peer_taught_outlives_a_restart() {
    let mut room = Room::new().await;
    for number in 1..=4 {
        room.associations.opened(u64::from(number), second(0.0));
        let from = f64::from(number) * 100.0;
        room.image(number.into(), number, from, None).await;
        room.image(number.into(), number, from + 20.0, None).await;
        room.look_until(from + 70.0).await;
    }
    room.restart(600.0).await;
    room.associations.opened(9, second(601.0));
    room.image(9, 9, 601.0, None).await;
    let why = "quiet for 40 s (longer than configured: its peer pauses up to 20 s)";
    room.complete_between(9, 1, 640.9, 641.1, why).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_a_series_for_one_quiet_time_more() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(5000.0));
    room.image(1, 1, 5000.0, None).await;
    room.look_until(5010.0).await;
    room.watch.look(second(100.0)).await.expect("looked");
    let next = room.next();
    assert!(next <= second(130.0), "{next:?}");
}

#[tokio::test]
async fn a_look_reads_what_changed_however_many_series_receive() {
    let mut room = Room::new().await;
    room.associations.opened(1, second(0.0));
    for number in 0..1000 {
        room.image(1, number, 1.0 + f64::from(number) / 2000.0, None).await;
    }
    room.look_until(3.0).await;
    // Each once as a series and once by its newest image.
    assert_eq!(room.watch.rows_read, 2000);
    for number in 0..10 {
        room.image(1, number % 4, 3.1 + f64::from(number) / 10.0, None).await;
        room.look_until(3.15 + f64::from(number) / 10.0).await;
    }
    let read = room.watch.rows_read - 2000;
    assert!(read <= 20, "{read} rows for ten images, while 1000 series receive");
}
