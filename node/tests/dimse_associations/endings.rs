//! What the service is told when an association is over: who ended it and how, however it came about.

use crate::kit::{
    CT, EXPLICIT, FATAL, IMPLICIT, MR, Node, Station, VERIFICATION, how, options, uid,
};
use crate::wire::{Asked, Told, Wire, context, p_data, pdu, release, value};
use gantry::dimse::acceptor::{AcceptorOptions, Ended, Timers};
use gantry::dimse::pace::Slowest;
use gantry::dimse::record::{End, Record, Side};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn contexts() -> Vec<Vec<u8>> {
    vec![
        context(1, CT, &[EXPLICIT, IMPLICIT]),
        context(3, "1.2.3.4.5", &[EXPLICIT]),
        context(5, VERIFICATION, &[IMPLICIT]),
    ]
}

async fn associated(node: &Node) -> Wire {
    let mut wire = Wire::connect(node.port).await;
    wire.send(&Asked::new(contexts()).bytes()).await;
    assert_eq!(wire.heard().await, "AC");
    wire
}

fn side(record: &Record) -> Option<Side> {
    match record.end {
        End::BrokenOff { by, .. } => Some(by),
        _ => None,
    }
}

#[tokio::test]
async fn a_released_association_is_told_with_what_was_offered_taken_and_stored() {
    let node = Node::start().await;
    let mut wire = associated(&node).await;
    let stored = |instance| {
        p_data(&[Told::store(CT, instance).value(1), value(1, 0, b"abc"), value(1, 2, b"d")])
    };
    wire.send(&stored("1.2.3")).await;
    assert_eq!(wire.heard().await, "0000");
    wire.send(&stored("not a UID")).await;
    assert_eq!(wire.heard().await, "0117");
    wire.send(&p_data(&[Told::echo().value(5)])).await;
    assert_eq!(wire.heard().await, "0000");
    wire.send(&release()).await;
    assert_eq!(wire.heard().await, "RP");
    let record = node.station.released().await;
    assert_eq!((&*record.calling, &*record.called), ("PROBE", "NODE"));
    assert_eq!(record.implementation, "1.2.3.4");
    assert_eq!((record.stored.objects, record.stored.bytes), (2, 4));
    assert_eq!(record.stored.statuses.into_iter().collect::<Vec<_>>(), [(0, 1), (0x0117, 1)]);
    let answers: Vec<_> = record.contexts.iter().map(|c| c.answer.clone()).collect();
    let not_supported = "SOP class not supported (3)";
    let expected = [Ok(EXPLICIT.into()), Err(not_supported), Ok(IMPLICIT.into())];
    assert_eq!(answers, expected.map(Some));
    assert_eq!(record.contexts[0].offered, [EXPLICIT, IMPLICIT]);
    assert_eq!(record.end.kind(), "released");
}

/// Whoever relies on `ended` hears it once for each `opened`.
#[tokio::test(flavor = "multi_thread")]
async fn each_end_is_told_once_with_who_ended_it_and_why() {
    let timers = Timers { idle: Duration::from_millis(300), ..Timers::default() };
    let node = Node::with(Station::new(), AcceptorOptions { timers, ..options() }).await;
    let fatal = p_data(&[Told::store(CT, FATAL).value(1), value(1, 2, b"ab")]);
    let cases: [(&str, Vec<u8>, Option<Side>, &str); 6] = [
        ("it releases", release(), None, "released"),
        ("it aborts", pdu(7, &[0, 0, 0, 0]), Some(Side::Peer), "(0/0)"),
        ("its stack aborts", pdu(7, &[0, 0, 2, 5]), Some(Side::Peer), "(2/5)"),
        ("it breaks the rules", pdu(6, &[0; 4]), Some(Side::Node), "(A-ABORT 2/2)"),
        ("it falls silent", vec![], Some(Side::Node), "silent for 300ms (A-ABORT 2/0)"),
        ("the station falls over", fatal, Some(Side::Node), "cut off"),
    ];
    let count = cases.len() + 1;
    for (says, sent, by, words) in cases {
        let mut wire = associated(&node).await;
        wire.send(&sent).await;
        let record = match by {
            None => node.station.released().await,
            Some(_) => node.station.refused().await,
        };
        assert_eq!(side(&record), by, "{says}");
        assert!(how(&record).contains(words), "{says}: {}", how(&record));
    }
    drop(associated(&node).await);
    let record = node.station.refused().await;
    assert_eq!(side(&record), Some(Side::Network));
    assert_eq!(record.end.kind(), "connection lost");
    let ended = node.station.until(|seen| {
        (seen.opened == count && seen.ended.len() == count).then(|| seen.ended.clone())
    });
    let ended = ended.await;
    assert_eq!(ended.iter().filter(|how| **how == Ended::Released).count(), 1);
    assert!(ended.contains(&Ended::BrokenOff));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_association_that_is_cut_off_when_the_node_stops_is_told_too() {
    let timers = Timers { progress: Duration::from_millis(300), ..Timers::default() };
    let node = Node::with(Station::new(), AcceptorOptions { timers, ..options() }).await;
    let mut wire = associated(&node).await;
    wire.send(&p_data(&[Told::store(CT, "1.2.3").value(1), value(1, 0, b"abc")])).await;
    node.station.until(|seen| (seen.begun == 1).then_some(())).await;
    node.stop.cancel();
    let record = node.station.refused().await;
    assert!(how(&record).contains("cut off"), "{}", how(&record));
    assert_eq!(node.station.until(|seen| seen.ended.pop()).await, Ended::BrokenOff);
}

#[tokio::test]
async fn a_refusal_is_told_with_what_was_offered() {
    let node = Node::start().await;
    let mut asked = Asked::new(contexts());
    asked.called = b"ELSEWHERE       ";
    let mut wire = Wire::connect(node.port).await;
    wire.send(&asked.bytes()).await;
    assert_eq!(wire.heard().await, "RJ 1/1/7");
    let record = node.station.refused().await;
    assert_eq!(record.end.kind(), "refused 1/1/7");
    let offered: Vec<&str> = record.contexts.iter().map(|c| c.sop_class.as_str()).collect();
    assert_eq!(offered, [CT, "1.2.3.4.5", VERIFICATION]);
    assert!(record.contexts.iter().all(|context| context.answer.is_none()));
    node.station.until(|seen| (seen.opened == 0).then_some(())).await;
}

#[tokio::test]
async fn of_a_request_that_offers_far_too_much_little_is_told_and_the_reason_is() {
    let node = Node::start().await;
    let told = async |syntaxes: usize| {
        let numbers = (0..=255).filter(|number| number % 2 == 1);
        let contexts = numbers.map(|number| context(number, "1.2.3", &vec!["1"; syntaxes]));
        let mut asked = Asked::new(contexts.collect());
        asked.called = b"ELSEWHERE       ";
        let mut wire = Wire::connect(node.port).await;
        wire.send(&asked.bytes()).await;
        node.station.refused().await
    };
    let record = told(96).await;
    assert_eq!(record.end.kind(), "refused 1/1/7");
    assert_eq!(record.contexts.len(), 128);
    assert!(record.contexts.iter().all(|context| context.offered.len() == 12));
    let record = told(97).await;
    assert!(how(&record).contains("more transfer syntaxes than there are"), "{}", how(&record));
    assert!(how(&record).contains("(A-ABORT 2/6)"), "{}", how(&record));
}

/// A refusal that passes ends when its cause does, and C-ECHO is answered all the while.
#[tokio::test]
async fn a_node_without_room_sends_scanners_away_for_now_and_still_answers_echo() {
    let node = Node::start().await;
    node.station.full.store(true, Ordering::SeqCst);
    let mut wire = Wire::connect(node.port).await;
    wire.send(&Asked::new(contexts()).bytes()).await;
    assert_eq!(wire.heard().await, "RJ 2/3/1");
    node.answers_echo().await;
    node.station.full.store(false, Ordering::SeqCst);
    associated(&node).await;
}

/// Each byte comes within the time that a pause may last.
#[tokio::test]
async fn a_sender_that_dribbles_loses_its_place_and_one_that_is_only_slow_keeps_it() {
    let slowest = Slowest { bytes_per_second: 200, window: Duration::from_millis(1500) };
    let node = Node::with(Station::new(), AcceptorOptions { slowest, ..options() }).await;
    let data = value(1, 0, &[7; 4000]);
    let object = [p_data(&[Told::store(CT, "1.2.3").value(1)]), p_data(&[data])].concat();

    let mut dribbling = associated(&node).await;
    let heard = {
        let (mut reader, mut writer) = dribbling.stream.split();
        let mut bytes = object.chunks(1);
        let mut head = [0; 10];
        let mut answer =
            std::pin::pin!(tokio::io::AsyncReadExt::read_exact(&mut reader, &mut head));
        loop {
            tokio::select! {
                read = &mut answer => break read.map(|_| ()),
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    let byte = bytes.next().expect("it is cut off before the object is in");
                    let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, byte).await;
                }
            }
        }
        .map(|()| head)
    };
    assert_eq!(heard.expect("an A-ABORT"), [7, 0, 0, 0, 0, 4, 0, 0, 2, 0]);
    let record = node.station.refused().await;
    assert!(how(&record).contains("too slowly"), "{}", how(&record));

    // Much faster than it must be, with pauses that fill whole windows between its messages.
    let mut slow = associated(&node).await;
    let whole = [object, p_data(&[value(1, 2, b"end")])].concat();
    for piece in whole.chunks(1000) {
        slow.send(piece).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(slow.heard().await, "0000");
    tokio::time::sleep(Duration::from_millis(1700)).await;
    slow.send(&p_data(&[Told::echo().value(5)])).await;
    assert_eq!(slow.heard().await, "0000");
}

/// AA-7: the association is over, and there will be no other one on this connection.
#[tokio::test]
async fn a_second_request_behind_the_end_of_an_association_is_aborted() {
    let node = Node::start().await;
    let asked = Asked::new(contexts()).bytes();
    for (first, heard) in [(release(), "RP"), (vec![], "RJ 1/1/7")] {
        let mut wire = match heard {
            "RP" => associated(&node).await,
            _ => {
                let mut wire = Wire::connect(node.port).await;
                let mut elsewhere = Asked::new(contexts());
                elsewhere.called = b"ELSEWHERE       ";
                wire.send(&elsewhere.bytes()).await;
                wire
            }
        };
        wire.send(&first).await;
        assert_eq!(wire.heard().await, heard);
        wire.send(&asked).await;
        assert_eq!(wire.heard().await, "ABORT 2/2");
        assert_eq!(wire.heard().await, "closed");
    }
}

#[tokio::test]
async fn a_scanner_that_gives_every_message_the_same_number_is_answered_every_time() {
    let node = Node::start().await;
    let mut wire = associated(&node).await;
    let mr = p_data(&[Told::store(MR, "1.2.3").value(1), value(1, 2, b"ab")]);
    for instance in ["1.2.3.1", "1.2.3.2", "1.2.3.3"] {
        let store = p_data(&[Told::store(CT, instance).value(1), value(1, 2, b"ab")]);
        // Both at once: the second is read when the first has been answered.
        wire.send(&[store, mr.clone()].concat()).await;
        assert_eq!(wire.heard().await, "0000");
        assert_eq!(wire.heard().await, "0212");
        assert_eq!(node.station.kept().await.request.sop_instance, uid(instance));
    }
}
