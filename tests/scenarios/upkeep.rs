//! What an admin may rely on: large objects are kept whole, a lost index is built again, and `gantry check` tells what a start would find.

use kit::instance::Instance;
use kit::modality::{Answer, Association, Unanswered};
use kit::node::{AE_TITLE, Node, Setup};
use kit::phantom;

fn send(node: &Node, instance: &Instance) -> Result<Answer, Unanswered> {
    let instances = std::slice::from_ref(instance);
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, instances).expect("accepted");
    let answer = association.store(instance);
    association.release();
    answer
}

/// An image above the limit for objects in memory: Data Set Trailing Padding (FFFC,FFFC) of 9 MiB.
fn large_image() -> Instance {
    let mut image = phantom::small_chest("large").instances.swap_remove(3);
    let padding: Vec<u8> = (0..9u32 << 20).map(|i| (i % 251) as u8).collect();
    image.data_set.extend_from_slice(b"\xFC\xFF\xFC\xFFOB\0\0");
    image.data_set.extend_from_slice(&(padding.len() as u32).to_le_bytes());
    image.data_set.extend_from_slice(&padding);
    image
}

fn exported(node: &Node, uid: &str) -> Vec<Instance> {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let to = folder.path().join("out");
    node.wait_until_indexed();
    let said = node.gantry(&["export", uid, "--to", &to.to_string_lossy()]);
    assert!(said.success, "{said:?}");
    Instance::read_folder(&to)
}

#[test]
fn an_object_too_large_for_memory_is_kept_bit_for_bit_and_one_that_was_cut_is_not() {
    let node = Setup::new().scanner("CT1").start();
    let whole = large_image();
    let mut cut = whole.clone();
    cut.data_set.truncate(cut.data_set.len() - 1000);
    let refused = send(&node, &cut).expect("an answer");
    assert_eq!(refused.status & 0xF000, 0xC000, "{refused:?}");
    assert!(node.status().contains(" 0 instances"), "{}", node.status());
    let kept = send(&node, &whole).expect("an answer");
    assert_eq!(kept.status, 0x0000, "{}", node.status());
    assert_eq!(send(&node, &whole).map(|answer| answer.status), Ok(0x0000), "a second time");
    let exported = exported(&node, &whole.sop_instance);
    assert!(exported == [whole], "what was exported differs");
    let verified = node.gantry(&["verify"]);
    assert!(verified.success, "{verified:?}");
}

#[test]
fn an_index_that_is_gone_is_built_again_from_the_segments() {
    let mut node = Setup::new().scanner("CT1").quiet_seconds(600.0).start();
    let image = large_image();
    assert_eq!(send(&node, &image).map(|answer| answer.status), Ok(0x0000));
    for instance in &phantom::small_chest("upkeep").instances {
        assert_eq!(send(&node, instance).map(|answer| answer.status), Ok(0x0000));
    }
    let beside = node.gantry(&["reindex"]);
    assert!(!beside.success && beside.err.contains("in use"), "beside a node: {beside:?}");
    assert!(node.stop().success());
    let data = node.config().with_file_name("data");
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    let built = node.gantry(&["reindex"]);
    assert!(built.success, "{built:?}");
    let verified = node.gantry(&["verify"]);
    assert!(verified.success, "{verified:?}");
    assert!(exported(&node, &image.sop_instance) == [image], "what was exported differs");
}

#[test]
fn check_tells_what_a_start_would_find() {
    let good = Setup::new().scanner("CT1").lay_out();
    let said = good.gantry(&["check"]);
    assert!(said.success, "{said:?}");
    assert!(said.out.contains("models         good: denoiser, emphysema"), "{said:?}");
    let bad = Setup::new().rules("a.toml", "[[rule]]\nname = \"x\"\nselct = 1\n").lay_out();
    let said = bad.gantry(&["check"]);
    assert!(!said.success && said.err.contains("a.toml:3:1"), "{said:?}");
}

#[test]
fn check_reads_a_copy_of_the_rules_that_is_named_instead_of_those_in_force() {
    let node = Setup::new().scanner("CT1").lay_out();
    let copy = node.config().with_file_name("new-rules");
    std::fs::create_dir(&copy).expect("the folder can be written");
    let broken = "[[rule]]\nname = \"x\"\nselct = 1\n";
    std::fs::write(copy.join("edited.toml"), broken).expect("the folder can be written");
    let folder = copy.to_str().expect("a path of letters");
    let said = node.gantry(&["check", "--rules", folder]);
    assert!(!said.success && said.err.contains("edited.toml:3:1"), "{said:?}");
    let said = node.gantry(&["check"]);
    assert!(said.success && !said.err.contains("edited.toml"), "{said:?}");
}

#[test]
fn a_command_whose_words_nobody_reads_does_its_work_and_ends_well() {
    let node = Setup::new().scanner("CT1").start();
    for command in ["check", "verify", "status", "associations"] {
        let said = node.gantry_unheard(&[command]);
        assert!(said.success && !said.err.contains("panicked"), "{command}: {said:?}");
    }
}
