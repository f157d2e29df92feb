//! A queue for each peer: what one PACS does not take, or one that is away, stops nothing else; and what waits survives pauses and kills.

use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::instance::Instance;
use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::{need, ports};
use std::collections::HashSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.34";

/// Every CT image goes to these peers.
fn forward(peers: &[&str]) -> String {
    format!(
        "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
         [rule.then]\nforward = {peers:?}\n"
    )
}

fn send(node: &Node, chest: &PhantomSeries) {
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted");
    for image in &chest.instances {
        assert_eq!(association.store(image).expect("an answer").status, 0);
    }
    association.release();
}

fn outbox(node: &Node, arguments: &[&str]) -> String {
    let said = node.gantry(&[&["outbox"], arguments].concat());
    assert!(said.success, "{said:?}");
    said.out
}

/// Waits until what `ask` says has this in it.
fn wait_until(ask: impl Fn() -> String, word: &str) -> String {
    let said = ports::wait_for(PATIENCE, || Some(ask()).filter(|said| said.contains(word)));
    said.unwrap_or_else(|| panic!("{word:?} is not in:\n{}", ask()))
}

fn taken_by(pacs: &DifficultPacs, at_least: usize) {
    let enough = || (pacs.seen().taken.len() >= at_least).then_some(());
    let waited = ports::wait_for(PATIENCE, enough);
    assert!(waited.is_some(), "{} of {at_least} taken", pacs.seen().taken.len());
}

#[test]
fn one_refused_instance_and_one_dead_peer_stop_nothing_else() {
    let Some(()) = need::dcmtk() else { return };
    let chest = phantom::small_chest("one bad apple");
    let uids: Vec<String> = chest.instances.iter().map(|one| one.sop_instance.clone()).collect();
    let (refused, deadly, cut) = (uids[2].clone(), uids[6].clone(), uids[9].clone());
    let difficult = DifficultPacs::up("DIFFICULT", &[], {
        let (refused, deadly, cut) = (refused.clone(), deadly.clone(), cut.clone());
        move |uid: &str| match uid {
            uid if uid == refused => Manner::Answers(0xC123),
            uid if uid == deadly => Manner::AbortsAt(20_000),
            uid if uid == cut => Manner::ClosesAt(20_000),
            _ => Manner::Takes,
        }
    });
    let (pacs, dead) = (Pacs::up("PACS"), Pacs::down("DEAD"));
    let rule = forward(&["DEAD", "DIFFICULT", "PACS"]);
    let setup = Setup::new().rules("archive.toml", &rule).scanner("CT1").pacs(&pacs).pacs(&dead);
    let node = setup.receiver("DIFFICULT", difficult.port).start();
    send(&node, &chest);
    pacs.wait_for(uids.len(), PATIENCE);
    taken_by(&difficult, uids.len() - 3);

    wait_until(|| outbox(&node, &["list", "--peer", "DIFFICULT", "--parked"]), "C123");
    let said = wait_until(|| outbox(&node, &["list", "--peer", "DIFFICULT"]), &deadly);
    assert!(said.contains("2 queued, 1 parked") && said.contains(&cut), "{said}");
    wait_until(|| outbox(&node, &["list", "--peer", "DIFFICULT"]), "tried");
    let begun: Vec<String> = difficult.seen().begun;
    assert_eq!(begun.iter().filter(|uid| **uid == refused).count(), 1, "it is not tried again");

    // The dead peer waits as a whole: none of its deliveries was tried.
    let said = wait_until(|| outbox(&node, &["list", "--peer", "DEAD"]), "the peer was tried");
    assert!(said.contains("DEAD: 20 queued, 0 parked"), "{said}");
    let metrics = || node.gantry(&["status", "--metrics"]).out;
    let metrics = wait_until(metrics, "gantry_outbox{peer=\"PACS\",state=\"delivered\"} 20");
    assert!(!metrics.contains("gantry_outbox_peer_failures{peer=\"DEAD\"} 0"), "{metrics}");

    // What nobody wants any more stays as history.
    let unexplained = node.gantry(&["outbox", "drop", &deadly, "--peer", "DIFFICULT"]);
    assert!(!unexplained.success && unexplained.err.contains("--why"), "{unexplained:?}");
    outbox(&node, &["drop", "all", "--peer", "DIFFICULT", "--by", "anna", "--why", "broken"]);
    let said = outbox(&node, &["list", "--peer", "DIFFICULT", "--dropped"]);
    assert!(said.contains("0 queued, 0 parked, 3 dropped"), "{said}");
    let told = node.explain(&chest.series);
    assert!(told.contains("by anna: broken"), "{told}");
    assert!(node.status().contains("3 deliveries dropped by anna: broken"), "{}", node.status());
}

#[test]
fn a_peer_that_is_away_is_called_once_for_all_that_waits_and_gets_it_over_one_association() {
    let pacs = DifficultPacs::up("PACS", &[REPORT], |_| Manner::Takes);
    pacs.set_away(true);
    let setup = Setup::new().rules("archive.toml", &forward(&["PACS"])).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    let chest = phantom::small_chest("away");
    send(&node, &chest);
    let said = node.wait_until_explained(&chest.series, "the peer was tried", PATIENCE);
    assert!(said.contains("20 instances to PACS"), "they wait together: {said}");
    let called_again = ports::wait_for(PATIENCE, || (pacs.seen().calls > 2).then_some(()));
    assert!(called_again.is_some(), "{:?}", pacs.seen());
    pacs.set_away(false);
    taken_by(&pacs, chest.instances.len());
    let seen = pacs.seen();
    assert_eq!(seen.associations, 1, "one association is kept for all of them");
    for image in &chest.instances {
        assert_eq!(seen.data_sets.get(&image.sop_instance), Some(&image.data_set));
    }
    wait_until(|| node.status(), "PACS: 0 queued, 20 delivered, 0 parked");
    assert!(!node.status().contains("trouble"), "{}", node.status());
}

#[test]
fn a_paused_peer_gets_nothing_over_a_restart_too_and_everything_after_it_is_resumed() {
    let Some(()) = need::dcmtk() else { return };
    let (pacs, other) = (Pacs::up("PACS"), Pacs::up("OTHER"));
    let rule = forward(&["OTHER", "PACS"]);
    let setup = Setup::new().rules("archive.toml", &rule).scanner("CT1").pacs(&pacs).pacs(&other);
    let mut node = setup.start();
    let said = node.gantry(&["outbox", "pause", "NOBODY"]);
    assert!(!said.success && said.err.contains("OTHER, PACS"), "{said:?}");
    outbox(&node, &["pause", "PACS", "--by", "anna", "--why", "it moves"]);
    let chest = phantom::small_chest("paused");
    // The node looks once a second; the images come later, at the end of their quiet time.
    send(&node, &chest);
    other.wait_for(chest.instances.len(), PATIENCE);
    node.kill9();
    node.start();
    let told = node.wait_until_explained(&chest.series, "the peer is paused", PATIENCE);
    assert!(told.contains("by anna"), "{told}");
    let status = node.status();
    assert!(status.contains("PACS: 20 queued") && status.contains("by anna: it moves"), "{status}");
    let metrics = node.gantry(&["status", "--metrics"]).out;
    assert!(metrics.contains("gantry_outbox_paused{peer=\"PACS\"} 1"), "{metrics}");
    assert_eq!(pacs.received().len(), 0);
    outbox(&node, &["resume", "PACS", "--by", "anna"]);
    assert_same(&pacs.wait_for(chest.instances.len(), PATIENCE), &chest.instances);
}

#[test]
fn kills_in_the_middle_of_deliveries_lose_nothing_and_the_pacs_has_each_object_as_it_was_made() {
    const KILLS: usize = 8;
    let Some(()) = need::dcmtk() else { return };
    let mut pacs = Pacs::down("PACS");
    let setup = Setup::new().rules("archive.toml", &forward(&["PACS"])).scanner("CT1").pacs(&pacs);
    let mut node = setup.start();
    let chests: Vec<PhantomSeries> = (0..4)
        .map(|number| phantom::small_chest(&format!("killed while sending {number}")))
        .collect();
    for chest in &chests {
        send(&node, chest);
    }
    let images: Vec<Instance> = chests.into_iter().flat_map(|chest| chest.instances).collect();
    wait_until(|| node.status(), &format!("PACS: {} queued", images.len()));
    pacs.come_up();
    for kill in 0..KILLS {
        // After some more have arrived, each time, so that every kill strikes while objects go out.
        let wanted = (kill + 1) * images.len() / (KILLS + 2);
        let some = ports::wait_for(PATIENCE, || (pacs.received().len() >= wanted).then_some(()));
        assert!(some.is_some(), "{} of {wanted} arrived", pacs.received().len());
        node.kill9();
        node.start();
    }
    wait_until(|| node.status(), &format!("PACS: 0 queued, {} delivered", images.len()));
    assert_same(&pacs.received(), &images);
}

fn assert_same(received: &[kit::instance::ReceivedFile], sent: &[Instance]) {
    let names: HashSet<&str> = received.iter().map(|file| file.sop_instance.as_str()).collect();
    assert_eq!((names.len(), received.len()), (sent.len(), sent.len()), "each is there once");
    for file in received {
        let image = sent.iter().find(|one| one.sop_instance == file.sop_instance);
        assert!(Some(&Instance::read(&file.path)) == image, "byte for byte");
    }
}
