//! kill -9 of node and PACS at random moments while objects go from one to the other: each is at the PACS once, equal to what was sent.

use kit::instance::{Instance, files_below};
use kit::load::{self, Load, Progress, Sent};
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::{need, ports};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// So many where GANTRY_KILLS names no other number.
const KILLS: usize = 30;
const SCANNERS: u16 = 2;
/// Images that wait between scanners and PACS at the most: some always do, and the end comes soon.
const WAITING: usize = 60;
const PATIENCE: Duration = Duration::from_secs(180);
/// Mostly small, so that many kills strike between objects, and some that take longer than a moment.
const SIZES: [(u16, u16, u32); 3] = [(72, 70, 700), (512, 512, 280), (1500, 1500, 20)];

const RULE: &str = r#"
[[rule]]
name = "at once"
on = "instance"
[rule.select]
Modality = "CT"
[rule.then]
forward = ["PACS"]
when = "arrives"
"#;

#[test]
fn random_kills_of_node_and_pacs_while_sending_leave_each_object_at_the_pacs_once_as_it_was_made() {
    let Some(()) = need::dcmtk() else { return };
    let kills = std::env::var("GANTRY_KILLS").ok();
    let kills = kills.map_or(KILLS, |text| text.parse().expect("GANTRY_KILLS is a number"));
    let seed = load::seed();
    let mut pacs = Pacs::up("PACS");
    let setup = Setup::new().rules("at-once.toml", RULE).pacs(&pacs);
    let mut node = (1..=SCANNERS).fold(setup, |setup, n| setup.scanner(&load::calling(n))).start();
    let load = Load {
        port: node.port,
        scanners: SCANNERS,
        seed,
        sizes: SIZES.into(),
        images_of_series: 40,
        series_of_study: 5,
    };
    let (progress, since) = (Progress::default(), Instant::now());
    let folder = pacs.folder().to_owned();
    let (sent, struck) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| load.send(u32::MAX, &progress));
        let pacing = scope.spawn(|| keep_some_waiting(&folder, &progress));
        let killing = scope.spawn(|| kill(kills, seed, &mut node, &mut pacs, &progress));
        let struck = killing.join();
        progress.stop.store(true, Ordering::SeqCst);
        let sent = sending.join().expect("the scanners end");
        pacing.join().expect("the pace ends");
        (sent, struck.expect("each kill was survived"))
    });
    let took = since.elapsed();
    let acknowledged = sent.iter().filter(|one| one.acknowledged).count();
    let gone = ports::wait_for(PATIENCE, || {
        let there = files_below(&folder).len() >= acknowledged;
        (there && node.status().contains("PACS: 0 queued")).then_some(())
    });
    assert!(gone.is_some(), "{} of {acknowledged}: {}", files_below(&folder).len(), node.status());
    let status = node.status();
    assert!(status.contains(" 0 parked"), "{status}");
    let unanswered = compare(&folder, &sent);
    println!(
        "{kills} kills ({} of the node, {} of the PACS, {} of both; {} while objects waited) in {took:?}: \
         {acknowledged} acknowledged images are at the PACS once and equal, and {unanswered} that had no answer",
        struck.node, struck.pacs, struck.both, struck.while_waiting
    );
    assert!(struck.while_waiting * 2 > kills, "the kills strike while objects go out");
}

#[derive(Default)]
struct Struck {
    node: usize,
    pacs: usize,
    both: usize,
    while_waiting: usize,
}

/// Kills one of the two, or both, and starts it again, until it was done so often. What was killed is away for a
/// random time; every fourth kill strikes without waiting for traffic to come back.
fn kill(kills: usize, seed: u32, node: &mut Node, pacs: &mut Pacs, progress: &Progress) -> Struck {
    let mut chance = StdRng::seed_from_u64(seed.into());
    let mut struck = Struck::default();
    for _ in 0..kills {
        if chance.random_ratio(3, 4) {
            wait_until_one_more_arrives(pacs.folder());
        }
        // From 0.1 ms to 0.5 s, each power of ten as often as the others.
        let exponent = chance.random_range(-4.0..0.5_f64.log10());
        std::thread::sleep(Duration::from_secs_f64(10_f64.powf(exponent)));
        let acknowledged = progress.acknowledged.load(Ordering::SeqCst);
        struck.while_waiting += usize::from(files_below(pacs.folder()).len() < acknowledged);
        let (node_dies, pacs_dies) = match chance.random_range(0..10) {
            0..5 => (true, false),
            5..9 => (false, true),
            _ => (true, true),
        };
        match (node_dies, pacs_dies) {
            (true, true) => struck.both += 1,
            (true, false) => struck.node += 1,
            _ => struck.pacs += 1,
        }
        if node_dies {
            node.kill9();
        }
        if pacs_dies {
            pacs.go_down();
        }
        std::thread::sleep(Duration::from_secs_f64(chance.random_range(0.0..0.3)));
        if pacs_dies {
            pacs.come_up();
        }
        if node_dies {
            node.start();
        }
    }
    struck
}

fn wait_until_one_more_arrives(folder: &Path) {
    let before = files_below(folder).len();
    let more = ports::wait_for(PATIENCE, || (files_below(folder).len() > before).then_some(()));
    assert!(more.is_some(), "nothing arrives any more behind {before} objects");
}

/// Holds the scanners while much waits, until the scenario ends.
fn keep_some_waiting(folder: &Path, progress: &Progress) {
    while !progress.stop.load(Ordering::SeqCst) {
        let arrived = files_below(folder).len();
        let acknowledged = progress.acknowledged.load(Ordering::SeqCst);
        progress.held.store(acknowledged > arrived + WAITING, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Each acknowledged image is there in one file with its bytes, and so is whatever else is there; how many of these.
fn compare(folder: &Path, sent: &[Sent]) -> usize {
    let ledger: HashMap<&str, &Sent> =
        sent.iter().map(|one| (one.sop_instance.as_str(), one)).collect();
    let mut there: HashMap<String, usize> = HashMap::new();
    for path in files_below(folder) {
        let file = Instance::read(&path);
        let made = ledger.get(file.sop_instance.as_str());
        let made = made.unwrap_or_else(|| panic!("{} was never sent", path.display()));
        assert_eq!(blake3::hash(&file.data_set), made.digest, "{} is altered", path.display());
        *there.entry(file.sop_instance).or_default() += 1;
    }
    let doubled: Vec<&String> = there.iter().filter(|(_, n)| **n > 1).map(|(uid, _)| uid).collect();
    assert_eq!(doubled, [] as [&String; 0], "once each");
    let missing =
        sent.iter().filter(|one| one.acknowledged && !there.contains_key(&one.sop_instance));
    let missing: Vec<&str> = missing.map(|one| one.sop_instance.as_str()).collect();
    assert_eq!(missing, [] as [&str; 0], "acknowledged, and not at the PACS");
    let unanswered = sent.iter().filter(|one| !one.acknowledged);
    unanswered.filter(|one| there.contains_key(&one.sop_instance)).count()
}
