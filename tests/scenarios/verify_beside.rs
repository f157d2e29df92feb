//! `gantry verify` and `gantry export` beside a node that takes objects as fast as they come: nothing that is well is called damaged.

use kit::instance::{Instance, files_below};
use kit::load::{self, Compared, Load, Progress};
use kit::node::{Node, Setup};
use kit::ports;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;

const SCANNERS: u16 = 8;
const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: usize = 12;

#[test]
fn readers_beside_a_node_under_load_find_no_damage_where_there_is_none() {
    let models = TempDir::new().expect("a temporary folder");
    let setup = (1..=SCANNERS).fold(Setup::new(), |setup, n| setup.scanner(&load::calling(n)));
    let mut node = setup.models(models.path()).segment_mib(16).start();
    let load = Load {
        port: node.port,
        scanners: SCANNERS,
        seed: load::seed(),
        sizes: vec![(72, 70, 970), (512, 512, 28), (1500, 1500, 2)],
        images_of_series: 40,
        series_of_study: 25,
    };
    let progress = Progress::default();
    // What was exported is removed at the end: see `load::compare`.
    let (sent, _exported) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| load.send(u32::MAX, &progress));
        let node = &node;
        let reading = scope.spawn(|| read_beside(node, &progress));
        let read = reading.join();
        progress.stop.store(true, Ordering::SeqCst);
        let sent = sending.join().expect("the scanners end");
        (sent, read.expect("the readers are content"))
    });
    assert!(node.stop().success());
    let verified = node.gantry(&["verify"]);
    assert!(verified.success, "{verified:?}");
    assert!(verified.out.contains(&format!("{} instances in the index", sent.len())));
    assert!(verified.out.contains("0 records not yet in the index"), "{verified:?}");
    let acknowledged = sent.len();
    assert_eq!(load::compare(&node, &sent), Compared { acknowledged, ..Compared::default() });
}

fn read_beside(node: &Node, progress: &Progress) -> TempDir {
    let mut last = 0;
    for round in 1..=ROUNDS {
        // Each round meets more than the one before.
        let many = || progress.acknowledged.load(Ordering::SeqCst) >= round * 500;
        assert!(ports::wait_for(PATIENCE, || many().then_some(())).is_some(), "nobody sends");
        let before = progress.acknowledged.load(Ordering::SeqCst);
        let verified = node.gantry(&["verify"]);
        assert!(verified.success, "round {round}: {verified:?}");
        last = number_before(&verified.out, "records in ");
        let coming = number_before(&verified.out, "records not yet in the index");
        println!("round {round}: {last} records, {coming} more not yet in the index");
        assert!(last + coming >= before, "round {round}: {before} were acknowledged before");
    }
    let folder = TempDir::new().expect("a temporary folder");
    let to = folder.path().join("out");
    let said = node.gantry(&["export", "all", "--to", &to.to_string_lossy()]);
    assert!(said.success, "{said:?}");
    let files = files_below(&to);
    assert!(files.len() >= last, "what was verified can be exported: {said:?}");
    for path in files {
        Instance::read(&path);
    }
    folder
}

/// The number in front of these words.
fn number_before(text: &str, words: &str) -> usize {
    let before = text.split(words).next().unwrap_or_default().trim_end();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("no number before {words:?} in {text}"))
}
