//! The audit trail: who sent what to whom is told on disk and to a collector, and nothing on the road waits for either.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use gantry::audit::events::{self, Instances, Somebody, Transfer};
use gantry::audit::this::This;
use gantry::audit::{Action, LifeCycle, Outcome, code};
use gantry::config::Config;
use gantry::phantom::PhantomOptions;
use gantry_terms::uid::Uid;
use kit::audit::{Collector, Told, judge, read, trail};
use kit::certificates::Authority;
use kit::instance::{Instance, files_below};
use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom, ports};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const FORWARD: &str = "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
                       [rule.then]\nforward = [\"PACS\"]\n";
/// A Patient ID that would break out of what it is written into.
const PATIENT: &str = "M4RK3R<&\"'/>]]>;7";

/// One image of a study, as a file of that patient.
fn image(name: &str, folder: &Path) -> Instance {
    let instance = phantom::small_chest(name).instances.remove(3);
    let instance = instance.with(tags::PATIENT_ID, VR::LO, PATIENT);
    fs::create_dir_all(folder).expect("a fresh folder can be written");
    Instance::write_all(std::slice::from_ref(&instance), folder);
    instance
}

/// Whether all of the folder was taken.
fn send(calling: &str, port: u16, folder: &Path) -> bool {
    send_as(calling, port, folder, &[])
}

fn send_as(calling: &str, port: u16, folder: &Path, further: &[&str]) -> bool {
    let files = files_below(folder);
    let output = Command::new("storescu")
        .env("TCP_NODELAY", "1")
        .args(["-aet", calling, "-aec", AE_TITLE])
        .args(further)
        .args(["127.0.0.1", &port.to_string()])
        .args(files)
        .output();
    output.expect("storescu starts").status.success()
}

/// Waits until the trail tells of these events so often.
fn wait_for_told(node: &Node, python: &Path, wanted: &[(&str, &str, usize)]) -> Vec<Told> {
    wait_until_told(node, python, |told| {
        let has = |event: &str, action: &str| {
            told.iter().filter(|one| one.event == event && one.action == action).count()
        };
        wanted.iter().all(|(event, action, times)| has(event, action) >= *times)
    })
}

fn wait_until_told(node: &Node, python: &Path, is_all: impl Fn(&[Told]) -> bool) -> Vec<Told> {
    let folder = node.data().join("audit");
    let told = ports::wait_for(PATIENCE, || {
        Some(read(python, &trail(&folder))).filter(|told| is_all(told))
    });
    told.unwrap_or_else(|| panic!("it is not in {:#?}", trail(&folder)))
}

fn only<'t>(told: &'t [Told], event: &str, kind: &str, action: &str) -> Vec<&'t Told> {
    let is_it = |one: &&Told| (&*one.event, &*one.kind, &*one.action) == (event, kind, action);
    told.iter().filter(is_it).collect()
}

#[test]
fn each_step_of_a_study_is_told_on_disk_and_to_a_collector_that_may_be_away_meanwhile() {
    let (Some(()), Some(()), Some(python)) = (need::dcmtk(), need::rsyslog(), judge()) else {
        return;
    };
    let folder = TempDir::new().expect("a temporary folder");
    let authority = Authority::new("Hospital");
    let trust = authority.write(&folder.path().join("hospital.pem"));
    let own = authority.issue(folder.path(), "node", &["127.0.0.1"], 365);
    let collector = authority.issue(folder.path(), "collector", &["127.0.0.1"], 365);
    let mut collector = Collector::down(&collector, &trust);
    collector.come_up();
    let (pacs, secure) = (Pacs::up("PACS"), ports::free());
    let tables = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\ntrust = [{trust:?}]\nlisten = \"127.0.0.1:{secure}\"\n\
         [audit]\nsyslog = \"127.0.0.1:{}\"\nsite = \"Hospital & Söhne\"\n",
        own.certificate, own.key, collector.port
    );
    let setup = Setup::new().rules("archive.toml", FORWARD).scanner("CT1").pacs(&pacs);
    let mut node = setup.further(&tables).start();

    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let sent = image("first", &first);
    assert!(send("CT1", node.port, &first));
    assert!(!send("STRANGER", node.port, &first));
    assert!(!send("CT1", secure, &first), "without TLS where TLS is spoken");
    pacs.wait_for(1, PATIENCE);
    let to = folder.path().join("exported");
    assert!(node.gantry(&["export", "all", "--to", to.to_str().expect("UTF-8")]).success);
    assert!(node.gantry(&["show", &sent.sop_instance]).success);
    wait_for_told(&node, &python, &[("110104", "C", 1), ("110104", "R", 1), ("110113", "E", 2)]);
    node.wait_until_status("has all", PATIENCE);

    collector.go_down();
    image("second", &second);
    assert!(send("CT1", node.port, &second));
    pacs.wait_for(2, PATIENCE);
    wait_for_told(&node, &python, &[("110104", "C", 2), ("110104", "R", 2)]);
    let told = node.wait_until_status("takes nothing since", PATIENCE);
    assert!(told.contains("are not sent yet"), "{told}");
    collector.come_up();
    node.wait_until_status("takes messages again", PATIENCE);
    let status = node.wait_until_status("has all", PATIENCE);
    let metrics = node.gantry(&["status", "--metrics"]).out;
    assert!(metrics.contains("\ngantry_audit_unsent_bytes 0\n"), "{metrics}");
    assert!(node.stop().success());

    let kept = trail(&node.data().join("audit"));
    let mut received = Vec::new();
    let all = ports::wait_for(PATIENCE, || {
        // What may not have arrived is sent twice.
        received.clear();
        for line in collector.received() {
            if !received.contains(&line) {
                received.push(line);
            }
        }
        (received == kept).then_some(())
    });
    assert!(all.is_some(), "the collector has {received:#?}\nand not {kept:#?}");

    let told = read(&python, &kept);
    for (event, kind) in
        [("110100", "110120"), ("110108", "110124"), ("110108", "110125"), ("110100", "110121")]
    {
        assert_eq!(only(&told, event, kind, "E").len(), 1, "{event} {kind}: {told:#?}");
    }
    let study = &kit::instance::ReceivedFile::read(&files_below(&first)[0]).expect("a file").study;
    let of_study = |one: &&&Told| one.objects.contains(study);
    for (action, from, to) in [("C", "CT1", AE_TITLE), ("R", AE_TITLE, "PACS")] {
        let transferred = only(&told, "110104", "", action);
        let one = transferred.iter().find(of_study).expect("it was transferred");
        assert_eq!(one.titles, [format!("AETITLES= {from}"), format!("AETITLES= {to}")]);
        assert_eq!((&*one.patient, one.instances, &*one.outcome), (PATIENT, 1, "0"));
        assert_eq!((&*one.encrypted, &*one.anonymized), ("false", "false"));
    }
    assert_eq!(
        only(&told, "110102", "", "E").iter().filter(of_study).count(),
        2,
        "begun both ways"
    );
    let alerts = only(&told, "110113", "110126", "E");
    assert!(
        alerts.iter().any(|one| one.titles.contains(&"AETITLES= STRANGER".into())),
        "{alerts:#?}"
    );
    assert!(alerts.iter().any(|one| one.alert.contains("TLS: ")), "{alerts:#?}");
    let exported = only(&told, "110106", "", "R");
    assert_eq!(exported.len(), 1, "one study was there");
    assert!(exported[0].users.iter().any(|user| to.to_str() == Some(user)), "{exported:#?}");
    assert_eq!(only(&told, "110103", "", "R").iter().filter(of_study).count(), 1, "shown once");
    for (what, text) in [("log", &node.log()), ("status", &status), ("metrics", &metrics)] {
        assert!(!text.contains("M4RK3R") && !text.contains("Söhne"), "{what}: {text}");
    }
}

#[test]
fn a_collector_that_never_reads_holds_nothing_back_and_is_told_to_the_admin() {
    let (Some(()), Some(python)) = (need::dcmtk(), judge()) else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let authority = Authority::new("Hospital");
    let trust = authority.write(&folder.path().join("hospital.pem"));
    let own = authority.issue(folder.path(), "node", &["127.0.0.1"], 365);
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let port = mute.local_addr().expect("bound").port();
    // Kept open and never read: the backlog takes the connections.
    let pacs = Pacs::up("PACS");
    let tables = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\ntrust = [{trust:?}]\n[audit]\nsyslog = \"127.0.0.1:{port}\"\n",
        own.certificate, own.key
    );
    let setup = Setup::new().rules("archive.toml", FORWARD).scanner("CT1").pacs(&pacs);
    let mut node = setup.further(&tables).start();
    let images = folder.path().join("images");
    image("mute", &images);
    assert!(send("CT1", node.port, &images));
    pacs.wait_for(1, PATIENCE);
    wait_for_told(&node, &python, &[("110104", "C", 1), ("110104", "R", 1)]);
    node.wait_until_status("takes nothing since", PATIENCE);
    assert!(node.stop().success());
    let told = read(&python, &trail(&node.data().join("audit")));
    assert_eq!(only(&told, "110100", "110121", "E").len(), 1, "the end is told, too");
}

#[test]
fn a_trail_that_cannot_be_written_stops_no_image_and_says_afterwards_that_it_had_a_hole() {
    let (Some(()), Some(python)) = (need::dcmtk(), judge()) else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let at = folder.path().join("audit");
    let table = format!("[audit]\nfolder = {at:?}\n");
    fs::write(&at, "no folder").expect("written");
    let refused = Setup::new().further(&table).lay_out().refuses_to_start();
    assert!(refused.contains("cannot write the audit trail"), "{refused}");
    fs::remove_file(&at).expect("removed");

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().rules("archive.toml", FORWARD).scanner("CT1").pacs(&pacs);
    let mut node = setup.further(&table).start();
    let aside = folder.path().join("aside");
    fs::rename(&at, &aside).expect("renamed");
    fs::write(&at, "no folder").expect("written");
    let images = folder.path().join("images");
    image("hole", &images);
    assert!(send("CT1", node.port, &images));
    pacs.wait_for(1, PATIENCE);
    node.wait_until_status("the audit trail cannot be written", PATIENCE);
    let to = folder.path().join("exported");
    let export = node.gantry(&["export", "all", "--to", to.to_str().expect("UTF-8")]);
    assert!(!export.success && export.err.contains("cannot be written"), "{export:?}");
    assert!(!to.exists(), "what cannot be told is not done");
    fs::remove_file(&at).expect("removed");
    fs::rename(&aside, &at).expect("renamed");
    node.wait_until_status("0 messages were not recorded: since", PATIENCE);
    assert!(node.stop().success());
    let told = read(&python, &trail(&at));
    for kind in ["110133", "110134"] {
        assert_eq!(only(&told, "110113", kind, "E").len(), 1, "{kind}");
    }
    for action in ["C", "R"] {
        assert_eq!(only(&told, "110104", "", action).len(), 1, "what waited is there: {action}");
    }
}

#[test]
fn what_retention_takes_away_is_told_and_the_end_of_a_study_by_itself() {
    let Some(python) = judge() else { return };
    let models = TempDir::new().expect("a temporary folder");
    let setup = Setup::new().models(models.path()).scanner("CT1").segment_mib(16);
    let node =
        setup.quiet_seconds(0.3).retention("keep-days = 0.00001").further("[audit]\n").start();
    let options = PhantomOptions { slices: 40, slice_mm: 4.5, ..Default::default() };
    let studies = ["old", "new"].map(|name| phantom::make(name, &options));
    for study in &studies {
        let mut scanner = Association::request("CT1", AE_TITLE, node.port, &study.instances);
        let scanner = scanner.as_mut().expect("accepted");
        for instance in &study.instances {
            assert_eq!(scanner.store(instance).map(|answer| answer.status), Ok(0));
        }
    }
    let told = wait_for_told(&node, &python, &[("110105", "D", 1)]);
    let deleted = only(&told, "110105", "", "D");
    assert_eq!(deleted[0].objects[0], studies[0].study);
    assert_eq!(deleted[0].patient, "PHANTOM");
}

#[test]
fn a_model_that_reads_a_study_is_told_and_so_is_what_it_made() {
    let (Some(()), Some(_), Some(python)) = (need::dcmtk(), need::onnx_runtime(), judge()) else {
        return;
    };
    let pacs = Pacs::up("PACS");
    let rule = "[[rule]]\nname = \"emphysema\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\n\
                run = \"emphysema\"\nsend = { to = [\"PACS\"], as = [\"structured-report\"] }\n";
    let setup = Setup::new().rules("emphysema.toml", rule).scanner("CT1").pacs(&pacs);
    let node = setup.further("[audit]\n").start();
    let chest = phantom::small_chest("model");
    let scanner = Association::request("CT1", AE_TITLE, node.port, &chest.instances);
    let mut scanner = scanner.expect("accepted");
    for instance in &chest.instances {
        assert_eq!(scanner.store(instance).map(|answer| answer.status), Ok(0));
    }
    scanner.release();
    let told = wait_for_told(&node, &python, &[("110103", "R", 1), ("110103", "C", 1)]);
    let (read, made) = (only(&told, "110103", "", "R"), only(&told, "110103", "", "C"));
    // The report lies there in each SOP class that a peer may take.
    assert_eq!((read[0].instances, made[0].instances), (20, 3));
    for one in [read[0], made[0]] {
        assert!(one.names[0].starts_with("emphysema"), "{one:?}");
        assert_eq!((&one.objects[0], &*one.patient), (&chest.study, "PHANTOM"));
    }
}

#[test]
fn changed_rules_users_and_a_pacs_that_nobody_trusts_are_told() {
    let (Some(()), Some(python)) = (need::dcmtk(), judge()) else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let authority = Authority::new("Hospital");
    let trust = authority.write(&folder.path().join("hospital.pem"));
    let own = authority.issue(folder.path(), "node", &["127.0.0.1"], 365);
    let pacs = Pacs::up("PACS");
    let tables = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\ntrust = [{trust:?}]\n[audit]\n\
         [[peer]]\nae-title = \"CT1\"\nuser = \"ct1\"\n\
         [[peer]]\nae-title = \"PACS\"\naddress = \"127.0.0.1:{}\"\ntls = true\n",
        own.certificate, own.key, pacs.port
    );
    let setup = Setup::new().rules("archive.toml", FORWARD).listen("user-identity = \"checked\"");
    let node = setup.further(&tables).start();
    let images = folder.path().join("images");
    image("users", &images);
    for (user, is_taken) in [("ct1", true), ("ct2", false)] {
        assert_eq!(send_as("CT1", node.port, &images, &["-usr", user]), is_taken, "{user}");
    }
    fs::write(node.rules().join("archive.toml"), format!("{FORWARD}# changed\n")).expect("written");
    authority.issue(folder.path(), "node", &["127.0.0.1"], 300);
    let told = wait_until_told(&node, &python, |told| {
        let has = |kind: &str, words: &str| {
            only(told, "110113", kind, "E").iter().any(|one| one.alert.contains(words))
        };
        let untrusted = only(told, "110113", "110126", "E");
        has("110131", "archive.toml changed")
            && has("110129", "certificates renewed")
            && untrusted.iter().any(|one| one.titles.contains(&"AETITLES= PACS".into()))
    });
    let logins = only(&told, "110114", "110122", "E");
    let logins: Vec<_> = logins.iter().map(|one| (&*one.users[0], &*one.outcome)).collect();
    assert_eq!(logins, [("ct1", "0"), ("ct2", "4")]);
    assert!(pacs.received().is_empty(), "nothing in clear");
}

/// One of every kind, about this peer, patient and reason.
fn all_kinds(this: &This, title: &str, patient: &str, why: &str) -> Vec<String> {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let instances = Instances {
        study: uid("1.2.3"),
        patient: patient.into(),
        classes: BTreeMap::from([(uid("1.2.840.10008.5.1.4.1.1.2"), 12), (uid("1.2.4"), 1)]),
        anonymized: true,
    };
    let somebody = Somebody { title: title.into(), address: Some(IpAddr::from([192, 0, 2, 17])) };
    let nowhere = Somebody { title: title.into(), address: None };
    let mut all = vec![
        events::not_authenticated(this, &somebody, why),
        events::not_authenticated(this, &nowhere, why),
        events::login(this, &somebody, title, Outcome::Minor),
        events::exported(this, title, why, &instances),
        events::study_deleted(this, Some(title), &instances),
        events::study_deleted(this, None, &instances),
        events::configured(this, code::SECURITY_CONFIGURATION, "certificates", why),
        events::restricted(this, title, "pseudonyms", why),
        events::recording(this, code::RECORDING_STOPPED, why),
        events::application(this, code::APPLICATION_START),
        events::network_entry(this, code::DETACH),
    ];
    let (identifier, syntax) = (why.as_bytes(), uid("1.2.840.10008.1.2"));
    for (to, is_answered) in [(&somebody, true), (&nowhere, false)] {
        let class = "1.2.840.10008.5.1.4.1.2.2.1";
        all.push(events::queried(this, to, class, (identifier, &syntax), is_answered));
    }
    for transfer in
        [Transfer::received(this, &somebody, true), Transfer::sent(this, &nowhere, false)]
    {
        all.push(transfer.begins(&instances));
        all.push(transfer.done(&instances, Action::Update, Outcome::Success));
        all.push(transfer.done(&instances, Action::Read, Outcome::Serious));
    }
    let by = [events::user(title), this.participant(Some(code::APPLICATION))];
    all.extend(
        by.map(|by| events::accessed(this, by, Action::Delete, LifeCycle::Erasure, &instances)),
    );
    all.iter().map(|message| this.line(message)).collect()
}

#[test]
fn every_kind_of_message_is_valid_and_says_what_it_should_whatever_others_wrote() {
    let Some(python) = judge() else { return };
    let text = "[node]\nae-title = \"A<\\\"&'>B\"\n[audit]\nsite = \"<&>\"\nmessage-id = \"IHE+RFC-3881\"\n";
    let config = Config::parse(text, Path::new("node.toml")).expect("a configuration");
    let this = This::of(&config, config.audit.as_ref().expect("a trail"));
    let mut random = StdRng::seed_from_u64(3881);
    let pieces = [
        "<",
        ">",
        "&",
        "\"",
        "'",
        "]]>",
        "<!--",
        "&amp;",
        "&#0;",
        "<?xml?>",
        "\0",
        "\u{1b}[2J",
        "\r\n",
        "\t",
        "\u{fffe}",
        "\u{202e}",
        "\u{10ffff}",
        "Ä",
        "日本",
        "%n",
        "\\",
        "x",
    ];
    let mut write = |most: usize| -> String {
        let many = random.random_range(0..most);
        (0..many).map(|_| pieces[random.random_range(0..pieces.len())]).collect()
    };
    let forbidden =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}');
    // As a reader of XML sees it; no string of others is longer.
    let seen = |text: &str| -> String {
        let shown = |c: char| if forbidden(c) { char::REPLACEMENT_CHARACTER } else { c };
        text.chars().take(256).map(shown).collect()
    };
    let (mut lines, mut wanted) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let (title, patient, why) = (write(16), write(40), write(600));
        let all = all_kinds(&this, &title, &patient, &why);
        wanted.extend(std::iter::repeat_n((seen(&title), seen(&patient), why), all.len()));
        lines.extend(all);
    }
    assert!(lines.iter().all(|line| !line.contains(['\n', '\r']) && line.len() < 32_768));
    let told = read(&python, &lines);
    assert_eq!(told.len(), wanted.len());
    for (one, (title, patient, why)) in told.iter().zip(wanted) {
        match &*one.event {
            "110102" | "110104" => {
                assert_eq!(one.patient, patient);
                let peer = one.titles.iter().any(|it| *it == format!("AETITLES= {title}"));
                assert!(peer || title.is_empty(), "{one:?}");
            }
            "110113" if one.kind == "110126" => {
                assert_eq!(one.alert, why.chars().take(256).collect::<String>());
            }
            "110112" => {
                assert!(
                    one.titles.iter().any(|it| *it == format!("AETITLES= {title}"))
                        || title.is_empty(),
                    "{one:?}"
                );
                let sent: String = why.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!((&*one.query, &*one.syntax), (&*sent, "1.2.840.10008.1.2"));
                assert_eq!(one.objects, ["1.2.840.10008.5.1.4.1.2.2.1"]);
            }
            "110114" => assert_eq!(one.users[0], title),
            _ => {}
        }
    }
}
