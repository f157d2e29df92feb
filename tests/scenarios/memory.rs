//! 100,000 small instances from 16 associations: the node's memory does not grow with what it took.

use kit::load::{self, Load, Progress};
use kit::node::{Node, Setup};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SCANNERS: u16 = 16;
const IMAGES: usize = 100_000;
/// Until then caches, pools and the allocator fill.
const WARM_UP: usize = 20_000;
const STEP: usize = 2_000;

#[test]
fn memory_stays_within_a_tenth_while_100000_small_instances_come_from_sixteen_associations() {
    let models = TempDir::new().expect("a temporary folder");
    let setup = (1..=SCANNERS).fold(Setup::new(), |setup, n| setup.scanner(&load::calling(n)));
    let node = setup.models(models.path()).start();
    let load = Load {
        port: node.port,
        scanners: SCANNERS,
        seed: load::seed(),
        sizes: vec![(72, 70, 1000)],
        images_of_series: 100,
        series_of_study: 3,
    };
    let progress = Progress::default();
    let (sent, samples) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| load.send((IMAGES / usize::from(SCANNERS)) as u32, &progress));
        let samples = watch(&node, &progress, || sending.is_finished());
        (sending.join().expect("the scanners end"), samples)
    });
    assert_eq!(sent.iter().filter(|one| one.acknowledged).count(), IMAGES);

    // Medians, because what one batch takes comes and goes.
    let quarter = (IMAGES - WARM_UP) / 4 / STEP;
    let warm = median(&samples[WARM_UP / STEP..][..quarter]);
    let last = median(&samples[samples.len() - quarter..]);
    let growth = (last as f64 / warm as f64 - 1.0) * 100.0;
    println!("{warm} KiB after {WARM_UP}, {last} KiB at the end: {growth:+.1} %");
    assert!(growth < 10.0, "memory grew by {growth:.1} %: {samples:?}");
}

/// What the node held after each step, in KiB.
fn watch(node: &Node, progress: &Progress, ended: impl Fn() -> bool) -> Vec<u64> {
    let since = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < IMAGES / STEP {
        let ended = ended();
        let taken = progress.acknowledged.load(Ordering::SeqCst);
        assert!(!ended || taken >= IMAGES, "the scanners ended after {taken} instances");
        if taken >= (samples.len() + 1) * STEP {
            samples.push(node.memory().resident);
            if samples.len() % 5 == 0 {
                let (kib, seconds) = (samples[samples.len() - 1], since.elapsed().as_secs_f64());
                println!("{taken:>7} instances  {kib:>7} KiB  {:.0}/s", taken as f64 / seconds);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    samples
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
