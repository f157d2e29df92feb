//! Acceptors that answer wrongly, late or not at all: what our requestor says of each.

use crate::kit::{CT, EXPLICIT, IMPLICIT, proposed, target, uid};
use crate::wire::{Told, Wire, element, item, p_data, pdu, user_information, value};
use bytes::Bytes;
use gantry::dimse::association::AssociationError;
use gantry::dimse::requestor::{Association, RequestError, RequestTimers, Target};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Short where a peer is silent on purpose.
fn hasty(port: u16) -> Target {
    let timers = RequestTimers {
        connect: Duration::from_secs(5),
        acse: Duration::from_millis(400),
        dimse: Duration::from_millis(400),
    };
    Target { timers, ..target(port, "SCANNER") }
}

/// An acceptor that reads the request and answers with these bytes; it keeps the connection
/// until the test is over, and gives what it hears after each answer.
async fn acceptor(answers: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut wire = Wire { stream };
        let mut heard = vec![wire.heard().await];
        for answer in answers {
            wire.send(&answer).await;
            heard.push(wire.heard().await);
        }
        heard
    });
    (port, task)
}

/// An acceptance with these answers, by identifier, result and syntax.
fn acceptance(contexts: &[(u8, u8, &str)], user: &[u8]) -> Vec<u8> {
    let mut body = [&[0xFF, 0xFF][..], &[0; 66]].concat();
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (id, result, syntax) in contexts {
        let syntax = item(0x40, syntax.as_bytes());
        body.extend(item(0x21, &[&[*id, 0, *result, 0], &syntax[..]].concat()));
    }
    body.extend(item(0x77, b"unknown"));
    body.extend(user);
    pdu(2, &body)
}

fn by_the_book() -> Vec<u8> {
    acceptance(&[(1, 0, EXPLICIT)], &user_information(16_384, &item(0x7E, b"odd")))
}

async fn asked(target: &Target) -> Result<Association, RequestError> {
    let contexts = [proposed(CT, &[IMPLICIT, EXPLICIT]), proposed("1.2.3", &[EXPLICIT])];
    Association::request(target, &contexts).await
}

#[tokio::test]
async fn an_association_that_does_not_come_about_says_why() {
    let half = by_the_book()[..50].to_vec();
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        (
            "it is full",
            pdu(3, &[0, 2, 3, 2]),
            "for now: it has too many associations (2/3/2)",
            "closed",
        ),
        (
            "it does not know us",
            pdu(3, &[0, 1, 1, 3]),
            "for good: it does not know our AE title",
            "closed",
        ),
        (
            "it has another title",
            pdu(3, &[0, 1, 1, 7]),
            "for good: it has not the AE title",
            "closed",
        ),
        ("a reason of its own", pdu(3, &[0, 9, 9, 9]), "for good: it gives no reason", "closed"),
        ("it aborts", pdu(7, &[0; 4]), "aborted the association request", "closed"),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "no PDU of DICOM", "ABORT 2/1"),
        (
            "it answers with data",
            p_data(&[Told::echo().value(1)]),
            "no answer to the association request",
            "ABORT 2/2",
        ),
        ("its items do not add up", pdu(2, &[0; 70]), "do not add up", "ABORT 2/6"),
        ("it is too short", pdu(2, &[0; 60]), "too short", "ABORT 2/6"),
        (
            "it takes no data",
            acceptance(&[], &user_information(8, &[])),
            "no room for data",
            "ABORT 2/6",
        ),
        ("length FFFFFFFF", vec![2, 0, 0xFF, 0xFF, 0xFF, 0xFF], "is not allowed", "ABORT 2/6"),
        ("silence", vec![], "silent for 400ms", "ABORT 0/0"),
        ("half an answer", half, "silent for 400ms", "ABORT 0/0"),
    ];
    for (says, answer, expected, heard) in cases {
        let (port, peer) = acceptor(vec![answer]).await;
        let error = asked(&hasty(port)).await.err().expect(says).to_string();
        assert!(error.contains(expected), "{says}: {error}");
        assert_eq!(peer.await.expect("no panic"), ["A-ASSOCIATE-RQ", heard], "{says}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_and_a_wrong_number_of_contexts_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    assert!(matches!(asked(&hasty(port)).await.err(), Some(RequestError::Connect { .. })));
    let many = vec![proposed(CT, &[EXPLICIT]); 129];
    for contexts in [&many[..], &[]] {
        let error = Association::request(&hasty(port), contexts).await.err();
        assert!(matches!(error, Some(RequestError::Contexts(_))));
    }
}

#[tokio::test]
async fn contexts_are_taken_as_they_are_answered_and_nothing_is_guessed() {
    type Answers = &'static [(u8, u8, &'static str)];
    let check = async |answers: Answers, ct: &[&str], refusals: [Option<&str>; 2]| {
        let (port, peer) = acceptor(vec![acceptance(answers, &[])]).await;
        let association = asked(&hasty(port)).await.expect("accepted");
        let accepted: Vec<String> =
            association.accepted(&uid(CT)).map(ToString::to_string).collect();
        assert_eq!(accepted, ct, "{answers:?}");
        assert_eq!([association.refusal(&uid(CT)), association.refusal(&uid("1.2.3"))], refusals);
        association.abort().await;
        assert_eq!(peer.await.expect("no panic")[1], "ABORT 0/0");
    };
    check(
        &[(1, 0, EXPLICIT), (3, 3, "")],
        &[EXPLICIT],
        [None, Some("SOP class not supported (3)")],
    )
    .await;
    check(&[(1, 0, "1.2.840.10008.1.2\0 ")], &[IMPLICIT], [None, Some("not answered")]).await;
    let not_proposed = Some("accepted with a transfer syntax that was not proposed");
    check(
        &[(1, 0, "1.2.840.10008.1.2.2"), (3, 4, EXPLICIT)],
        &[],
        [not_proposed, Some("transfer syntaxes not supported (4)")],
    )
    .await;
    check(&[(9, 0, EXPLICIT)], &[], [Some("not answered"), Some("not answered")]).await;
}

/// A C-STORE-RSP to `message`.
fn stored(message: u16, status: u16) -> Vec<u8> {
    let elements = [
        element(0x0002, CT.as_bytes()),
        element(0x0100, &0x8001u16.to_le_bytes()),
        element(0x0120, &message.to_le_bytes()),
        element(0x0800, &0x0101u16.to_le_bytes()),
        element(0x0900, &status.to_le_bytes()),
    ];
    p_data(&[value(1, 3, &elements.concat())])
}

#[tokio::test]
async fn an_answer_to_a_store_request_counts_only_when_it_is_one() {
    type Check = fn(Result<u16, AssociationError>) -> bool;
    let cases: Vec<(&str, Vec<u8>, Check, &str)> = vec![
        ("stored", stored(1, 0), |r| r.is_ok_and(|status| status == 0), "closed"),
        ("a warning", stored(1, 0xB007), |r| r.is_ok_and(|status| status == 0xB007), "closed"),
        (
            "another message",
            stored(2, 0),
            |r| matches!(r, Err(AssociationError::Protocol(_))),
            "ABORT 2/2",
        ),
        (
            "an echo's answer",
            p_data(&[Told { field: 0x8030, ..Told::echo() }.value(1)]),
            |r| matches!(r, Err(AssociationError::Protocol(_))),
            "ABORT 2/2",
        ),
        (
            "a context that was refused",
            {
                let mut rsp = stored(1, 0);
                rsp[10] = 3;
                rsp
            },
            |r| matches!(r, Err(AssociationError::Protocol(_))),
            "ABORT 2/6",
        ),
        ("an abort", pdu(7, &[0; 4]), |r| matches!(r, Err(AssociationError::Aborted(_))), "closed"),
        ("a release", pdu(5, &[0; 4]), |r| matches!(r, Err(AssociationError::Released)), "RP"),
        (
            "a release that answers nothing",
            pdu(6, &[0; 4]),
            |r| matches!(r, Err(AssociationError::Protocol(_))),
            "ABORT 2/2",
        ),
        (
            "a rejection, too late",
            pdu(3, &[0, 1, 1, 1]),
            |r| matches!(r, Err(AssociationError::Protocol(_))),
            "ABORT 2/2",
        ),
        ("silence", vec![], |r| matches!(r, Err(AssociationError::Late(_))), "ABORT 2/0"),
        ("half a PDU", vec![4, 0, 0], |r| matches!(r, Err(AssociationError::Late(_))), "ABORT 2/0"),
    ];
    for (says, answer, is_right, heard) in cases {
        let (port, peer) = acceptor(vec![by_the_book(), vec![], answer]).await;
        let mut association = asked(&hasty(port)).await.expect("accepted");
        let data_set = Bytes::from_static(b"abcdef");
        let stored = association.store(&uid(CT), &uid("1.2.3"), &uid(EXPLICIT), data_set).await;
        assert!(is_right(stored.map(|response| response.status)), "{says}");
        drop(association);
        let all = peer.await.expect("no panic");
        assert_eq!(all[1..], ["P-DATA", "P-DATA", heard], "{says}");
    }
}

/// A peer that has aborted reads no more, and need not close (Sta13): the object must not be
/// pushed at it until a time-out.
#[tokio::test]
async fn an_abort_in_the_middle_of_a_large_object_is_heard_at_once() {
    for closes in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let peer = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut wire = Wire { stream };
            assert_eq!(wire.heard().await, "A-ASSOCIATE-RQ");
            wire.send(&by_the_book()).await;
            assert_eq!(wire.heard().await, "P-DATA");
            wire.send(&pdu(7, &[0, 0, 2, 0])).await;
            (!closes).then_some(wire)
        });
        let mut association = asked(&target(port, "SCANNER")).await.expect("accepted");
        let data_set = Bytes::from(vec![0; 64 << 20]);
        let (sop_class, syntax, instance) = (uid(CT), uid(EXPLICIT), uid("1.2.3"));
        let storing = association.store(&sop_class, &instance, &syntax, data_set);
        let stored = timeout(Duration::from_secs(10), storing).await.expect("at once");
        assert!(matches!(stored, Err(AssociationError::Aborted(_))), "{stored:?}");
        drop(peer.await.expect("no panic"));
    }
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up_after_the_dimse_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let peer = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut wire = Wire { stream };
        assert_eq!(wire.heard().await, "A-ASSOCIATE-RQ");
        wire.send(&by_the_book()).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    });
    let mut association = asked(&hasty(port)).await.expect("accepted");
    let data_set = Bytes::from(vec![0; 64 << 20]);
    let stored = association.store(&uid(CT), &uid("1.2.3"), &uid(EXPLICIT), data_set).await;
    let error = stored.expect_err("it cannot be stored");
    assert!(error.to_string().contains("took nothing for 400ms"), "{error}");
    peer.abort();
}

/// Each of its bytes comes well within the time that a pause may last.
#[tokio::test]
async fn a_peer_that_goes_on_saying_nothing_has_not_answered() {
    let dribbles: [(&str, Vec<u8>); 2] =
        [("empty values", p_data(&[value(1, 1, &[])])), ("nothing to an object", vec![])];
    for (says, dribble) in dribbles {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let takes = !dribble.is_empty();
        let peer = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut wire = Wire { stream };
            wire.heard().await;
            wire.send(&by_the_book()).await;
            if takes {
                assert_eq!(wire.heard().await, "P-DATA");
            }
            // One byte of a PDU that never ends, or values without end.
            let piece = if takes { dribble } else { vec![4] };
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &piece).await.is_err() {
                    return;
                }
            }
        });
        let mut association = asked(&hasty(port)).await.expect("accepted");
        let data_set = Bytes::from(vec![0; if takes { 10 } else { 64 << 20 }]);
        let (sop_class, syntax, instance) = (uid(CT), uid(EXPLICIT), uid("1.2.3"));
        let storing = association.store(&sop_class, &instance, &syntax, data_set);
        let stored = timeout(Duration::from_secs(5), storing).await;
        let error = stored.unwrap_or_else(|_| panic!("{says} keeps it waiting")).expect_err(says);
        assert!(error.to_string().contains("400ms"), "{says}: {error}");
        peer.abort();
    }
}

/// PS3.8 9.2.2.2: on a collision the requestor answers first, then waits for its own answer.
#[tokio::test]
async fn two_releases_that_cross_are_both_answered() {
    let (port, peer) = acceptor(vec![by_the_book(), pdu(5, &[0; 4]), pdu(6, &[0; 4])]).await;
    let association = asked(&target(port, "SCANNER")).await.expect("accepted");
    association.release().await;
    let heard = peer.await.expect("no panic");
    assert_eq!(heard, ["A-ASSOCIATE-RQ", "RQ", "RP", "closed"]);
}

#[tokio::test]
async fn another_server_is_asked_when_one_has_no_room_and_not_when_one_says_no_for_good() {
    let full = || pdu(3, &[0, 2, 3, 2]);
    let two = |first: u16, second: u16| {
        let servers = [first, second].map(|port| vec![([127, 0, 0, 1], port).into()]);
        Target { servers: servers.into(), ..hasty(first) }
    };
    let (first, _first) = acceptor(vec![full()]).await;
    let (second, _second) = acceptor(vec![by_the_book()]).await;
    let association = asked(&two(first, second)).await.expect("the second has room");
    association.abort().await;

    let (first, _first) = acceptor(vec![full()]).await;
    let (second, _second) = acceptor(vec![full()]).await;
    let said = asked(&two(first, second)).await.err();
    assert!(matches!(said, Some(RequestError::RejectedTransient(_))), "{said:?}");

    let (first, _first) = acceptor(vec![pdu(3, &[0, 1, 1, 3])]).await;
    let (second, second_heard) = acceptor(vec![by_the_book()]).await;
    let said = asked(&two(first, second)).await.err();
    assert!(matches!(said, Some(RequestError::RejectedPermanent(_))), "{said:?}");
    assert!(!second_heard.is_finished(), "nobody called it");
}
