//! A queue for each peer: what one PACS does not take, or one that is away, stops nothing else; and what waits survives pauses and kills.

use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::instance::Instance;
use kit::modality::send;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::ports::wait_until;
use kit::rules::forward;
use kit::{need, ports};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.34";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
const CR: &str = "1.2.840.10008.5.1.4.1.1.1";

/// Every CT image goes to these peers.
fn outbox(node: &Node, arguments: &[&str]) -> String {
    let said = node.gantry(&[&["outbox"], arguments].concat());
    assert!(said.success, "{said:?}");
    said.out
}

/// Waits until what `ask` says has this in it.
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
    send("CT1", &node, &chest.instances);
    pacs.wait_for(uids.len(), PATIENCE);
    difficult.wait_until_taken(uids.len() - 3, PATIENCE);

    wait_until(PATIENCE, || outbox(&node, &["list", "--peer", "DIFFICULT", "--parked"]), "C123");
    let said = wait_until(PATIENCE, || outbox(&node, &["list", "--peer", "DIFFICULT"]), &deadly);
    assert!(said.contains("2 queued, 1 parked") && said.contains(&cut), "{said}");
    wait_until(PATIENCE, || outbox(&node, &["list", "--peer", "DIFFICULT"]), "tried");
    let begun: Vec<String> = difficult.seen().begun;
    assert_eq!(begun.iter().filter(|uid| **uid == refused).count(), 1, "it is not tried again");

    // The dead peer waits as a whole: none of its deliveries was tried.
    let said =
        wait_until(PATIENCE, || outbox(&node, &["list", "--peer", "DEAD"]), "the peer was tried");
    assert!(said.contains("DEAD: 20 queued, 0 parked"), "{said}");
    let metrics = || node.gantry(&["status", "--metrics"]).out;
    let metrics =
        wait_until(PATIENCE, metrics, "gantry_outbox{peer=\"PACS\",state=\"delivered\"} 20");
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
    send("CT1", &node, &chest.instances);
    let said = node.wait_until_explained(&chest.series, "the peer was tried", PATIENCE);
    assert!(said.contains("20 instances to PACS"), "they wait together: {said}");
    let called_again = ports::wait_for(PATIENCE, || (pacs.seen().calls > 2).then_some(()));
    assert!(called_again.is_some(), "{:?}", pacs.seen());
    pacs.set_away(false);
    pacs.wait_until_taken(chest.instances.len(), PATIENCE);
    let seen = pacs.seen();
    assert_eq!(seen.associations, 1, "one association is kept for all of them");
    for image in &chest.instances {
        assert_eq!(seen.data_sets.get(&image.sop_instance), Some(&image.data_set));
    }
    wait_until(PATIENCE, || node.status(), "PACS: 0 queued, 20 delivered, 0 parked");
    assert!(!node.status().contains("trouble"), "{}", node.status());
}

#[test]
fn what_a_full_pacs_puts_off_waits_together_and_arrives_when_it_has_room() {
    let is_full = Arc::new(AtomicBool::new(true));
    let full = is_full.clone();
    let pacs = DifficultPacs::up("PACS", &[], move |_| match full.load(Ordering::SeqCst) {
        true => Manner::Answers(0xA700),
        false => Manner::Takes,
    });
    let setup = Setup::new().rules("archive.toml", &forward(&["PACS"])).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    let chest = phantom::small_chest("full");
    send("CT1", &node, &chest.instances);
    let list = || outbox(&node, &["list"]);
    let said = wait_until(PATIENCE, list, "the peer was tried");
    assert!(said.contains("A700: the peer is out of resources"), "{said}");
    is_full.store(false, Ordering::SeqCst);
    pacs.wait_until_taken(chest.instances.len(), PATIENCE);
    wait_until(PATIENCE, || node.status(), "PACS: 0 queued, 20 delivered, 0 parked");
}

#[test]
fn a_class_that_comes_later_gets_an_association_of_its_own_and_only_a_refused_one_is_parked() {
    let pacs = DifficultPacs::up("PACS", &[CR], |_| Manner::Takes);
    let setup = Setup::new().rules("archive.toml", &forward(&["PACS"])).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    for (number, (class, taken)) in [(CT, 3), (MR, 6), (CR, 6), (CT, 9)].into_iter().enumerate() {
        let chest = of_class(class, &format!("class {number}"));
        send("CT1", &node, &chest.instances);
        match class {
            CR => node.wait_until_explained(&chest.series, "does not take SOP class", PATIENCE),
            _ => node.wait_until_explained(&chest.series, "delivered at", PATIENCE),
        };
        pacs.wait_until_taken(taken, PATIENCE);
    }
    let seen = pacs.seen();
    assert_eq!(seen.begun.len(), 9, "what was refused with its context is not sent");
    assert!(seen.associations > 1, "{seen:?}");
    wait_until(PATIENCE, || node.status(), "PACS: 0 queued, 9 delivered, 3 parked");
}

#[test]
fn several_associations_share_the_work_and_one_that_the_pacs_has_no_room_for_delays_nothing() {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Slowly(Duration::from_millis(50)));
    pacs.takes_associations(2);
    let setup = Setup::new().rules("archive.toml", &forward(&["PACS"])).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).peer_line("associations = 3").start();
    let chest = phantom::small_chest("shared");
    send("CT1", &node, &chest.instances);
    pacs.wait_until_taken(chest.instances.len(), PATIENCE);
    wait_until(PATIENCE, || node.status(), "PACS: 0 queued, 20 delivered, 0 parked");
    let seen = pacs.seen();
    assert_eq!(seen.most_open, 2);
    assert_eq!(seen.taken.len(), 20, "each went once");
    assert!(!node.status().contains("trouble"), "{}", node.status());
}

#[test]
fn a_pacs_that_takes_no_compressed_images_gets_the_same_pixels_without_compression() {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    pacs.takes_only_uncompressed();
    let setup = Setup::new().rules("archive.toml", &forward(&["PACS"])).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    let native = phantom::small_chest("compressed");
    let mut chest = phantom::small_chest("compressed");
    chest.instances.iter_mut().for_each(run_length_encode);
    send("CT1", &node, &chest.instances);
    pacs.wait_until_taken(chest.instances.len(), PATIENCE);
    let seen = pacs.seen();
    for image in &native.instances {
        assert!(
            seen.data_sets.get(&image.sop_instance) == Some(&image.data_set),
            "pixel for pixel"
        );
    }
}

/// Pixel Data of 16 bits as one frame in RLE (PS3.5 annex G), of bytes as they stand.
fn run_length_encode(image: &mut Instance) {
    const HEAD: &[u8] = b"\xE0\x7F\x10\0OW\0\0";
    let at = image.data_set.windows(HEAD.len()).position(|bytes| bytes == HEAD);
    let pixels = image.data_set.split_off(at.expect("the pixels are there"));
    let pixels = &pixels[HEAD.len() + 4..];
    let segment = |byte: usize| -> Vec<u8> {
        let bytes: Vec<u8> = pixels.iter().skip(byte).step_by(2).copied().collect();
        let runs = bytes.chunks(128).flat_map(|run| [&[run.len() as u8 - 1], run].concat());
        let mut encoded: Vec<u8> = runs.collect();
        encoded.resize(encoded.len().next_multiple_of(2), 128);
        encoded
    };
    let (high, low) = (segment(1), segment(0));
    let head = [2, 64, 64 + high.len() as u32].map(u32::to_le_bytes).concat();
    let frame = [&head[..], &vec![0; 64 - head.len()], &high, &low].concat();
    let length = (frame.len() as u32).to_le_bytes();
    for part in [
        b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0",
        &length[..],
        &frame,
        b"\xFE\xFF\xDD\xE0\0\0\0\0",
    ] {
        image.data_set.extend(part);
    }
    image.transfer_syntax = "1.2.840.10008.1.2.5".into();
}

/// Three images that say to be of this class.
fn of_class(class: &str, name: &str) -> PhantomSeries {
    let mut chest = phantom::small_chest(name);
    chest.instances.truncate(3);
    for image in &mut chest.instances {
        // As long as the class that it was of.
        let at = image.data_set.windows(CT.len()).position(|bytes| bytes == CT.as_bytes());
        let at = at.expect("the class is there");
        image.data_set[at..at + class.len()].copy_from_slice(class.as_bytes());
        image.sop_class = class.into();
    }
    chest
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
    send("CT1", &node, &chest.instances);
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
        send("CT1", &node, &chest.instances);
    }
    let images: Vec<Instance> = chests.into_iter().flat_map(|chest| chest.instances).collect();
    wait_until(PATIENCE, || node.status(), &format!("PACS: {} queued", images.len()));
    pacs.come_up();
    for kill in 0..KILLS {
        // After some more have arrived, each time, so that every kill strikes while objects go out.
        let wanted = (kill + 1) * images.len() / (KILLS + 2);
        let some = ports::wait_for(PATIENCE, || (pacs.received().len() >= wanted).then_some(()));
        assert!(some.is_some(), "{} of {wanted} arrived", pacs.received().len());
        node.kill9();
        node.start();
    }
    wait_until(PATIENCE, || node.status(), &format!("PACS: 0 queued, {} delivered", images.len()));
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
