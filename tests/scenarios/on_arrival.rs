//! Originals go on as they arrive: the PACS has the first image before the last is sent, byte for byte, and no kill costs or doubles one.

use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::instance::Instance;
use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::phantom::{self, PhantomSeries};
use kit::ports;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Every CT image at once, and nothing of what a guard takes.
const AT_ONCE: &str = r#"
[[rule]]
name = "at once"
on = "instance"
[rule.select]
Modality = "CT"
[rule.then]
forward = ["PACS"]
when = "arrives"

[[rule]]
name = "not the tenth"
on = "instance"
[rule.select]
InstanceNumber = 10
[rule.then]
stop = true
"#;

/// Without a release a series of this node is complete an hour after its last image: whatever goes out before went on arrival.
fn setup(pacs: &DifficultPacs) -> Setup {
    let setup = Setup::new().rules("at-once.toml", AT_ONCE).scanner("CT1").quiet_seconds(3600.0);
    setup.receiver("PACS", pacs.port)
}

fn request(node: &Node, chest: &PhantomSeries) -> Association {
    Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted")
}

fn wait_until_taken(pacs: &DifficultPacs, image: &Instance) {
    let uid = &image.sop_instance;
    let taken = ports::wait_for(PATIENCE, || pacs.seen().data_sets.contains_key(uid).then_some(()));
    assert!(taken.is_some(), "it did not arrive: {:?}", pacs.seen().taken);
    assert!(pacs.seen().data_sets.get(uid) == Some(&image.data_set), "byte for byte");
}

#[test]
fn the_pacs_has_the_first_image_before_the_last_is_sent_and_each_one_once() {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    let node = setup(&pacs).start();
    let chest = phantom::small_chest("at once");
    let mut association = request(&node, &chest);
    let (tenth, others): (Vec<&Instance>, Vec<&Instance>) =
        chest.instances.iter().partition(|image| number(image) == "10");
    for image in tenth.iter().chain(&others) {
        assert_eq!(association.store(image).expect("an answer").status, 0);
        if image.sop_instance != tenth[0].sop_instance {
            wait_until_taken(&pacs, image);
        }
    }
    let told = node.explain(&chest.series);
    assert!(told.contains("complete  not yet"), "{told}");
    assert!(
        told.contains("\"at once\" took 19 of 20 images; one of the others was skipped"),
        "{told}"
    );
    let told = node.explain(&tenth[0].sop_instance);
    assert!(told.contains("\"at once\" skipped: stopped by \"not the tenth\""), "{told}");
    let told = node.explain(&others[0].sop_instance);
    assert!(told.contains("\"at once\" runs: 1 of 1 image selected"), "{told}");
    association.release();

    // What is decided once the series is complete sends nothing again.
    node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    let status = node.status();
    assert!(status.contains("PACS: 0 queued, 19 delivered, 0 parked"), "{status}");
    assert_eq!(pacs.seen().begun.len(), 19, "each went out once");
}

#[test]
fn a_kill_behind_any_answer_loses_no_image_that_was_to_go_at_once() {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    let mut node = setup(&pacs).start();
    let mut chest = phantom::small_chest("killed at once");
    chest.instances.retain(|image| number(image) != "10");
    for (place, image) in chest.instances.iter().enumerate() {
        let mut association = request(&node, &chest);
        assert_eq!(association.store(image).expect("an answer").status, 0);
        match place % 3 {
            // Before the index has it.
            0 => {}
            // While it is judged, queued or sent.
            1 => std::thread::sleep(Duration::from_millis(60 + 10 * place as u64)),
            // When it has arrived, and the node may not know so yet.
            _ => wait_until_taken(&pacs, image),
        }
        node.kill9();
        node.start();
    }
    for image in &chest.instances {
        wait_until_taken(&pacs, image);
    }
    let said = ports::wait_for(PATIENCE, || {
        Some(node.status()).filter(|said| said.contains("PACS: 0 queued, 19 delivered, 0 parked"))
    });
    assert!(said.is_some(), "{}", node.status());
    let told = node.explain(&chest.series);
    assert!(told.contains("complete  not yet"), "no decision on the series helped: {told}");
    let seen = pacs.seen();
    let taken: BTreeSet<&String> = seen.taken.iter().collect();
    assert_eq!(taken.len(), chest.instances.len());
    // At least once on the wire: again only what was on its way when the node was killed.
    let again = seen.taken.len() - taken.len();
    assert!(again <= chest.instances.len() / 3 * 2, "{again} went again: {:?}", seen.taken);
}

fn number(image: &Instance) -> String {
    image.text(dicom_dictionary_std::tags::INSTANCE_NUMBER)
}
