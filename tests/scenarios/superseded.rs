//! A late image makes a later revision of what a model found: the new documents name those that they take the place of, which stay where they are.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::send;
use kit::node::{AE_TITLE, Setup};
use kit::orthanc::{self, Orthanc};
use kit::pacs::{Pacs, STRUCTURED_REPORT};
use kit::validators::{assert_valid, predecessors, report_tree};
use kit::{need, phantom, ports};
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);
const ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.88.22";

const RULE: &str = r#"
[[rule]]
name = "emphysema on phantoms"

[rule.select]
Modality = "CT"

[rule.then]
run  = "emphysema"
send = { to = ["ALL", "OLD", "ORTHANC"], as = ["structured-report"] }
"#;

/// Of the files of a PACS those of this class: the earlier one, and the one that names it.
fn of_class<'f>(received: &'f [ReceivedFile], class: &str) -> [&'f ReceivedFile; 2] {
    let of_class: Vec<_> = received.iter().filter(|file| file.sop_class == class).collect();
    let [one, other] = of_class[..] else { panic!("two of {class}: {received:?}") };
    let names = |file: &ReceivedFile| {
        Instance::read(&file.path).object().element_by_name("PredecessorDocumentsSequence").is_ok()
    };
    match (names(one), names(other)) {
        (false, true) => [one, other],
        (true, false) => [other, one],
        both => panic!("the later one of {class} names the earlier: {both:?}"),
    }
}

#[test]
fn the_documents_of_a_later_revision_name_those_that_the_pacs_got_first_also_behind_a_kill() {
    let (Some(()), Some(())) = (need::dcmtk(), need::orthanc()) else { return };
    let Some(_) = need::onnx_runtime() else { return };
    let (all, old) = (Pacs::up("ALL"), Pacs::taking("OLD", &[ENHANCED]));
    let archive = Orthanc::up(AE_TITLE, ports::free());
    let setup = Setup::new().rules("phantom.toml", RULE).scanner("CT1").pacs(&all).pacs(&old);
    let mut node = setup.receiver(orthanc::AE_TITLE, archive.port).start();
    let chest = phantom::small_chest("a late slice");
    let (last, first) = chest.instances.split_last().expect("there are slices");
    send("CT1", &node, first);
    let before = all.wait_for(1, PATIENCE);
    old.wait_for(1, PATIENCE);
    archive.wait_for(1);
    assert!(before.iter().all(|file| predecessors(&file.path).is_none_or(|none| none.is_empty())));

    send("CT1", &node, std::slice::from_ref(last));
    node.kill9();
    node.start();
    let at_all = all.wait_for(2, PATIENCE);
    let at_old = old.wait_for(2, PATIENCE);
    archive.wait_for(2);
    let told =
        node.wait_until_explained(&chest.series, "supersedes the results of revision 1", PATIENCE);
    for (received, class) in [(&at_all, STRUCTURED_REPORT), (&at_old, ENHANCED)] {
        let [earlier, later] = of_class(received, class);
        assert_eq!(earlier.study, later.study);
        assert_ne!(earlier.series, later.series, "a series of its own");
        if let Some(named) = predecessors(&later.path) {
            assert_eq!(named, std::slice::from_ref(&earlier.sop_instance), "{class}");
        }
        assert_valid(&later.path);
        assert!(report_tree(&later.path).contains("CONTAINER"));
        assert!(told.contains(&earlier.sop_instance), "{told}");
        let shown = node.gantry(&["show", &later.sop_instance]);
        let supersedes = format!("supersedes {}", earlier.sop_instance);
        assert!(shown.success && shown.out.contains(&supersedes), "{shown:?}");
        let again = node.gantry(&["reproduce", &later.sop_instance]);
        assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
    }
    let [earlier, later] = of_class(&at_all, STRUCTURED_REPORT);
    let at_orthanc: Vec<Value> = archive
        .all("instances")
        .iter()
        .map(|name| archive.get(&format!("/instances/{name}/simplified-tags")))
        .collect();
    let of = |uid: &str| at_orthanc.iter().find(|tags| tags["SOPInstanceUID"] == *uid);
    assert!(of(&earlier.sop_instance).is_some(), "the history stays");
    let tags = of(&later.sop_instance).expect("the later one");
    let named = &tags["PredecessorDocumentsSequence"][0]["ReferencedSeriesSequence"][0];
    let named = &named["ReferencedSOPSequence"][0]["ReferencedSOPInstanceUID"];
    assert_eq!(named.as_str(), Some(earlier.sop_instance.as_str()), "{tags}");
    let described = tags["SeriesDescription"].as_str().unwrap_or_default();
    assert!(described.contains(", revision 2"), "{described}");
}
