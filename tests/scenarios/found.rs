//! Archives without storage commitment: what they took is sought there by C-FIND, and sent again when it is not found.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use kit::archives::{Dcmqrscp, Pynetdicom};
use kit::difficult_pacs::{DifficultPacs, Finds, Manner};
use kit::instance::Instance;
use kit::modality::send;
use kit::node::{AE_TITLE, Node, Setup};
use kit::orthanc::{self, Orthanc};
use kit::{need, phantom, ports};
use std::collections::HashSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);
/// Some seconds, in hours, after which what is not found is sent again.
const SOON: &str = "find-hours = 0.0005\n";
const LATE: &str = "find-hours = 1\n";
/// Longer than a peer has before it is asked for what it took.
const DUE: Duration = Duration::from_secs(6);

/// A node that forwards to this peer, and seeks what it took at the same or at another one.
fn node(deliver: &str, peer: (&str, u16), further: &str) -> Node {
    let (title, port) = peer;
    let forward = format!(
        "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
         [rule.then]\nforward = [\"{title}\"]\n"
    );
    let peers = format!(
        "{deliver}\n[[peer]]\nae-title = \"CT1\"\n\
         [[peer]]\nae-title = \"{title}\"\naddress = \"127.0.0.1:{port}\"\n{further}"
    );
    Setup::new().rules("archive.toml", &forward).further(&peers).start()
}

#[test]
fn what_orthanc_lost_before_it_was_asked_is_not_found_and_sent_again() {
    let (Some(()), Some(())) = (need::dcmtk(), need::orthanc()) else { return };
    let archive = Orthanc::up(AE_TITLE, ports::free());
    let peer = (orthanc::AE_TITLE, archive.port);
    let node = node(SOON, peer, "find-at = \"ORTHANC\"\n");
    let chest = phantom::small_chest("sought at Orthanc");
    let all = chest.instances.len();
    send("CT1", &node, &chest.instances);
    archive.wait_for(all);
    for study in archive.all("studies") {
        archive.delete(&format!("/studies/{study}"));
    }
    let told = node
        .wait_until_status(&format!("{all} found at the peer, 0 to find, 0 sent again"), PATIENCE);
    assert!(told.contains("again, 0 were sent too often"), "{told}");
    assert_eq!(archive.all("instances").len(), all, "it has them again");
    let explained = node.explain(&chest.series);
    assert!(explained.contains(", found at the peer at "), "{explained}");
    let metrics = node.gantry(&["status", "--metrics"]).out;
    for (state, count) in [("found", all), ("committed", 0), ("lost", 0)] {
        let counted = format!("gantry_commitment{{peer=\"ORTHANC\",state=\"{state}\"}} {count}\n");
        assert!(metrics.contains(&counted), "{metrics}");
    }
}

#[test]
fn dcmqrscp_stores_and_finds_and_one_that_may_not_store_refuses_with_a_reason() {
    let Some(archive) = Dcmqrscp::up("QRSCP", true) else { return };
    let node = node(LATE, ("QRSCP", archive.port), "find-at = \"QRSCP\"\n");
    let chest = phantom::small_chest("sought at dcmqrscp");
    let all = chest.instances.len();
    send("CT1", &node, &chest.instances);
    let told = node
        .wait_until_status(&format!("{all} found at the peer, 0 to find, 0 sent again"), PATIENCE);
    assert!(told.contains(&format!("QRSCP: 0 queued, {all} delivered, 0 parked")), "{told}");
    let kept = std::fs::read_dir(archive.area()).expect("its folder").flatten();
    let kept = kept.filter(|file| file.file_name().to_string_lossy().starts_with("CT"));
    assert_eq!(kept.count(), all);
    drop((node, archive));

    let Some(archive) = Dcmqrscp::up("QRSCP", false) else { return };
    let node = self::node(LATE, ("QRSCP", archive.port), "");
    send("CT1", &node, &chest.instances[..2]);
    let told = node.wait_until_status("QRSCP: 0 queued, 0 delivered, 2 parked", PATIENCE);
    assert!(told.contains("last trouble: "), "{told}");
}

#[test]
fn pynetdicom_is_asked_for_lists_with_unique_keys_of_the_study_root_and_nothing_else() {
    let Some(archive) = Pynetdicom::up("ARCHIVE", None) else { return };
    // It stores under one title and is asked as another peer.
    let asked_at = format!(
        "find-at = \"QR\"\n[[peer]]\nae-title = \"QR\"\naddress = \"localhost:{}\"\n",
        archive.port
    );
    let node = node(LATE, ("ARCHIVE", archive.port), &asked_at);
    let chest = phantom::small_chest("sought at pynetdicom");
    let all = chest.instances.len();
    send("CT1", &node, &chest.instances);
    node.wait_until_status(
        &format!("ARCHIVE: {all} found at the peer, 0 to find, 0 sent again"),
        PATIENCE,
    );
    let asked: Vec<String> =
        archive.said().into_iter().filter(|line| line.starts_with("asked")).collect();
    let keys = "QueryRetrieveLevel SOPInstanceUID SeriesInstanceUID StudyInstanceUID";
    assert!(asked.iter().all(|line| line.starts_with("asked IMAGE ") && line.ends_with(keys)));
    assert!(asked.len() < all, "not each by itself: {asked:?}");
}

#[test]
fn a_query_that_fails_is_asked_again_and_never_taken_for_an_image_that_is_not_there() {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    pacs.set_finds(Finds::ThenFails(0xC000));
    let node = node(SOON, ("PACS", pacs.port), "find-at = \"PACS\"\n");
    let images = phantom::small_chest("sought in vain").instances;
    send("CT1", &node, &images[..3]);
    let asked = |times: usize| {
        let enough = || (pacs.seen().sought.len() >= times).then_some(());
        let waited = ports::wait_for(PATIENCE, enough);
        assert!(waited.is_some(), "{:?}\n{}", pacs.seen().sought, node.log());
    };
    // Well behind the time after which it would be sent again.
    asked(12);
    let told =
        node.wait_until_status("PACS: 0 found at the peer, 3 to find, 0 sent again", PATIENCE);
    assert!(told.contains("last trouble: C-FIND: C000: the peer cannot process"), "{told}");
    let before = pacs.seen().sought.len();
    pacs.set_finds(Finds::ThenAborts);
    asked(before + 4);
    assert_eq!(pacs.seen().taken.len(), 3, "nothing is sent again");
    pacs.set_finds(Finds::All);
    node.wait_until_status("PACS: 3 found at the peer, 0 to find, 0 sent again", PATIENCE);
    assert_eq!(pacs.seen().taken.len(), 3);
}

#[test]
fn a_peer_that_matches_no_lists_is_asked_for_each_and_one_that_lost_its_disk_gets_all_again_until_it_is_parked()
 {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    pacs.set_finds(Finds::OnlySingles);
    let node = node(SOON, ("PACS", pacs.port), "find-at = \"PACS\"\n");
    let images = phantom::small_chest("sought one by one").instances;
    send("CT1", &node, &images[..3]);
    node.wait_until_status("PACS: 3 found at the peer, 0 to find, 0 sent again", PATIENCE);
    assert_eq!(pacs.seen().taken.len(), 3);
    pacs.set_lost(true);
    let lost = &phantom::small_chest("lost by the peer").instances[0];
    send("CT1", &node, std::slice::from_ref(lost));
    node.wait_until_status("sent 4 times and not kept: the peer does not find it", PATIENCE);
    let taken = pacs.seen().taken;
    assert_eq!(taken.iter().filter(|uid| **uid == lost.sop_instance).count(), 4);
    assert_eq!(taken.len(), 3 + 4);
}

/// One turn behind a start, when all is due: no list is longer than the archive's database bears.
#[test]
fn more_images_of_a_series_than_a_list_may_name_are_sought_in_several_lists() {
    const MANY: usize = 250;
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    let nobody = ports::free();
    let asked_at = format!(
        "find-at = \"QR\"\n[[peer]]\nae-title = \"QR\"\naddress = \"127.0.0.1:{nobody}\"\n"
    );
    let mut node = node(LATE, ("PACS", pacs.port), &asked_at);
    let small = phantom::small_chest("sought in lists").instances[0].without(tags::PIXEL_DATA);
    let images: Vec<Instance> = (0..MANY)
        .map(|number| {
            let uid = format!("{}.{number}", small.sop_instance);
            let data = small.with(tags::SOP_INSTANCE_UID, VR::UI, &uid);
            Instance { sop_instance: uid, ..data }
        })
        .collect();
    send("CT1", &node, &images);
    node.wait_until_status(&format!("PACS: 0 queued, {MANY} delivered"), PATIENCE);
    node.wait_until_status("last trouble: C-FIND: ", PATIENCE);
    node.stop();
    assert!(pacs.seen().sought.is_empty(), "nobody could be asked");
    let config = std::fs::read_to_string(node.config()).expect("it is there");
    let there = config.replace(&format!(":{nobody}\""), &format!(":{}\"", pacs.port));
    std::fs::write(node.config(), there).expect("written");
    // What was taken is sought some seconds later; now the last of it is due, too.
    std::thread::sleep(DUE);
    node.start();
    node.wait_until_status(
        &format!("PACS: {MANY} found at the peer, 0 to find, 0 sent again"),
        PATIENCE,
    );
    let sought = pacs.seen().sought;
    let lengths: Vec<usize> = sought.iter().map(Vec::len).collect();
    assert_eq!(lengths, [100, 100, 50]);
    let sought: HashSet<&String> = sought.iter().flatten().collect();
    assert!(images.iter().all(|image| sought.contains(&image.sop_instance)));
    assert_eq!(pacs.seen().taken.len(), MANY, "nothing is sent again");
}
