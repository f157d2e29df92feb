//! How many may call at a time, and what happens to them when the node stops.

use crate::kit::{
    CT, EXPLICIT, IMPLICIT, Node, Station, VERIFICATION, how, options, proposed, target, uid,
};
use crate::wire::{Asked, Told, Wire, context, p_data, value};
use bytes::Bytes;
use gantry::dimse::acceptor::{AcceptorOptions, Timers};
use gantry::dimse::requestor::{Association, RequestError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn who_is_one_too_many_is_told_to_come_back_and_gets_the_next_free_place() {
    let options = AcceptorOptions { maximum_associations: 2, ..options() };
    let node = Node::with(Station::new(), options).await;
    // Whoever says nothing takes no place.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Wire::connect(node.port).await);
    }
    let first = node.associate(CT, &[EXPLICIT]).await;
    let second = node.associate(CT, &[EXPLICIT]).await;
    let contexts = [proposed(CT, &[EXPLICIT])];
    match Association::request(&node.target(), &contexts).await {
        Err(RequestError::RejectedTransient(rejection)) => {
            assert_eq!((rejection.result, rejection.source, rejection.reason), (2, 3, 2));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a third association was accepted"),
    }
    first.release().await;
    let third = retried(&node).await;
    third.abort().await;
    let fourth = retried(&node).await;
    fourth.release().await;
    second.release().await;
}

/// A place is free a moment after the release was answered.
async fn retried(node: &Node) -> Association {
    let contexts = [proposed(CT, &[EXPLICIT])];
    let trying = async {
        loop {
            match Association::request(&node.target(), &contexts).await {
                Ok(association) => return association,
                Err(RequestError::RejectedTransient(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    timeout(SOON, trying).await.expect("the place becomes free")
}

#[tokio::test]
async fn a_peer_has_its_own_limit_and_leaves_the_other_places_to_the_others() {
    let mut station = Station::new();
    station.terms.maximum_associations = 1;
    let node = Node::with(station, options()).await;
    let contexts = [proposed(CT, &[EXPLICIT])];
    let first = node.associate(CT, &[EXPLICIT]).await;
    match Association::request(&node.target(), &contexts).await {
        Err(RequestError::RejectedTransient(rejection)) => {
            assert_eq!((rejection.result, rejection.source, rejection.reason), (2, 3, 2));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a second association of one peer was accepted"),
    }
    let told = node.station.refused().await;
    assert!(how(&told).contains("of this peer"), "{}", how(&told));
    let other = Association::request(&target(node.port, "OTHER"), &contexts).await;
    other.expect("it has a place of its own").release().await;
    first.release().await;
    retried(&node).await.release().await;
}

#[tokio::test]
async fn one_address_cannot_take_every_place_where_connections_wait() {
    let node =
        Node::with(Station::new(), AcceptorOptions { maximum_waiting_per_address: 3, ..options() })
            .await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(Wire::connect_from([127, 0, 0, 2], node.port).await);
    }
    assert_eq!(Wire::connect_from([127, 0, 0, 2], node.port).await.heard().await, "closed");
    let told = node.station.refused().await;
    assert!(how(&told).contains("too many from this address"), "{}", how(&told));
    // The next door is open, and so is this one when somebody has gone.
    node.answers_echo().await;
    crowd.pop();
    let mut again = loop {
        let mut wire = Wire::connect_from([127, 0, 0, 2], node.port).await;
        wire.send(&Asked::new(vec![context(1, VERIFICATION, &[IMPLICIT])]).bytes()).await;
        match wire.heard().await.as_str() {
            "AC" => break wire,
            other => assert_eq!(other, "closed"),
        }
    };
    again.send(&crate::wire::release()).await;
    assert_eq!(again.heard().await, "RP");
}

/// 256 more than may have an association.
#[tokio::test]
async fn connections_beyond_the_last_place_are_closed_at_once_and_the_others_are_served() {
    let options =
        AcceptorOptions { maximum_associations: 2, maximum_waiting_per_address: 100, ..options() };
    let node = Node::with(Station::new(), options).await;
    let association = node.associate(CT, &[EXPLICIT]).await;
    let mut crowd = Vec::new();
    for number in 0..258u16 {
        crowd.push(Wire::connect_from([127, 0, 1, (number / 100) as u8 + 1], node.port).await);
    }
    assert_eq!(Wire::connect_from([127, 0, 2, 1], node.port).await.heard().await, "closed");
    let told = node.station.refused().await;
    assert!(how(&told).contains("too many of all"), "{}", how(&told));
    // Whoever has an association does not notice, and whoever waits can still have one.
    let mut last = crowd.pop().expect("258 of them");
    last.send(&Asked::new(vec![context(1, VERIFICATION, &[IMPLICIT])]).bytes()).await;
    assert_eq!(last.heard().await, "AC");
    association.release().await;
}

#[tokio::test]
async fn a_rejection_says_whether_it_passes_and_who_must_act() {
    let node = Node::start().await;
    let contexts = [proposed(CT, &[EXPLICIT])];
    let error = async |calling: &str| {
        Association::request(&target(node.port, calling), &contexts).await.err().expect("refused")
    };
    let stranger = error("STRANGER").await;
    assert!(matches!(stranger, RequestError::RejectedPermanent(_)));
    assert!(stranger.to_string().contains("its admin must enter it there (1/1/3)"), "{stranger}");
    let unlucky = error("UNLUCKY").await;
    assert!(matches!(unlucky, RequestError::RejectedTransient(_)));
    assert!(unlucky.to_string().contains("congested (2/3/1)"), "{unlucky}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_finishes_the_object_in_hand_and_sends_the_idle_away() {
    let node = Node::start().await;
    node.station.gate.send_replace(false);
    let mut idle = Wire::connect(node.port).await;
    idle.send(&Asked::new(vec![context(1, VERIFICATION, &[IMPLICIT])]).bytes()).await;
    assert_eq!(idle.heard().await, "AC");
    let mut silent = Wire::connect(node.port).await;
    let mut association = node.associate(CT, &[EXPLICIT]).await;
    let storing = tokio::spawn(async move {
        let data_set = Bytes::from_static(b"abcdef");
        association.store(&uid(CT), &uid("1.2.3"), &uid(EXPLICIT), data_set).await
    });
    node.station.until(|seen| (seen.begun == 1).then_some(())).await;
    node.stop.cancel();
    assert_eq!(idle.heard().await, "ABORT 0/0");
    assert_eq!(silent.heard().await, "closed");
    node.station.gate.send_replace(true);
    let answer = timeout(SOON, storing).await.expect("in time").expect("no panic");
    assert_eq!(answer.expect("an answer").status, 0);
    timeout(SOON, node.task).await.expect("it ends soon").expect("no panic");
    assert!(TcpStream::connect(("127.0.0.1", node.port)).await.is_err(), "nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_a_node_stops_is_told_to_come_back_and_does_not_keep_it_up() {
    let node = Node::start().await;
    node.station.gate.send_replace(false);
    let mut association = node.associate(CT, &[EXPLICIT]).await;
    let storing = tokio::spawn(async move {
        let data_set = Bytes::from_static(b"abcdef");
        association.store(&uid(CT), &uid("1.2.3"), &uid(EXPLICIT), data_set).await
    });
    node.station.until(|seen| (seen.begun == 1).then_some(())).await;
    node.stop.cancel();
    let asked = Asked::new(vec![context(1, VERIFICATION, &[IMPLICIT])]).bytes();
    for _ in 0..3 {
        let mut late = Wire::connect(node.port).await;
        late.send(&asked).await;
        assert_eq!(late.heard().await, "RJ 2/3/2");
    }
    let told = node.station.refused().await;
    assert_eq!(told.end.kind(), "refused 2/3/2");
    let mut silent = Wire::connect(node.port).await;
    assert_eq!(silent.heard().await, "closed");
    let _silent = Wire::connect(node.port).await;
    node.station.gate.send_replace(true);
    let answer = timeout(SOON, storing).await.expect("in time").expect("no panic");
    assert_eq!(answer.expect("an answer").status, 0);
    timeout(SOON, node.task).await.expect("it ends soon").expect("no panic");
    assert!(TcpStream::connect(("127.0.0.1", node.port)).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_node_that_stops_does_not_wait_for_ever_for_an_object() {
    let timers = Timers { progress: Duration::from_millis(500), ..Timers::default() };
    let node = Node::with(Station::new(), AcceptorOptions { timers, ..options() }).await;
    let mut wire = Wire::connect(node.port).await;
    wire.send(&Asked::new(vec![context(1, CT, &[EXPLICIT])]).bytes()).await;
    assert_eq!(wire.heard().await, "AC");
    wire.send(&p_data(&[Told::store(CT, "1.2.3").value(1), value(1, 0, b"abc")])).await;
    node.station.until(|seen| (seen.begun == 1).then_some(())).await;
    let begun = Instant::now();
    node.stop.cancel();
    timeout(SOON, node.task).await.expect("it ends").expect("no panic");
    assert!(begun.elapsed() >= Duration::from_millis(480));
    assert_eq!(wire.heard().await, "closed");
    assert!(node.station.seen.lock().expect("no panic").kept.is_empty());
}
