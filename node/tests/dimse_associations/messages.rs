//! C-STORE and C-ECHO message by message: statuses, fragments, and what becomes of an object that is cut off.

use crate::kit::{
    CT, EXPLICIT, IMPLICIT, MR, Node, Station, VERIFICATION, examples, how, options, proposed, uid,
};
use crate::wire::{Asked, Told, Wire, context, p_data, pdu, value};
use bytes::Bytes;
use gantry::dimse::acceptor::AcceptorOptions;
use gantry::dimse::association::AssociationError;
use gantry::dimse::requestor::Association;

const INSTANCE: &str = "1.2.3.4.5";

async fn associated(node: &Node) -> Wire {
    let mut wire = Wire::connect(node.port).await;
    let contexts = vec![
        context(1, CT, &[EXPLICIT]),
        context(3, MR, &[IMPLICIT]),
        context(5, VERIFICATION, &[IMPLICIT]),
    ];
    wire.send(&Asked::new(contexts).bytes()).await;
    assert_eq!(wire.heard().await, "AC");
    wire
}

/// A refused C-STORE does not end the association: the scanner goes on with its next image.
#[tokio::test]
async fn a_store_request_that_cannot_be_served_gets_its_status_and_the_next_one_is_served() {
    let node = Node::start().await;
    let mut wire = associated(&node).await;
    let good = || Told::store(CT, INSTANCE);
    let data = |context| value(context, 2, b"data set");
    let check = async |wire: &mut Wire, told: Told, context: u8, expected: &str| {
        let mut values = vec![told.value(context)];
        if told.data_set_type != 0x0101 {
            values.push(data(context));
        }
        wire.send(&p_data(&values)).await;
        let says = (told.field, told.class, told.instance, context);
        assert_eq!(wire.heard().await, expected, "{says:?}");
    };
    check(&mut wire, good(), 1, "0000").await;
    check(&mut wire, Told { instance: None, ..good() }, 1, "0117").await;
    check(&mut wire, Told { instance: Some("1.2.03"), ..good() }, 1, "0117").await;
    check(&mut wire, Told { instance: Some("../../etc/passwd"), ..good() }, 1, "0117").await;
    check(&mut wire, Told { instance: Some(""), ..good() }, 1, "0117").await;
    let too_long = "1.234567890123456789012345678901234567890123456789012345678901234";
    check(&mut wire, Told { instance: Some(too_long), ..good() }, 1, "0117").await;
    check(&mut wire, good(), 3, "0212").await;
    check(&mut wire, good(), 5, "0212").await;
    check(&mut wire, Told { class: None, ..good() }, 1, "0212").await;
    check(&mut wire, Told { class: Some("1.2.x"), ..good() }, 1, "0212").await;
    check(&mut wire, Told { data_set_type: 0x0101, ..good() }, 1, "C000").await;
    check(&mut wire, Told::echo(), 1, "0212").await;
    check(&mut wire, Told::echo(), 5, "0000").await;
    check(&mut wire, good(), 1, "0000").await;
    assert_eq!(node.station.seen.lock().expect("no panic").kept.len(), 2);
}

#[tokio::test]
async fn an_object_is_kept_however_it_is_cut_into_values() {
    let node = Node::start().await;
    let mut wire = associated(&node).await;
    let command = Told::store(CT, INSTANCE).bytes();
    let cuts: [Vec<Vec<Vec<u8>>>; 4] = [
        vec![vec![value(1, 3, &command)], vec![value(1, 2, b"abcdef")]],
        vec![
            vec![value(1, 1, &command[..9]), value(1, 3, &command[9..]), value(1, 0, b"abc")],
            vec![value(1, 2, b"def")],
        ],
        vec![vec![value(1, 3, &command), value(1, 0, b"abcdef")], vec![value(1, 2, b"")]],
        vec![
            vec![value(1, 3, &command)],
            vec![value(1, 0, b""), value(1, 0, b"abcdef"), value(1, 0, b""), value(1, 2, b"")],
        ],
    ];
    for (number, pdus) in cuts.iter().enumerate() {
        for values in pdus {
            wire.send(&p_data(values)).await;
        }
        assert_eq!(wire.heard().await, "0000", "cut {number}");
        let kept = node.station.kept().await;
        assert_eq!(kept.data_set, b"abcdef", "cut {number}");
        assert_eq!(kept.request.sop_instance, uid(INSTANCE));
        assert_eq!(kept.request.transfer_syntax, uid(EXPLICIT));
        assert_eq!(kept.request.message_id, 9);
    }
}

#[tokio::test]
async fn the_move_originator_is_told_when_there_is_one() {
    let node = Node::start().await;
    let mut wire = associated(&node).await;
    let plain = Told::store(CT, INSTANCE).bytes();
    let by_move = [
        &plain[..],
        &crate::wire::element(0x1030, b"WORKSTATION "),
        &crate::wire::element(0x1031, &[5, 0]),
    ]
    .concat();
    for (command, expected) in [(plain, None), (by_move, Some(("WORKSTATION", 5)))] {
        wire.send(&p_data(&[value(1, 3, &command), value(1, 2, b"abcdef")])).await;
        assert_eq!(wire.heard().await, "0000");
        let told = node.station.kept().await.request.move_originator;
        let told = told.map(|originator| (originator.ae_title.to_string(), originator.message_id));
        assert_eq!(told, expected.map(|(title, message)| (title.to_string(), message)));
    }
    wire.send(&crate::wire::release()).await;
    let record = node.station.released().await;
    let row = gantry::ledger::row(&record, "");
    assert_eq!(row.explanation, "released; by a C-MOVE of WORKSTATION");
}

/// The scanner was told nothing, so it sends the object again.
#[tokio::test]
async fn an_object_whose_sender_goes_away_is_dropped_and_the_station_is_told() {
    let node = Node::start().await;
    let begun = || p_data(&[Told::store(CT, INSTANCE).value(1), value(1, 0, b"abc")]);
    let another_message = p_data(&[Told::echo().value(5)]);
    let other_context = p_data(&[value(3, 2, b"def")]);
    let ends: [(&str, Vec<u8>, &str); 5] = [
        ("it aborts", pdu(7, &[0; 4]), "aborted"),
        ("it closes", vec![], "closed"),
        ("it releases", crate::wire::release(), "interrupted"),
        ("it begins another message", another_message, "interrupted"),
        ("it goes on in another context", other_context, "interrupted"),
    ];
    for (says, end, reason) in ends {
        let mut wire = associated(&node).await;
        wire.send(&begun()).await;
        wire.send(&end).await;
        if end.is_empty() {
            drop(wire);
        } else if reason == "interrupted" {
            assert_eq!(wire.heard().await, "ABORT 2/6", "{says}");
        }
        let cut = node.station.until(|seen| seen.cut.pop()).await;
        assert_eq!(cut.sop_instance, uid(INSTANCE), "{says}");
        let told = node.station.refused().await;
        assert!(how(&told).contains(reason), "{says}: {}", how(&told));
    }
    assert!(node.station.seen.lock().expect("no panic").kept.is_empty());
}

/// The answer must not wait for the station to read what it does not want.
#[tokio::test]
async fn a_station_that_refuses_early_answers_and_the_association_goes_on() {
    let mut station = Station::new();
    station.refuses_with = Some(0xA700);
    let node = Node::with(station, options()).await;
    let mut association = node.associate(CT, &[EXPLICIT]).await;
    for _ in 0..3 {
        let data_set = Bytes::from(vec![7; 3 << 20]);
        let answer = association.store(&uid(CT), &uid(INSTANCE), &uid(EXPLICIT), data_set).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 0xA700);
        let comment = answer.comment.expect("a comment");
        assert!(comment.len() <= 64 && !comment.contains(['\\', '\n']), "{comment:?}");
    }
    association.release().await;
}

#[tokio::test]
async fn objects_of_every_syntax_arrive_bit_for_bit() {
    let node = Node::start().await;
    for example in examples() {
        let name = example.path.display();
        let mut association =
            node.associate(example.sop_class.as_str(), &[example.transfer_syntax.as_str()]).await;
        let answer = association
            .store(
                &example.sop_class,
                &example.sop_instance,
                &example.transfer_syntax,
                example.data_set.clone().into(),
            )
            .await;
        assert_eq!(answer.expect("an answer").status, 0, "{name}");
        association.release().await;
        let kept = node.station.kept().await;
        assert!(kept.data_set == example.data_set, "{name}");
        assert_eq!(kept.request.transfer_syntax, example.transfer_syntax, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_come_in_small_pieces_whatever_each_side_takes() {
    let object: Vec<u8> = (0..20_000_003u32).map(|n| (n % 251) as u8).collect();
    for (ours, theirs) in [(131_072, 131_072), (4096, 4096), (4 << 20, 16_384)] {
        let options = AcceptorOptions { maximum_pdu: ours, ..options() };
        let node = Node::with(Station::new(), options).await;
        let mut target = node.target();
        target.maximum_pdu = theirs;
        let mut association =
            Association::request(&target, &[proposed(CT, &[EXPLICIT])]).await.expect("accepted");
        for size in [object.len(), 0, 1, 1 << 20, (1 << 20) + 1] {
            let sent = Bytes::copy_from_slice(&object[..size]);
            let answer = association.store(&uid(CT), &uid(INSTANCE), &uid(EXPLICIT), sent).await;
            assert_eq!(answer.expect("an answer").status, 0, "{size} bytes, {ours}");
            let kept = node.station.kept().await;
            assert!(kept.data_set == object[..size], "{size} bytes, {ours}");
            assert!(kept.longest_chunk <= (ours as usize).min(1 << 20));
        }
        association.release().await;
    }
}

#[tokio::test]
async fn nothing_is_sent_in_a_context_that_was_not_agreed_on() {
    let node = Node::start().await;
    let contexts = [proposed(CT, &[EXPLICIT]), proposed("1.2.3.4", &[EXPLICIT])];
    let mut association = Association::request(&node.target(), &contexts).await.expect("accepted");
    let syntaxes: Vec<_> = association.accepted(&uid(CT)).cloned().collect();
    assert_eq!(syntaxes, [uid(EXPLICIT)]);
    assert_eq!(association.refusal(&uid("1.2.3.4")), Some("SOP class not supported (3)"));
    let answer = association.store(&uid(CT), &uid(INSTANCE), &uid(IMPLICIT), Bytes::new()).await;
    assert!(matches!(answer, Err(AssociationError::NoContext)));
    assert!(matches!(association.echo().await, Err(AssociationError::NoContext)));
    let answer = association.store(&uid(CT), &uid(INSTANCE), &uid(EXPLICIT), Bytes::new()).await;
    assert_eq!(answer.expect("the association still stands").status, 0);
    association.release().await;
}
