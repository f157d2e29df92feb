//! kill -9 at random moments: what was acknowledged is there, unaltered, and every series ends with one result of each kind.

use kit::instance::Instance;
use kit::modality::{Association, Unanswered};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::{need, ports};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const KILLS: usize = 20;
const SERIES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(240);

/// Asks for the whole series: what has come so far when the node was down too long does not run.
const RULE: &str = r#"
[[rule]]
name = "emphysema on whole phantoms"
on = "series"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.require]
images = { min = 20 }

[rule.then]
run = "emphysema"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture"] }
"#;

#[test]
fn twenty_kills_lose_nothing_that_was_acknowledged_and_repeat_no_result() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let mut node = Setup::new().rules("phantom.toml", RULE).scanner("CT1").pacs(&pacs).start();
    let chests: Vec<PhantomSeries> =
        (0..SERIES).map(|number| phantom::small_chest(&format!("killed {number}"))).collect();
    let instances: Vec<&Instance> = chests.iter().flat_map(|chest| &chest.instances).collect();

    let kills = AtomicUsize::new(0);
    let port = node.port;
    let acknowledged = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send_all(&instances, port, &kills));
        kill_and_restart(&mut node, &kills);
        sender.join().expect("the sender ends")
    });
    assert_eq!(acknowledged, instances.len(), "the sender got an answer for every image");

    let received = pacs.wait_for(2 * SERIES, PATIENCE);
    let settled = ports::wait_for(PATIENCE, || {
        Some(node.status()).filter(|said| said.contains("PACS: 0 queued"))
    });
    assert!(settled.is_some(), "{}", node.status());
    assert_eq!(pacs.received().len(), received.len(), "no result came twice under another UID");
    for chest in &chests {
        let of_study = || pacs.received().into_iter().filter(|file| file.study == chest.study);
        assert_eq!(of_study().filter(|file| file.is_report()).count(), 1);
        assert_eq!(of_study().filter(|file| file.is_capture()).count(), 1);
    }

    let verified = node.gantry(&["verify"]);
    assert!(verified.success, "{verified:?}");
    assert_kept(&node, &instances);
}

/// Sends every image until it is acknowledged. It goes on only as the kills go on, so that they
/// strike in the middle of every series.
fn send_all(instances: &[&Instance], port: u16, kills: &AtomicUsize) -> usize {
    let mut association = None;
    let mut acknowledged = 0;
    let classes = [instances[0].clone()];
    while acknowledged < instances.len() {
        let due = acknowledged * KILLS / instances.len();
        ports::wait_for(PATIENCE, || (kills.load(Ordering::SeqCst) >= due).then_some(()));
        association = association.or_else(|| {
            ports::wait_for(PATIENCE, || Association::request("CT1", AE_TITLE, port, &classes).ok())
        });
        let open = association.as_mut().expect("the node comes back");
        match open.store(instances[acknowledged]) {
            Ok(answer) => {
                assert_eq!(answer.status, 0x0000, "{}", answer.comment);
                acknowledged += 1;
            }
            Err(Unanswered::ConnectionLost) => association = None,
            Err(Unanswered::NotAccepted) => panic!("CT images are accepted"),
        }
    }
    if let Some(open) = association {
        open.release();
    }
    acknowledged
}

fn kill_and_restart(node: &mut Node, kills: &AtomicUsize) {
    let seed = rand::rng().random();
    println!("random moments from seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    for _ in 0..KILLS {
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(chance.random_range(0..1500)));
        node.kill9();
        kills.fetch_add(1, Ordering::SeqCst);
        node.start();
    }
}

/// Everything that was acknowledged comes out of the store byte for byte.
fn assert_kept(node: &Node, instances: &[&Instance]) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let to = folder.path().join("out");
    let said = node.gantry(&["export", "all", "--to", &to.to_string_lossy()]);
    assert!(said.success, "{said:?}");
    let exported = Instance::read_folder(&to);
    let names: HashSet<&str> = exported.iter().map(|one| one.sop_instance.as_str()).collect();
    assert_eq!(names.len(), exported.len(), "each object is kept once");
    assert_eq!(exported.len(), instances.len() + 2 * SERIES, "images and results, nothing else");
    let by_name: HashMap<&str, &Instance> =
        exported.iter().map(|one| (one.sop_instance.as_str(), one)).collect();
    for sent in instances {
        assert!(by_name.get(sent.sop_instance.as_str()) == Some(sent), "{}", sent.sop_instance);
    }
}
