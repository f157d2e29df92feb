//! Storage commitment with Orthanc, in both roles: what it took it promises to keep, what it lost it gets again, and what the node
//! keeps it promises.

use gantry::dimse::commitment::{Reference, Request};
use gantry::dimse::requestor::{self, Proposed, RequestTimers, Target};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::instance::Instance;
use kit::modality::{dcmsend, send};
use kit::node::{AE_TITLE, Node, Setup};
use kit::orthanc::{self, Orthanc};
use kit::{need, phantom, ports};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(90);
const FORWARD: &str = "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
                       [rule.then]\nforward = [\"ORTHANC\"]\n";

/// An archive, and a node that forwards to it and asks it to commit, as soon as the archive is there.
fn node_and_archive(further: &str) -> (Node, Orthanc) {
    let own = ports::free();
    let archive = Orthanc::up(AE_TITLE, own);
    let peers = format!(
        "\n[[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"{}\"\naddress = \"127.0.0.1:{}\"\n{further}",
        orthanc::AE_TITLE,
        archive.port
    );
    let node = Setup::new().port(own).rules("archive.toml", FORWARD).further(&peers).start();
    (node, archive)
}

fn send_with_dcmtk(node: &Node, instances: &[Instance]) {
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(instances, folder.path());
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
}

#[test]
fn a_pacs_commits_to_what_it_took_and_gets_again_what_it_lost_before_it_did() {
    let (Some(()), Some(())) = (need::dcmtk(), need::orthanc()) else { return };
    let (node, archive) = node_and_archive("commitment = true\n");
    let chest = phantom::small_chest("committed");
    let all = chest.instances.len();
    send_with_dcmtk(&node, &chest.instances);
    archive.wait_for(all);
    // Some seconds before it is asked its disk loses everything.
    for study in archive.all("studies") {
        archive.delete(&format!("/studies/{study}"));
    }
    let told = node
        .wait_until_status(&format!("{all} committed, 0 asked, 0 to ask, 0 sent again"), PATIENCE);
    assert!(told.contains(&format!("{all} instances are sent to ORTHANC again")), "{told}");
    assert_eq!(archive.all("instances").len(), all, "it has them again");
    assert!(
        node.explain(&chest.series).contains(", committed at "),
        "{}",
        node.explain(&chest.series)
    );
    let metrics = node.gantry(&["status", "--metrics"]).out;
    let counted = format!("gantry_commitment{{peer=\"ORTHANC\",state=\"committed\"}} {all}\n");
    assert!(metrics.contains(&counted), "{metrics}");
}

#[test]
fn a_node_that_is_killed_before_the_pacs_committed_asks_when_it_is_back() {
    let (Some(()), Some(())) = (need::dcmtk(), need::orthanc()) else { return };
    let (mut node, mut archive) = node_and_archive("commitment = true\n");
    let chest = phantom::small_chest("committed by another");
    let all = chest.instances.len();
    send_with_dcmtk(&node, &chest.instances);
    archive.wait_for(all);
    archive.go_down();
    // It is asked in vain, at least once.
    node.wait_until_status("last trouble: ", PATIENCE);
    node.kill9();
    archive.come_up();
    node.start();
    node.wait_until_status(&format!("{all} committed, 0 asked, 0 to ask, 0 sent again"), PATIENCE);
}

#[test]
fn the_node_commits_to_what_it_keeps_and_to_nothing_else() {
    let (Some(()), Some(())) = (need::dcmtk(), need::orthanc()) else { return };
    let (node, archive) = node_and_archive("");
    let chest = phantom::small_chest("kept for a scanner");
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(&chest.instances[..3], folder.path());
    dcmsend("CT1", orthanc::AE_TITLE, archive.port, folder.path()).expect("the archive takes them");
    let stored = json!({ "Resources": archive.all("instances"), "StorageCommitment": true });
    archive.post("/modalities/node/store", &stored);
    let reports = ports::wait_for(PATIENCE, || {
        let jobs = archive.all("jobs");
        let transaction = jobs.iter().find_map(|job| transaction(&archive, job))?;
        Some(archive.get(&format!("/storage-commitment/{transaction}")))
            .filter(|report| report["Status"] != "Pending")
    });
    let report = reports.unwrap_or_else(|| panic!("no report:\n{}", node.log()));
    assert_eq!(report["Status"], "Success", "{report}");
    assert_eq!(report["Success"].as_array().map(Vec::len), Some(3), "{report}");

    let unknown = &chest.instances[5];
    let asked = json!({ "DicomInstances": [
        { "SOPClassUID": unknown.sop_class, "SOPInstanceUID": unknown.sop_instance },
        { "SOPClassUID": chest.instances[0].sop_class, "SOPInstanceUID": chest.instances[0].sop_instance },
        { "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "SOPInstanceUID": chest.instances[1].sop_instance },
    ] });
    let answer = archive.post("/modalities/node/storage-commitment", &asked);
    let path = answer["Path"].as_str().expect("a path").to_owned();
    let report = ports::wait_for(PATIENCE, || {
        Some(archive.get(&path)).filter(|report| report["Status"] != "Pending")
    });
    let report = report.unwrap_or_else(|| panic!("no report:\n{}", node.log()));
    assert_eq!(report["Status"], "Failure", "{report}");
    assert_eq!(report["Success"].as_array().map(Vec::len), Some(1), "{report}");
    let reasons = report["Failures"].as_array().map(|failures| {
        let reason = |failure: &Value| {
            let instance = failure["SOPInstanceUID"].as_str().unwrap_or_default().to_owned();
            (instance, failure["FailureReason"].as_u64())
        };
        let mut reasons: Vec<_> = failures.iter().map(reason).collect();
        reasons.sort_by_key(|(_, code)| *code);
        reasons
    });
    let wanted = vec![
        (unknown.sop_instance.clone(), Some(0x0112)),
        (chest.instances[1].sop_instance.clone(), Some(0x0119)),
    ];
    assert_eq!(reasons, Some(wanted), "{report}");
}

/// Some archives report on the association that asked them, and some have lost all.
#[test]
fn a_report_on_the_association_that_asked_is_heard_and_what_is_lost_for_good_is_parked() {
    let pacs = DifficultPacs::up("ORTHANC", &[], |_| Manner::Takes);
    let peers = format!(
        "\n[[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"ORTHANC\"\naddress = \"127.0.0.1:{}\"\n\
         commitment = true\n",
        pacs.port
    );
    let node = Setup::new().rules("archive.toml", FORWARD).further(&peers).start();
    let first = phantom::small_chest("kept by a difficult one").instances;
    send("CT1", &node, &first[..2]);
    node.wait_until_status("2 committed, 0 asked, 0 to ask, 0 sent again", PATIENCE);
    pacs.set_lost(true);
    let second = phantom::small_chest("lost by a difficult one").instances;
    send("CT1", &node, &second[..1]);
    node.wait_until_status("sent 4 times and not kept: 0112", PATIENCE);
    let taken = pacs.seen().taken;
    assert_eq!(taken.iter().filter(|uid| **uid == second[0].sop_instance).count(), 4);
    assert_eq!(taken.len(), 2 + 4, "what was committed is sent once");
}

/// Of a job of the archive that stored something.
fn transaction(archive: &Orthanc, job: &str) -> Option<String> {
    let told = archive.get(&format!("/jobs/{job}"));
    told["Content"]["StorageCommitmentTransactionUID"].as_str().map(String::from)
}

/// A peer, as it asks the node to commit to what it has of it.
fn ask_to_commit(calling: &str, node: &Node, instance: &Instance) {
    let title = |text| AeTitle::parse(text).expect("a title");
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let target = Target {
        servers: vec![vec![([127, 0, 0, 1], node.port).into()]],
        secured: None,
        reports: false,
        identity: None,
        called: title(AE_TITLE),
        calling: title(calling),
        timers: RequestTimers::default(),
        maximum_pdu: 131_072,
    };
    let proposed = [Proposed {
        sop_class: uid("1.2.840.10008.1.20.1"),
        transfer_syntaxes: vec![uid("1.2.840.10008.1.2.1")],
    }];
    let reference = Reference {
        sop_class: uid(&instance.sop_class),
        sop_instance: uid(&instance.sop_instance),
    };
    let request = Request { transaction: uid("2.25.4711"), references: vec![reference] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let opened = requestor::Association::request(&target, &proposed).await;
        let mut association = opened.expect("accepted");
        assert_eq!(association.ask_to_commit(&request).await.expect("an answer"), 0);
        association.release().await;
    });
}

/// What the dead one took is to be promised, and a report waits for it.
#[test]
fn a_dead_peer_that_is_to_commit_and_to_get_a_report_keeps_nothing_from_the_others() {
    let [dead, pacs] =
        ["DEAD", "ORTHANC"].map(|title| DifficultPacs::up(title, &[], |_| Manner::Takes));
    let peer = |pacs: &DifficultPacs| {
        format!(
            "[[peer]]\nae-title = \"{}\"\naddress = \"127.0.0.1:{}\"\ncommitment = true\n",
            pacs.ae_title, pacs.port
        )
    };
    let peers = format!("\n[[peer]]\nae-title = \"CT1\"\n{}{}", peer(&dead), peer(&pacs));
    let both = FORWARD.replace("[\"ORTHANC\"]", "[\"DEAD\", \"ORTHANC\"]");
    let node = Setup::new().rules("archive.toml", &both).further(&peers).start();
    let first = phantom::small_chest("before it died").instances;
    send("CT1", &node, &first[..2]);
    node.wait_until_status("DEAD: 0 queued, 2 delivered", PATIENCE);
    dead.set_away(true);
    ask_to_commit("DEAD", &node, &first[0]);
    node.wait_until_status(
        "DEAD: 0 committed, 0 asked, 2 to ask, 0 sent again\n          last trouble",
        PATIENCE,
    );
    let reports = || node.log().contains("the report does not arrive").then_some(());
    assert!(ports::wait_for(PATIENCE, reports).is_some(), "{}", node.log());

    let second = phantom::small_chest("after it died").instances;
    send("CT1", &node, &second[..3]);
    node.wait_until_status("ORTHANC: 5 committed, 0 asked, 0 to ask, 0 sent again", PATIENCE);
    // It hears the report at once, though it knows no reports.
    ask_to_commit("ORTHANC", &node, &second[0]);
    let heard =
        |line: &str| line.contains("ORTHANC") && line.contains("0211: the peer does not take");
    let reports = || node.log().lines().any(heard).then_some(());
    assert!(ports::wait_for(PATIENCE, reports).is_some(), "{}", node.log());
    let told = node.status();
    assert!(told.contains("DEAD: 3 queued, 2 delivered, 0 parked"), "{told}");
    assert!(told.contains("DEAD: 0 committed, 0 asked, 2 to ask"), "{told}");

    dead.set_away(false);
    node.wait_until_status("DEAD: 5 committed, 0 asked, 0 to ask, 0 sent again", PATIENCE);
}
