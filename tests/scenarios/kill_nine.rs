//! kill -9 at random moments: what was acknowledged is there, unaltered, and every series ends with one result of each kind.

use gantry::phantom::PhantomOptions;
use kit::instance::Instance;
use kit::modality::{Association, Unanswered};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::{need, ports};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
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
ConvolutionKernel = "B40f"

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
    let setup = Setup::new().rules("phantom.toml", RULE).pacs(&pacs);
    let mut node = setup.scanner("CT1").scanner("CT2").start();
    let chests: Vec<PhantomSeries> =
        (0..SERIES).map(|number| phantom::small_chest(&format!("killed {number}"))).collect();

    let kills = AtomicUsize::new(0);
    let port = node.port;
    let mut sent = std::thread::scope(|scope| {
        let whole = scope.spawn(|| send_chests(&chests, port, &kills));
        let steady = scope.spawn(|| send_without_pause(port, &kills));
        kill_and_restart(&mut node, &kills);
        whole.join().expect("the sender of whole series ends");
        steady.join().expect("the steady sender ends")
    });
    sent.extend(chests.iter().flat_map(|chest| chest.instances.clone()));

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
    assert_kept(&node, &sent);
}

/// A scanner that sends an image again and again until it is acknowledged.
struct Scanner {
    ae_title: &'static str,
    port: u16,
    association: Option<Association>,
    cut_off: usize,
}

impl Scanner {
    fn new(ae_title: &'static str, port: u16) -> Self {
        Self { ae_title, port, association: None, cut_off: 0 }
    }

    fn send(&mut self, image: &Instance) {
        loop {
            let request = || {
                Association::request(
                    self.ae_title,
                    AE_TITLE,
                    self.port,
                    std::slice::from_ref(image),
                )
                .ok()
            };
            let open = self.association.take().or_else(|| ports::wait_for(PATIENCE, request));
            let mut open = open.expect("the node comes back");
            match open.store(image) {
                Ok(answer) => {
                    assert_eq!(answer.status, 0x0000, "{}", answer.comment);
                    self.association = Some(open);
                    return;
                }
                Err(Unanswered::ConnectionLost) => self.cut_off += 1,
                Err(Unanswered::NotAccepted) => panic!("CT images are accepted"),
            }
        }
    }
}

/// Sends the chests only as fast as the kills go on, so that they strike in the middle of every
/// series, and while its images are measured and its results delivered.
fn send_chests(chests: &[PhantomSeries], port: u16, kills: &AtomicUsize) {
    let mut scanner = Scanner::new("CT1", port);
    let images: Vec<&Instance> = chests.iter().flat_map(|chest| &chest.instances).collect();
    for (number, image) in images.iter().enumerate() {
        let due = number * KILLS / images.len();
        ports::wait_for(PATIENCE, || (kills.load(Ordering::SeqCst) >= due).then_some(()));
        scanner.send(image);
    }
}

/// Sends small images that no rule selects, one behind the other until the kills are over, so that
/// every kill strikes while an image is received; all that was acknowledged.
fn send_without_pause(port: u16, kills: &AtomicUsize) -> Vec<Instance> {
    let coarse = PhantomOptions {
        rows: 96,
        columns: 96,
        pixel_mm: 3.5,
        slices: 30,
        kernel: "B70f".into(),
        ..Default::default()
    };
    let mut scanner = Scanner::new("CT2", port);
    let mut acknowledged = Vec::new();
    while kills.load(Ordering::SeqCst) < KILLS {
        for image in phantom::make(&format!("steady {}", acknowledged.len()), &coarse).instances {
            scanner.send(&image);
            acknowledged.push(image);
        }
    }
    println!("{} small images, cut off {} times", acknowledged.len(), scanner.cut_off);
    assert!(scanner.cut_off > KILLS / 4, "the kills strike while images are received");
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

/// Everything that was acknowledged comes out of the store byte for byte, and nothing else but results.
fn assert_kept(node: &Node, sent: &[Instance]) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let to = folder.path().join("out");
    let said = node.gantry(&["export", "all", "--to", &to.to_string_lossy()]);
    assert!(said.success, "{said:?}");
    let exported = Instance::read_folder(&to);
    let by_name: HashMap<&str, &Instance> =
        exported.iter().map(|one| (one.sop_instance.as_str(), one)).collect();
    assert_eq!(by_name.len(), exported.len(), "each object is kept once");
    // Of each series a capture, and the report in three SOP classes.
    assert_eq!(exported.len(), sent.len() + 4 * SERIES);
    for image in sent {
        assert!(by_name.get(image.sop_instance.as_str()) == Some(&image), "{}", image.sop_instance);
    }
}
