//! Both roles against DCMTK and against each other: every data set arrives bit for bit.

mod shelf;

use bytes::Bytes;
use gantry::dimse::requestor::{
    Association, Proposed, RequestError, RequestTimers, StoreResponse, Target,
};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use shelf::{CALLED, CALLING};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID")
}

fn target(address: &str, called: &str) -> Target {
    Target {
        address: address.into(),
        called: AeTitle::parse(called).expect("a title"),
        calling: AeTitle::parse(CALLING).expect("a title"),
        timers: RequestTimers { connect: Duration::from_secs(5), ..RequestTimers::default() },
        maximum_pdu: 16384,
    }
}

fn proposed(sop_class: &str, syntaxes: &[&str]) -> Proposed {
    Proposed {
        sop_class: uid(sop_class),
        transfer_syntaxes: syntaxes.iter().map(|syntax| uid(syntax)).collect(),
    }
}

/// Says that a test checks nothing here; where nothing may be skipped, that is a failure.
fn skipped(why: &str) {
    println!("skipped: {why}");
    let all = std::env::var("GANTRY_TESTS").is_ok_and(|which| which == "all");
    assert!(!all || why.contains("shared"), "nothing may be skipped here: {why}");
}

fn has_dcmtk() -> bool {
    let there = Command::new("dcmsend").arg("--version").output().is_ok();
    if !there {
        skipped("DCMTK is not installed (Debian: dcmtk)");
    }
    there
}

fn dcmtk(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .env("TCP_NODELAY", "1")
        .output()
        .expect("DCMTK is installed");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The data set of a Part 10 file, as it stands behind the File Meta Information.
fn data_set(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).expect("the file can be read");
    let length = u32::from_le_bytes(bytes[140..144].try_into().expect("four bytes")) as usize;
    bytes[144 + length..].to_vec()
}

/// The transfer syntax that the File Meta Information names.
fn transfer_syntax(file: &Path) -> String {
    let bytes = std::fs::read(file).expect("the file can be read");
    let element = bytes.windows(6).position(|w| w == b"\x02\0\x10\0UI").expect("(0002,0010)");
    let length = usize::from(u16::from_le_bytes([bytes[element + 6], bytes[element + 7]]));
    let text = String::from_utf8_lossy(&bytes[element + 8..element + 8 + length]).into_owned();
    text.trim_end_matches('\0').into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_encoding_arrives_bit_for_bit() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/standards/examples/syntaxes");
    if !folder.is_dir() {
        return skipped("../shared is not here");
    }
    let (shelf, address, _) = shelf::start(8).await;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    for (number, file) in files.iter().enumerate() {
        let syntax = transfer_syntax(file);
        let target = target(&address.to_string(), CALLED);
        let association = Association::request(&target, &[proposed(CT, &[&syntax])]).await;
        let mut association = association.expect("it is accepted");
        let (instance, bytes) = (uid(&format!("1.2.{}", number + 1)), data_set(file));
        let answer =
            association.store(&uid(CT), &instance, &uid(&syntax), bytes.clone().into()).await;
        assert_eq!(answer.expect("an answer").status, 0, "{}", file.display());
        association.release().await;
        let stored = shelf.stored.lock().expect("no panic");
        assert_eq!(stored[number].0.transfer_syntax.as_str(), syntax);
        assert!(stored[number].1 == bytes, "{} differs", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dcmtk_sends_to_us_and_we_send_to_dcmtk() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/standards/examples");
    if !examples.is_dir() {
        return skipped("../shared is not here");
    }
    if !has_dcmtk() {
        return;
    }
    let (shelf, address, _) = shelf::start(8).await;
    let port = address.port().to_string();
    let file = examples.join("src_ct_01.dcm");
    let name = file.to_str().expect("a name in UTF-8").to_string();
    let sent = tokio::task::spawn_blocking(move || {
        dcmtk("dcmsend", &["-aet", CALLING, "-aec", CALLED, "127.0.0.1", &port, &name])
    });
    let (good, said) = sent.await.expect("dcmsend ran");
    assert!(good, "{said}");
    assert!(shelf.stored.lock().expect("no panic")[0].1 == data_set(&file), "it differs");

    let received = tempfile::tempdir().expect("a temporary folder");
    // The listener is dropped before storescp binds the port that it was given.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let mut pacs = Command::new("storescp")
        .args(["-aet", "PACS", "-od", received.path().to_str().expect("UTF-8"), "+B"])
        .arg(port.to_string())
        .env("TCP_NODELAY", "1")
        .spawn()
        .expect("storescp starts");
    let target = target(&format!("127.0.0.1:{port}"), "PACS");
    let contexts = [proposed(CT, &[EXPLICIT])];
    let mut association = None;
    for _ in 0..100 {
        match Association::request(&target, &contexts).await {
            Ok(there) => {
                association = Some(there);
                break;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let mut association = association.expect("storescp listens within five seconds");
    let bytes = data_set(&file);
    let answer = association
        .store(&uid(CT), &uid("1.2.3"), &uid(EXPLICIT), bytes.clone().into())
        .await
        .expect("an answer");
    association.release().await;
    pacs.kill().expect("storescp can be ended");
    pacs.wait().expect("it ends");
    assert_eq!(answer.status, 0);
    let mut files = std::fs::read_dir(received.path()).expect("the folder can be read");
    let kept = files.next().expect("one file").expect("an entry").path();
    assert!(data_set(&kept) == bytes, "what DCMTK wrote bit by bit differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn storescu_with_small_pdus_and_a_scanner_that_aborts_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/standards/examples");
    if !folder.is_dir() {
        return skipped("../shared is not here");
    }
    if !has_dcmtk() {
        return;
    }
    let (shelf, address, _) = shelf::start(8).await;
    let port = address.port().to_string();
    let file = folder.join("src_ct_01.dcm");
    let name = file.to_str().expect("a name in UTF-8").to_string();
    let said = tokio::task::spawn_blocking(move || {
        let common = ["-aet", CALLING, "-aec", CALLED, "127.0.0.1", &port, &name];
        let small = dcmtk("storescu", &[&["-pdu", "4096"], common.as_slice()].concat());
        let aborted = dcmtk("storescu", &[&["--abort"], common.as_slice()].concat());
        (small, aborted)
    });
    let (small, _) = said.await.expect("storescu ran");
    assert!(small.0, "{}", small.1);
    let stored = shelf.stored.lock().expect("no panic");
    assert!(stored.iter().all(|(_, bytes)| *bytes == data_set(&file)), "a data set differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_roles_understand_each_other_whatever_the_length() {
    let (shelf, address, _) = shelf::start(8).await;
    let target = target(&address.to_string(), CALLED);
    let contexts = [proposed(CT, &[EXPLICIT]), proposed("1.2.840.10008.1.1", &[EXPLICIT])];
    let mut association = Association::request(&target, &contexts).await.expect("it is accepted");
    assert_eq!(association.echo().await.expect("an answer"), 0);
    let lengths = [2, 131_066, 131_068, 131_072, 262_144, 1 << 20, (1 << 20) + 2, 5_000_000];
    for (number, length) in lengths.into_iter().enumerate() {
        let data_set: Bytes = (0..length).map(|i| (i * 7 + number) as u8).collect();
        let instance = uid(&format!("1.2.3.{}", number + 1));
        let response = association
            .store(&uid(CT), &instance, &uid(EXPLICIT), data_set.clone())
            .await
            .expect("an answer");
        assert_eq!(response, StoreResponse { status: 0, comment: None });
        let stored = shelf.stored.lock().expect("no panic");
        assert!(stored[number].1 == data_set, "{length} bytes differ");
        assert_eq!(stored[number].0.sop_instance, instance);
    }
    association.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_that_breaks_off_is_never_taken_for_a_whole_one() {
    let (shelf, address, _) = shelf::start(8).await;
    let target = target(&address.to_string(), CALLED);
    let association = Association::request(&target, &[proposed(CT, &[EXPLICIT])]).await;
    let mut association = association.expect("it is accepted");
    let (class, instance, syntax) = (uid(CT), uid("1.2.3"), uid(EXPLICIT));
    let data_set = Bytes::from(vec![0u8; 200_000_000]);
    let sending = association.store(&class, &instance, &syntax, data_set);
    // The connection falls when the future does, in the middle of 200 MB.
    let cut = tokio::time::timeout(Duration::from_millis(5), sending).await;
    assert!(cut.is_err(), "200 MB do not pass in 5 ms");
    drop(association);
    for _ in 0..200 {
        if *shelf.broken_off.lock().expect("no panic") == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(*shelf.broken_off.lock().expect("no panic"), 1);
    assert!(shelf.stored.lock().expect("no panic").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requestor_says_why_there_is_no_association() {
    let (_, address, _) = shelf::start(8).await;
    let contexts = [proposed(CT, &[EXPLICIT])];
    let error = Association::request(&target(&address.to_string(), "OTHER"), &contexts).await;
    let error = error.err().expect("it is rejected");
    assert!(matches!(error, RequestError::RejectedPermanent(_)), "{error}");
    assert!(error.to_string().contains("1/1/7"), "{error}");
    let nobody = Association::request(&target("127.0.0.1:1", CALLED), &contexts).await;
    assert!(matches!(nobody, Err(RequestError::Connect { .. })));
    let strange = [proposed("1.2.3.4", &[EXPLICIT])];
    let association = Association::request(&target(&address.to_string(), CALLED), &strange).await;
    let association = association.expect("a refused context is no refused association");
    assert_eq!(association.accepted(&uid("1.2.3.4")).count(), 0);
    assert_eq!(association.refusal(&uid("1.2.3.4")), Some("SOP class not supported (3)"));
    association.release().await;
}
