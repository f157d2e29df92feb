//! Other bytes under the UID of a kept instance: what the configuration says becomes of them, of what was decided, and of what the PACS has.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use kit::instance::{Instance, ReceivedFile};
use kit::modality::{Association, dcmsend};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::{need, ports};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

const RULE: &str = r#"
[[rule]]
name = "archive"
on = "series"

[rule.select]
Modality = "CT"

[rule.then]
forward = ["PACS"]
"#;

fn chest(name: &str) -> PhantomSeries {
    let mut chest = phantom::small_chest(name);
    chest.instances.truncate(3);
    chest
}

fn node(duplicates: &str, pacs: &Pacs) -> Node {
    let duplicates = format!("duplicates = {duplicates:?}");
    Setup::new().store(&duplicates).rules("a.toml", RULE).scanner("CT1").pacs(pacs).start()
}

fn send(node: &Node, instances: &[Instance]) {
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(instances, folder.path());
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
}

fn commented(instance: &Instance, comment: &str) -> Instance {
    instance.with(tags::IMAGE_COMMENTS, VR::LT, comment)
}

/// What the node gives out of it, earlier bytes included.
fn exported(node: &Node, instance: &Instance) -> Vec<Instance> {
    let out = TempDir::new().expect("a temporary folder");
    let to = out.path().to_string_lossy().into_owned();
    let said = node.gantry(&["export", &instance.sop_instance, "--to", &to]);
    assert!(said.success, "{said:?}");
    Instance::read_folder(out.path())
}

fn wait_until_pacs_has(pacs: &Pacs, instance: &Instance) {
    let same = |file: &ReceivedFile| {
        file.sop_instance == instance.sop_instance
            && Instance::read(&file.path).data_set == instance.data_set
    };
    let has = ports::wait_for(PATIENCE, || pacs.received().iter().any(same).then_some(()));
    assert!(has.is_some(), "the PACS has not got the bytes of {}", instance.sop_instance);
}

#[test]
fn bytes_that_replace_the_first_are_decided_anew_and_reach_the_pacs() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let mut node = node("replace", &pacs);
    let chest = chest("replaced");
    send(&node, &chest.instances);
    pacs.wait_for(3, PATIENCE);
    node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);

    // The same again is success, and nothing new.
    send(&node, &chest.instances);
    let corrected = commented(&chest.instances[1], "corrected");
    send(&node, std::slice::from_ref(&corrected));
    let said = node.wait_until_explained(&chest.series, "complete  yes, revision 2", PATIENCE);
    assert!(said.contains("decide    \"archive\" (revision 2,"), "{said}");
    wait_until_pacs_has(&pacs, &corrected);
    assert_eq!(exported(&node, &corrected), std::slice::from_ref(&corrected));
    let status = node.status();
    let told = format!("took the place of the earlier (from CT1) [{}]", corrected.sop_instance);
    assert!(status.contains(&told), "{status}");

    // It lasts: the process ends at once, and the index is lost too.
    node.kill9();
    std::fs::remove_file(node.data().join("index.db")).expect("an index");
    node.start();
    assert_eq!(exported(&node, &corrected), [corrected]);
    let verified = node.gantry(&["verify"]);
    assert!(verified.success && verified.out.contains("1 records that later ones"), "{verified:?}");
}

#[test]
fn the_first_bytes_stay_where_nothing_else_is_configured_and_the_admin_is_told() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let node = node("keep-first", &pacs);
    let chest = chest("first");
    send(&node, &chest.instances);
    pacs.wait_for(3, PATIENCE);
    let other = commented(&chest.instances[1], "other");
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, std::slice::from_ref(&other))
            .expect("accepted");
    assert_eq!(association.store(&other).map(|answer| answer.status), Ok(0x0000));
    association.release();
    let told_is = format!("the first are kept (from CT1) [{}]", other.sop_instance);
    let told = ports::wait_for(PATIENCE, || node.status().contains(&told_is).then_some(()));
    assert!(told.is_some(), "{}", node.status());
    assert_eq!(exported(&node, &other), [chest.instances[1].clone()]);
    assert!(!node.explain(&chest.series).contains("revision 2"));
}

#[test]
fn images_of_two_studies_under_one_series_are_told_and_never_taken_for_one_series() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let node = node("keep-first", &pacs);
    let chest = chest("first");
    send(&node, &chest.instances);
    pacs.wait_for(3, PATIENCE);
    node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    let study = format!("{}.9", chest.study);
    let mut strange = chest.instances[1].with(tags::STUDY_INSTANCE_UID, VR::UI, &study);
    strange.sop_instance = format!("{}.9", strange.sop_instance);
    let uid = strange.sop_instance.clone();
    let strange = strange.with(tags::SOP_INSTANCE_UID, VR::UI, &uid);
    send(&node, std::slice::from_ref(&strange));
    node.wait_until_indexed();
    let told = format!(
        "images of study {study} name the series {}, which is of study {}",
        chest.series, chest.study
    );
    let status = node.status();
    assert!(status.contains(&told), "{status}");
    assert_eq!(exported(&node, &strange), std::slice::from_ref(&strange));

    // What comes later under the series' own study is decided without it.
    let mut late = chest.instances[0].clone();
    late.sop_instance = format!("{}.8", late.sop_instance);
    let uid = late.sop_instance.clone();
    let late = late.with(tags::SOP_INSTANCE_UID, VR::UI, &uid);
    send(&node, std::slice::from_ref(&late));
    wait_until_pacs_has(&pacs, &late);
    node.wait_until_explained(&chest.series, "complete  yes, revision 2", PATIENCE);
    let strayed = pacs.received().iter().any(|file| file.sop_instance == strange.sop_instance);
    assert!(!strayed, "the PACS has an image that no rule saw");
}

#[test]
fn a_series_that_all_images_have_left_decides_nothing_and_says_so() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let node = node("keep-both", &pacs);
    let chest = chest("moved");
    let one = &chest.instances[..1];
    send(&node, one);
    pacs.wait_for(1, PATIENCE);
    node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    let elsewhere = format!("{}.7", chest.series);
    let moved = one[0].with(tags::SERIES_INSTANCE_UID, VR::UI, &elsewhere);
    send(&node, std::slice::from_ref(&moved));
    let said = node.wait_until_explained(&elsewhere, "complete  yes, revision 1", PATIENCE);
    assert!(said.contains("decide    \"archive\" (revision 1,"), "{said}");
    wait_until_pacs_has(&pacs, &moved);
    let said = node.wait_until_explained(&chest.series, "complete  yes, revision 2", PATIENCE);
    assert!(said.contains("skipped: images: the series holds none"), "{said}");
    let both = exported(&node, &moved);
    assert!(both.len() == 2 && both.contains(&moved) && both.contains(&one[0]));
}
