//! What `node.toml` means, and what is refused of it.

use super::*;
use gantry_store::options::Duplicates;

fn problems(text: &str) -> String {
    Config::parse(text, Path::new("node.toml")).expect_err("must be refused").to_string()
}

#[test]
fn the_example_configuration_parses_and_means_what_it_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node.example.toml");
    let config = Config::load(&file).expect("the example is a good one");
    assert_eq!(config.ae_title.as_str(), "GANTRY");
    assert!(config.receivers().contains(&"PACS".to_string()));
    assert_eq!(config.listen.unknown_peers, UnknownPeers::Refuse);
}

#[test]
fn what_becomes_of_other_bytes_under_a_kept_uid_can_be_chosen() {
    let read = |chosen: &str| {
        let text = format!("[node]\nae-title = \"G\"\n[store]\n{chosen}");
        Config::parse(&text, Path::new("node.toml")).map(|config| config.store.duplicates).ok()
    };
    assert_eq!(read(""), Some(Duplicates::KeepFirst));
    assert_eq!(read("duplicates = \"replace\""), Some(Duplicates::Replace));
    assert_eq!(read("duplicates = \"keep-both\""), Some(Duplicates::KeepBoth));
    assert_eq!(read("duplicates = \"overwrite\""), None);
}

#[test]
fn an_unknown_key_is_refused_with_line_caret_and_the_nearest_known_key() {
    let text = "[node]\nae-title = \"GANTRY\"\n[complete]\nquiet-secnds = 3\n";
    let said = problems(text);
    assert!(said.contains("line 4, column 1"), "{said}");
    assert!(said.contains("^^^"), "{said}");
    assert!(said.contains("did you mean `quiet-seconds`"), "{said}");
}

#[test]
fn all_problems_of_meaning_are_told_at_once() {
    let said = problems(
        "[node]\nae-title = \"A TITLE THAT IS TOO LONG\"\n[listen]\naddress = \"nowhere\"\n\
         [[peer]]\nae-title = \"PACS\"\n[[peer]]\nae-title = \"PACS\"\nquiet-seconds = -1\n",
    );
    for part in ["at most 16", "host:port", "written twice", "0 or more"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn limits_and_waits_that_would_serve_nobody_are_refused() {
    let said = problems(
        "[node]\nae-title = \"G\"\n[listen]\nmaximum-associations = 0\n\
         maximum-associations-per-peer = 0\nmaximum-waiting-per-address = 0\n\
         maximum-pdu-bytes = 1024\nmemory-mib = 7\nartim-seconds = 0\nidle-seconds = -1\n\
         storage-classes = [\"1.2.x\"]\n[[peer]]\nae-title = \"CT1\"\nmaximum-associations = 0\n\
         from = [\"10.0.0.0/33\", \"10.0.0.1\"]\nprefer = [\"1.2.840.10008.1.2.4.94\"]\n\
         associations = 17\nmib-per-second = 0\nbetween = [\"19:00-6:00\", \"19:00-06:00\"]\n",
    );
    for part in [
        "listen.maximum-associations = 0",
        "listen.maximum-associations-per-peer = 0",
        "listen.maximum-waiting-per-address = 0",
        "listen.maximum-pdu-bytes must lie between 4096 and 4194304",
        "listen.memory-mib must be at least 8 with these maximum-pdu-bytes",
        "listen.artim-seconds = 0",
        "listen.idle-seconds = -1",
        "listen.storage-classes: \"1.2.x\"",
        "maximum-associations of peer CT1 = 0",
        "from of peer CT1: \"10.0.0.0/33\"",
        "prefer of peer CT1: \"1.2.840.10008.1.2.4.94\" is no transfer syntax",
        "associations of peer CT1 must lie between 1 and 16",
        "mib-per-second of peer CT1 must be 0.01 or more",
        "between of peer CT1: \"19:00-6:00\": a time of day is written as 06:00",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert_eq!(said.lines().count(), 14, "{said}");
}

#[test]
fn retention_is_off_unless_it_is_asked_for_and_says_when() {
    let parse = |lines: &str| {
        let text = format!("[node]\nae-title = \"G\"\n{lines}");
        Config::parse(&text, Path::new("node.toml")).map(|config| config.retention)
    };
    assert_eq!(parse(""), Ok(None));
    let keep = Some(Duration::from_secs(30 * 86400));
    let both = Policy { keep, watermark_percent: Some(80.0) };
    let written = "[retention]\nkeep-days = 30\nwatermark-percent = 80\n";
    assert_eq!(parse(written), Ok(Some(both)));
    for (lines, part) in [
        ("", "keep-days, watermark-percent or both"),
        ("keep-days = 0\n", "more than 0"),
        ("keep-days = 1e9\n", "of reason"),
        ("watermark-percent = 100\n", "between 1 and 99"),
        ("keep-day = 3\n", "did you mean `keep-days`"),
    ] {
        let said = parse(&format!("[retention]\n{lines}")).expect_err("refused").to_string();
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn metrics_are_off_unless_an_address_is_given() {
    let parse = |lines: &str| {
        let text = format!("[node]\nae-title = \"G\"\n{lines}");
        Config::parse(&text, Path::new("node.toml")).map(|config| config.admin.metrics)
    };
    assert_eq!(parse(""), Ok(None));
    let address = "127.0.0.1:9100".to_string();
    assert_eq!(parse("[admin]\nmetrics = \"127.0.0.1:9100\"\n"), Ok(Some(address)));
    let said = parse("[admin]\nmetrics = \"9100\"\n").expect_err("refused").to_string();
    assert!(said.contains("admin.metrics = \"9100\": write it as host:port"), "{said}");
    let said = parse("[admin]\nmetric = \"h:1\"\n").expect_err("refused").to_string();
    assert!(said.contains("did you mean `metrics`"), "{said}");
}

#[test]
fn a_user_that_nobody_would_check_and_a_passcode_that_cannot_be_read_are_refused() {
    let peer =
        |lines: &str| format!("[node]\nae-title = \"G\"\n[[peer]]\nae-title = \"CT1\"\n{lines}");
    assert!(problems(&peer("user = \"joe\"\n")).contains("user-identity = \"checked\""));
    assert!(problems(&peer("passcode-file = \"x\"\n")).contains("no user"));
    let said = problems(&peer("user = \"joe\"\npasscode-file = \"/nowhere/at/all\"\n"));
    assert!(said.contains("cannot read /nowhere/at/all"), "{said}");
}

#[test]
fn the_peers_whose_passcodes_can_be_read_on_the_network_are_known() {
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("secret"), "open sesame\n").expect("written");
    let text = "[node]\nae-title = \"G\"\n[listen]\nuser-identity = \"checked\"\n\
                [[peer]]\nae-title = \"CT1\"\nuser = \"joe\"\npasscode-file = \"secret\"\n\
                [[peer]]\nae-title = \"CT2\"\nuser = \"ann\"\n[[peer]]\nae-title = \"CT3\"\n";
    let config = Config::parse(text, &folder.path().join("node.toml")).expect("good");
    assert_eq!(config.passcodes_in_clear(), ["CT1"]);
}

#[test]
fn a_peer_is_asked_for_what_it_took_in_one_way_and_where_somebody_answers() {
    let peers = |lines: &str| {
        format!(
            "[node]\nae-title = \"G\"\n[[peer]]\nae-title = \"QR\"\naddress = \"h:1\"\n\
             [[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"PACS\"\n{lines}"
        )
    };
    let good = peers("address = \"h:2\"\nfind-at = \"QR\"\n");
    let config = Config::parse(&good, Path::new("node.toml")).expect("good");
    let [pacs, qr] = ["PACS", "QR"].map(|text| AeTitle::parse(text).expect("a title"));
    assert_eq!(config.peers[&pacs].proof, Some(Proof::Find { at: qr.clone() }));
    for (lines, asked) in [
        ("find-at = \"QR\"\n", Some(&qr)),
        ("commitment = true\n", None),
        ("commitment = true\npatients-at = \"QR\"\n", Some(&qr)),
        ("find-at = \"QR\"\npatients-at = \"PACS\"\n", Some(&pacs)),
        ("find-at = \"QR\"\npatients-at = false\n", None),
        ("", None),
    ] {
        let text = peers(&format!("address = \"h:2\"\n{lines}"));
        let config = Config::parse(&text, Path::new("node.toml")).expect("good");
        let found = config.asked_for_patients("PACS").map(|peer| &peer.ae_title);
        assert_eq!(found, asked, "{lines}");
    }
    for (lines, part) in [
        ("find-at = \"QR\"\n", "no address to deliver to"),
        ("address = \"h:2\"\nfind-at = \"CT1\"\n", "no [[peer]] of that AE title"),
        ("address = \"h:2\"\nfind-at = \"NOBODY\"\n", "no [[peer]] of that AE title"),
        ("address = \"h:2\"\nfind-at = \"QR\"\ncommitment = true\n", "says more"),
        ("commitment = true\n", "no address to ask at"),
        ("patients-at = \"QR\"\n", "no address to deliver to"),
        ("address = \"h:2\"\npatients-at = \"CT1\"\n", "has patients-at = \"CT1\": there is no"),
        ("address = \"h:2\"\npatients-at = true\n", "or false"),
    ] {
        let said = problems(&peers(lines));
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn a_profile_that_does_not_exist_or_could_not_be_carried_out_is_refused() {
    let said = problems(
        "[node]\nae-title = \"G\"\n[deidentification.research]\nkeep-words = [\"x\"]\nforget-days = -1\n\
         private = [\"(0019,100C) SIEMENS MR HEADER\"]\n[[peer]]\nae-title = \"A\"\n\
         address = \"h:1\"\ndeidentify = \"reserch\"\n[[peer]]\nae-title = \"B\"\n\
         address = \"h:1\"\ndeidentify = \"research\"\ncommitment = true\n[[peer]]\n\
         ae-title = \"C\"\ndeidentify = \"research\"\n[[peer]]\nae-title = \"D\"\naddress = \"h:1\"\n\
         returns = \"research\"\nreturns-to = [\"D\", \"NOBODY\", \"A\"]\n[[peer]]\nae-title = \"H\"\n\
         returns = \"trial\"\nreturns-to = [\"A\"]\n[[peer]]\nae-title = \"E\"\n\
         returns = \"research\"\n[[peer]]\nae-title = \"F\"\nreturns-to = [\"A\"]\n",
    );
    for part in [
        "set that to true",
        "is no private attribute",
        "deidentify of peer A: there is no [deidentification.reserch]; did you mean \"research\"?",
        "peer B is de-identified for, and has commitment = true",
        "peer C has deidentify, but no address",
        "returns of peer H: there is no [deidentification.trial]",
        "peer D has returns-to = \"D\": there is no other",
        "peer D has returns-to = \"NOBODY\": there is no other",
        "peer E has returns = \"research\": say with returns-to",
        "peer F has returns-to, but not returns",
        "deidentification.research.forget-days = -1",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let good = "[node]\nae-title = \"G\"\n[deidentification.research]\ndates = \"shifted\"\n\
                [[deidentification.research.device]]\nmanufacturer = \"ACME\"\nmodel = \"1\"\n\
                rows = 2\ncolumns = 4\nblank = [[0, 0, 4, 1]]\n[[peer]]\nae-title = \"A\"\n\
                address = \"h:1\"\ndeidentify = \"research\"\n";
    let config = Config::parse(good, Path::new("node.toml")).expect("good");
    assert!(config.deidentifies() && config.forgets.is_empty());
    let home = good.to_owned()
        + "[[peer]]\nae-title = \"B\"\nreturns = \"research\"\nreturns-to = [\"A\"]\n";
    let config =
        Config::parse(&home.replace("dates =", "forget-days = 2\ndates ="), Path::new("node.toml"));
    let config = config.expect("good");
    assert_eq!(config.forgets["research"], Duration::from_secs(2 * 86_400));
    let returns = config.peers.values().find_map(|peer| peer.returns.as_ref()).expect("B returns");
    assert_eq!((&*returns.profile, returns.to.len()), ("research", 1));
    assert!(problems(&good.replace("shifted", "moved")).contains("line 4"));
}

#[test]
fn a_peer_may_have_a_quiet_time_of_its_own() {
    let text = "[node]\nae-title = \"G\"\n[complete]\nquiet-seconds = 9\n\
                [[peer]]\nae-title = \"CT1\"\nquiet-seconds = 0.5\n";
    let config = Config::parse(text, Path::new("node.toml")).expect("good");
    let title = |text| AeTitle::parse(text).expect("a title");
    assert_eq!(config.quiet_for(&title("CT1")), Duration::from_millis(500));
    assert_eq!(config.quiet_for(&title("CT2")), Duration::from_secs(9));
    let own = ["CT1", "CT2"].map(|text| config.times_for(&title(text)).quiet_is_its_own);
    assert_eq!(own, [true, false]);
}
