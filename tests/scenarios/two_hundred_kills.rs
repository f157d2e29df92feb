//! 200 times kill -9 under load, while starting and at any moment behind: what was acknowledged is there, bit for bit, rows and records are the same, and nothing is told as damage.

use kit::load::{self, Compared, Load, Progress};
use kit::node::{Node, Setup};
use kit::ports;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KILLS: usize = 200;
const SCANNERS: u16 = 6;
const PATIENCE: Duration = Duration::from_secs(120);
/// Small, CT, and above the 4 MiB from which an object is streamed; of a thousand.
const SIZES: [(u16, u16, u32); 3] = [(72, 70, 972), (512, 512, 26), (1500, 1500, 2)];

#[test]
fn two_hundred_kills_under_load_lose_alter_and_orphan_nothing() {
    let models = TempDir::new().expect("a temporary folder");
    let setup = (1..=SCANNERS).fold(Setup::new(), |setup, n| setup.scanner(&load::calling(n)));
    let mut node = setup.models(models.path()).segment_mib(16).start();
    let seed = load::seed();
    let load = Load {
        port: node.port,
        scanners: SCANNERS,
        seed,
        sizes: SIZES.into(),
        images_of_series: 40,
        series_of_study: 25,
    };
    let progress = Progress::default();
    let since = Instant::now();
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| load.send(u32::MAX, &progress));
        // The scanners are told to stop even when a check fails, so that the failure is seen.
        let killing = scope.spawn(|| kill_and_restart(&mut node, seed, &progress));
        let killed = killing.join();
        progress.stop.store(true, Ordering::SeqCst);
        let sent = sending.join().expect("the scanners end");
        killed.expect("the node was killed and came back");
        sent
    });
    let cut_off = progress.cut_off.load(Ordering::SeqCst);
    println!("{} images, cut off {cut_off} times, in {:?}", sent.len(), since.elapsed());
    assert!(cut_off > KILLS / 2, "the kills strike while images are received");

    assert!(node.stop().success());
    let verified = node.gantry(&["verify"]);
    assert!(verified.success, "{verified:?}");
    assert!(verified.out.contains("0 records not yet in the index"), "{verified:?}");
    let compared = load::compare(&node, &sent);
    let acknowledged = sent.iter().filter(|one| one.acknowledged).count();
    let unacknowledged = compared.unacknowledged;
    println!("{acknowledged} acknowledged, {unacknowledged} kept that were not; {}", verified.out);
    println!("all compared after {:?}", since.elapsed());
    assert_eq!(compared, Compared { acknowledged, unacknowledged, ..Compared::default() });
    let kept = acknowledged + unacknowledged;
    assert!(verified.out.contains(&format!("{kept} instances in the index")), "{verified:?}");
    let damage = "the segments are not what they were";
    let told: Vec<String> =
        node.log().lines().filter(|it| it.contains(damage)).map(Into::into).collect();
    assert_eq!(told, [] as [String; 0], "what a kill leaves is no damage");
    assert!(!node.data().join("damaged").exists());
}

fn kill_and_restart(node: &mut Node, seed: u32, progress: &Progress) {
    let mut chance = StdRng::seed_from_u64(seed.into());
    let starting = how_long_a_start_takes(node, progress);
    for kill in 1..=KILLS {
        if chance.random_ratio(1, 3) {
            // While it starts: opens the index, cuts, replays, or takes the first images.
            std::thread::sleep(starting.mul_f64(chance.random_range(0.0..1.2)));
        } else {
            wait_until_it_takes(node, progress);
            // From 10 µs to 1.5 s, each power of ten as often as the others.
            let exponent = chance.random_range(-5.0..1.5_f64.log10());
            std::thread::sleep(Duration::from_secs_f64(10_f64.powf(exponent)));
        }
        assert!(node.is_alive(), "it ended by itself before kill {kill}");
        node.kill9();
        node.begin_to_start();
        if kill % 50 == 0 {
            wait_until_it_takes(node, progress);
            let verified = node.gantry(&["verify"]);
            assert!(verified.success, "after {kill} kills: {verified:?}");
            println!("after {kill} kills: {}", verified.out.lines().next().unwrap_or_default());
        }
    }
    wait_until_it_takes(node, progress);
}

fn how_long_a_start_takes(node: &mut Node, progress: &Progress) -> Duration {
    wait_until_it_takes(node, progress);
    node.kill9();
    let since = Instant::now();
    node.begin_to_start();
    wait_until_it_takes(node, progress);
    since.elapsed()
}

/// Waits for an image that is acknowledged from now on.
fn wait_until_it_takes(node: &mut Node, progress: &Progress) {
    let before = progress.acknowledged.load(Ordering::SeqCst);
    let taken = ports::wait_for(PATIENCE, || {
        assert!(node.is_alive(), "it ended by itself:\n{}", node.log());
        (progress.acknowledged.load(Ordering::SeqCst) > before).then_some(())
    });
    assert!(taken.is_some(), "nothing is acknowledged:\n{}", node.log());
}
