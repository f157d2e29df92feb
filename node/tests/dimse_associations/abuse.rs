//! Peers that break PS3.8, by mistake or on purpose: what each of them hears, and that the node serves the next one.

use crate::kit::{BIG_ENDIAN, CT, EXPLICIT, IMPLICIT, Node, Station, VERIFICATION, how, options};
use crate::wire::{
    Asked, Told, Wire, context, item, p_data, pdu, release, user_information, value,
};
use gantry::dimse::acceptor::{AcceptorOptions, Timers};
use std::time::{Duration, Instant};

/// What a peer sends, and what it hears after each piece.
struct Case {
    says: &'static str,
    steps: Vec<(Vec<u8>, &'static str)>,
}

fn case(says: &'static str, steps: Vec<(Vec<u8>, &'static str)>) -> Case {
    Case { says, steps }
}

fn verification() -> Vec<Vec<u8>> {
    vec![context(1, VERIFICATION, &[IMPLICIT])]
}

fn asked() -> (Vec<u8>, &'static str) {
    (Asked::new(verification()).bytes(), "AC")
}

fn asked_with(change: impl FnOnce(&mut Asked)) -> Vec<u8> {
    let mut asked = Asked::new(verification());
    change(&mut asked);
    asked.bytes()
}

/// All odd numbers, and one of them again.
fn too_many_contexts() -> Vec<u8> {
    let numbers = (0..=255).filter(|number| number % 2 == 1).chain([1]);
    Asked::new(numbers.map(|number| context(number, VERIFICATION, &[IMPLICIT])).collect()).bytes()
}

fn requests() -> Vec<Case> {
    let one = |says, bytes, heard| case(says, vec![(bytes, heard)]);
    let user = |further: &[u8]| asked_with(|asked| asked.user = user_information(16_384, further));
    vec![
        one(
            "the called title is not ours",
            asked_with(|a| a.called = b"ELSEWHERE       "),
            "RJ 1/1/7",
        ),
        one(
            "the called title is ours in small letters",
            asked_with(|a| a.called = b"node            "),
            "RJ 1/1/7",
        ),
        one(
            "the called title is only spaces",
            asked_with(|a| a.called = b"                "),
            "RJ 1/1/7",
        ),
        one(
            "the calling title is no peer's",
            asked_with(|a| a.calling = b"STRANGER        "),
            "RJ 1/1/3",
        ),
        one(
            "the calling title has control characters",
            asked_with(|a| a.calling = b"PRO\x1b[2JBE       "),
            "RJ 1/1/3",
        ),
        one(
            "the calling title is not ASCII",
            asked_with(|a| a.calling = b"\xC4\xFF\x80             "),
            "RJ 1/1/3",
        ),
        one(
            "there is no room for the moment",
            asked_with(|a| a.calling = b"UNLUCKY         "),
            "RJ 2/3/1",
        ),
        one(
            "neither title is one, and the called one counts first",
            asked_with(|a| {
                a.called = b"ELSEWHERE       ";
                a.calling = b"PRO\x1b[2JBE       ";
            }),
            "RJ 1/1/7",
        ),
        one("titles have leading spaces", asked_with(|a| a.called = b"  NODE          "), "AC"),
        one(
            "titles are padded with NUL",
            asked_with(|a| a.called = b"NODE\0\0\0\0\0\0\0\0\0\0\0\0"),
            "AC",
        ),
        one(
            "the application context is unknown",
            asked_with(|a| a.application_context = "1.2.3"),
            "RJ 1/1/2",
        ),
        one("only version 2 of the protocol", asked_with(|a| a.version = 2), "RJ 1/2/2"),
        one("versions 1 and 2 of the protocol", asked_with(|a| a.version = 3), "AC"),
        one(
            "an even context",
            Asked::new(vec![context(2, VERIFICATION, &[IMPLICIT])]).bytes(),
            "ABORT 2/6",
        ),
        one(
            "context 0",
            Asked::new(vec![context(0, VERIFICATION, &[IMPLICIT])]).bytes(),
            "ABORT 2/6",
        ),
        one(
            "a context twice",
            Asked::new([verification(), verification()].concat()).bytes(),
            "ABORT 2/6",
        ),
        one("more contexts than there are identifiers", too_many_contexts(), "ABORT 2/6"),
        one(
            "more transfer syntaxes than there are",
            Asked::new(vec![context(1, VERIFICATION, &["1"; 97])]).bytes(),
            "ABORT 2/6",
        ),
        one(
            "as many transfer syntaxes as a context may have",
            Asked::new(vec![context(1, VERIFICATION, &[IMPLICIT; 96])]).bytes(),
            "AC",
        ),
        one("no context", Asked::new(vec![]).bytes(), "RJ 1/1/1"),
        one("no maximum length (0)", asked_with(|a| a.user = user_information(0, &[])), "AC"),
        one(
            "a maximum length without room for data",
            asked_with(|a| a.user = user_information(15, &[])),
            "ABORT 2/6",
        ),
        one("no user information", asked_with(|a| a.user.clear()), "AC"),
        one("asynchronous operations", user(&item(0x53, &[0, 8, 0, 8])), "AC"),
        one("a user identity", user(&item(0x58, b"\x02\x01\x00\x01u\x00\x01p")), "AC"),
        one("an unknown sub-item", user(&item(0x7F, b"xx")), "AC"),
        one("an unknown item", asked_with(|a| a.contexts.push(item(0x77, b"xyz"))), "AC"),
        one(
            "an item longer than the request",
            asked_with(|a| a.user = vec![0x50, 0, 0xFF, 0xFF, 1]),
            "ABORT 2/6",
        ),
        one(
            "a sub-item longer than its item",
            asked_with(|a| a.user = item(0x50, &[0x51, 0, 0, 9, 0])),
            "ABORT 2/6",
        ),
        one("half an item's head", asked_with(|a| a.user = vec![0x50, 0]), "ABORT 2/6"),
        one(
            "a context without identifier",
            asked_with(|a| a.contexts = vec![item(0x20, &[1, 0])]),
            "ABORT 2/6",
        ),
        one("a request of a few bytes", pdu(1, &[0, 1, 0, 0]), "ABORT 2/6"),
        one("a request of length FFFFFFFF", vec![1, 0, 0xFF, 0xFF, 0xFF, 0xFF], "ABORT 2/6"),
        one("a request above 1 MiB", vec![1, 0, 0, 0x10, 0, 1], "ABORT 2/6"),
        one("data first", p_data(&[Told::echo().value(1)]), "ABORT 0/0"),
        one("a release first", release(), "ABORT 0/0"),
        one("an acceptance first", pdu(2, &[0; 80]), "ABORT 0/0"),
        one("an abort first", pdu(7, &[0; 4]), "ABORT 0/0"),
        one("a type that DICOM does not know", pdu(0x20, &[0; 4]), "ABORT 0/0"),
        one("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "ABORT 0/0"),
        one("TLS", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00".to_vec(), "ABORT 0/0"),
    ]
}

fn conversations() -> Vec<Case> {
    let echo = || p_data(&[Told::echo().value(1)]);
    let then = |says, bytes, heard| case(says, vec![asked(), (bytes, heard)]);
    let mut zeros = Told::echo().bytes();
    zeros.resize(300_000, 0);
    let in_pieces: Vec<u8> =
        zeros.chunks(16_000).flat_map(|piece| p_data(&[value(1, 1, piece)])).collect();
    vec![
        case("echo, by the book", vec![asked(), (echo(), "0000"), (release(), "RP")]),
        then("a second request", Asked::new(verification()).bytes(), "ABORT 2/2"),
        then("an acceptance from the requestor", pdu(2, &[0; 80]), "ABORT 2/2"),
        then("a rejection from the requestor", pdu(3, &[0, 1, 1, 1]), "ABORT 2/2"),
        then("a release that answers nothing", pdu(6, &[0; 4]), "ABORT 2/2"),
        then("a type that DICOM does not know", pdu(0x20, &[0; 4]), "ABORT 2/1"),
        then("data of 512 MiB", vec![4, 0, 0x20, 0, 0, 0, 1, 2, 3], "ABORT 2/6"),
        then("data of length FFFFFFFF", vec![4, 0, 0xFF, 0xFF, 0xFF, 0xFF], "ABORT 2/6"),
        then("data one byte above what was announced", vec![4, 0, 0, 2, 0, 1], "ABORT 2/6"),
        then("a release of the wrong length", vec![5, 0, 0, 0, 0, 8, 0, 0], "ABORT 2/6"),
        then("data without a value", pdu(4, &[]), "ABORT 2/6"),
        then("a value longer than its PDU", pdu(4, &[0, 0, 16, 0, 1, 3, 0, 0]), "ABORT 2/6"),
        then("a value of length 1", pdu(4, &[0, 0, 0, 1, 1]), "ABORT 2/6"),
        then("a value of length FFFFFFFF", pdu(4, &[0xFF, 0xFF, 0xFF, 0xFF, 1, 3]), "ABORT 2/6"),
        then("a context that was not agreed on", p_data(&[Told::echo().value(9)]), "ABORT 2/6"),
        then("a data set without a command", p_data(&[value(1, 2, b"1234")]), "ABORT 2/6"),
        then("a command above 64 KiB", in_pieces, "ABORT 2/6"),
        then("a command above the announced length", p_data(&[value(1, 3, &zeros)]), "ABORT 2/6"),
        then(
            "a command with a length that runs out",
            p_data(&[value(1, 3, &[0, 0, 0, 1, 9, 0, 0, 0, 1])]),
            "ABORT 2/6",
        ),
        then(
            "a command of another group",
            p_data(&[value(1, 3, &[8, 0, 5, 0, 0, 0, 0, 0])]),
            "ABORT 2/6",
        ),
        then("a command without anything", p_data(&[value(1, 3, &[])]), "ABORT 2/6"),
        then(
            "a release within a command",
            [p_data(&[value(1, 1, &[0; 8])]), release()].concat(),
            "ABORT 2/6",
        ),
        then(
            "a response that nobody asked for",
            p_data(&[Told { field: 0x8030, ..Told::echo() }.value(1)]),
            "ABORT 2/2",
        ),
        then(
            "a request without a message ID",
            p_data(&[Told { message: None, ..Told::echo() }.value(1)]),
            "ABORT 2/6",
        ),
        case(
            "an unknown command, then echo",
            vec![
                asked(),
                (p_data(&[Told { field: 0x0999, ..Told::echo() }.value(1)]), "0211"),
                (echo(), "0000"),
            ],
        ),
        case(
            "a C-FIND with its identifier, then echo",
            vec![
                asked(),
                (
                    p_data(&[
                        Told { field: 0x0020, data_set_type: 1, ..Told::echo() }.value(1),
                        value(1, 2, &[0; 8]),
                    ]),
                    "0211",
                ),
                (echo(), "0000"),
            ],
        ),
        case(
            "a C-CANCEL has no answer",
            vec![
                asked(),
                (
                    [p_data(&[Told { field: 0x0FFF, ..Told::echo() }.value(1)]), echo()].concat(),
                    "0000",
                ),
                (release(), "RP"),
            ],
        ),
        case(
            "a command in two PDUs, without group length, with odd control bits",
            vec![
                asked(),
                (
                    {
                        let bytes = Told::echo().bytes();
                        [
                            p_data(&[value(1, 0xF1, &bytes[12..20])]),
                            p_data(&[value(1, 3, &bytes[20..])]),
                        ]
                        .concat()
                    },
                    "0000",
                ),
            ],
        ),
        case(
            "an empty value marks the end of a command",
            vec![
                asked(),
                (p_data(&[value(1, 1, &Told::echo().bytes()), value(1, 3, &[])]), "0000"),
            ],
        ),
        case("an abort ends it", vec![asked(), (pdu(7, &[0; 4]), "closed")]),
    ]
}

/// The node has two places only: what a case leaves behind would soon be missed.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_rules_is_told_so_and_the_next_one_is_served() {
    let node =
        Node::with(Station::new(), AcceptorOptions { maximum_associations: 2, ..options() }).await;
    for Case { says, steps } in requests().into_iter().chain(conversations()) {
        let mut wire = Wire::connect(node.port).await;
        for (number, (bytes, expected)) in steps.iter().enumerate() {
            wire.send(bytes).await;
            assert_eq!(wire.heard().await, *expected, "{says}, step {}", number + 1);
        }
        drop(wire);
        node.answers_echo().await;
    }
}

#[tokio::test]
async fn a_refused_association_is_told_with_its_titles_and_the_reason() {
    let node = Node::start().await;
    let check = async |bytes: Vec<u8>, expected: (&str, &str, &str)| {
        let mut wire = Wire::connect(node.port).await;
        wire.send(&bytes).await;
        let told = node.station.refused().await;
        assert_eq!((&*told.calling, &*told.called), (expected.0, expected.1));
        assert!(how(&told).contains(expected.2), "{}", how(&told));
    };
    check(asked_with(|a| a.called = b"ELSEWHERE       "), ("PROBE", "ELSEWHERE", "1/1/7")).await;
    check(asked_with(|a| a.calling = b"A\nB             "), ("A\u{FFFD}B", "NODE", "1/1/3")).await;
    let even = Asked::new(vec![context(2, VERIFICATION, &[IMPLICIT])]).bytes();
    check(even, ("PROBE", "NODE", "even or stands twice")).await;
    check(b"GET / HTTP/1.1\r\n\r\n".to_vec(), ("", "", "no PDU of DICOM")).await;
}

#[tokio::test]
async fn the_acceptance_answers_every_context_and_repeats_the_titles_as_they_came() {
    let node = Node::start().await;
    let mut asked = Asked::new(vec![
        context(1, CT, &[BIG_ENDIAN, IMPLICIT, EXPLICIT]),
        context(5, "1.2.3.4.5", &[EXPLICIT, IMPLICIT]),
        context(255, CT, &["1.2.840.10008.1.2.4.94"]),
        context(3, VERIFICATION, &[]),
        context(7, "not a UID", &["\u{FFFD}"]),
    ]);
    asked.called = b"  NODE          ";
    asked.version = 0xFFFF;
    let mut wire = Wire::connect(node.port).await;
    let sent = asked.bytes();
    wire.send(&sent).await;
    let (kind, body) = wire.pdu().await.expect("an answer");
    assert_eq!((kind, &body[..2]), (2, &[0, 1][..]));
    assert_eq!(body[4..68], sent[10..74], "titles and reserved bytes");
    let (mut rest, mut answers) = (&body[68..], Vec::new());
    while let [kind, _, high, low, behind @ ..] = rest {
        let (item, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
        if *kind == 0x21 {
            let syntax = String::from_utf8_lossy(&item[8..]).trim_end_matches('\0').to_string();
            answers.push((item[0], item[2], syntax));
        }
        rest = behind;
    }
    let expected = [
        (1, 0, EXPLICIT),
        (5, 3, EXPLICIT),
        (255, 4, "1.2.840.10008.1.2.4.94"),
        (3, 4, IMPLICIT),
        (7, 3, IMPLICIT),
    ];
    assert_eq!(answers, expected.map(|(id, result, syntax)| (id, result, syntax.to_string())));
}

/// Every wait has an end, and it is the right one.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_does_not_keep_its_place() {
    let timers = Timers {
        artim: Duration::from_millis(300),
        idle: Duration::from_millis(900),
        progress: Duration::from_millis(300),
    };
    let node = Node::with(Station::new(), AcceptorOptions { timers, ..options() }).await;
    let half = asked().0[..40].to_vec();
    let command = Told::store(CT, "1.2.3").value(1);
    let stores = Asked::new(vec![context(1, CT, &[IMPLICIT])]).bytes();
    let check = async |says: &str, steps: &[(&[u8], &str)], silence: u64| {
        let mut wire = Wire::connect(node.port).await;
        let mut begun = Instant::now();
        for (bytes, expected) in steps {
            begun = Instant::now();
            wire.send(bytes).await;
            assert_eq!(wire.heard().await, *expected, "{says}");
        }
        let waited = begun.elapsed().as_millis() as u64;
        assert!((silence - 20..silence + 2000).contains(&waited), "{says}: {waited} ms");
    };
    check("it says nothing", &[(&[], "closed")], 300).await;
    check("half a request", &[(&half, "closed")], 300).await;
    check("idle", &[(&asked().0, "AC"), (&[], "ABORT 2/0")], 900).await;
    check("half a PDU", &[(&asked().0, "AC"), (&[4, 0, 0, 0], "ABORT 2/0")], 300).await;
    let unfinished = p_data(&[command, value(1, 0, &[0; 100])]);
    check("half an object", &[(&stores, "AC"), (&unfinished, "ABORT 2/0")], 900).await;
    node.station.until(|seen| seen.cut.pop()).await;
    node.answers_echo().await;
}

#[tokio::test]
async fn a_request_that_dribbles_in_does_not_outlast_artim() {
    let timers = Timers { artim: Duration::from_millis(400), ..Timers::default() };
    let node = Node::with(Station::new(), AcceptorOptions { timers, ..options() }).await;
    let mut wire = Wire::connect(node.port).await;
    let begun = Instant::now();
    let (request, _) = asked();
    let dribbled = async {
        let (mut reader, mut writer) = wire.stream.split();
        let mut bytes = request.chunks(1);
        let mut one = [0];
        loop {
            tokio::select! {
                read = tokio::io::AsyncReadExt::read(&mut reader, &mut one) => return read,
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    let byte = bytes.next().expect("ARTIM is over before the request is in");
                    let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, byte).await;
                }
            }
        }
    };
    assert!(matches!(dribbled.await, Ok(0) | Err(_)), "closed without a word");
    assert!(begun.elapsed() < Duration::from_secs(4));
}
