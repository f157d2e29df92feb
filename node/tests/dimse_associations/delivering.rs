//! A whole node and the PACS that it forwards to: what a stop waits for, and what is kept of the PACS' words.

use crate::gantry::Gantry;
use crate::kit::{CT, EXPLICIT, Node, Station, options, uid};
use bytes::Bytes;
use gantry::dimse::requestor::{Association, Proposed, Target};
use gantry_store::outbox::{DeliveryRow, DeliveryState};
use gantry_terms::ae_title::AeTitle;
use std::time::{Duration, Instant};

const SERIES: &str = "1.2.826.1.1";
const RULE: &str = "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
                    [rule.then]\nforward = [\"NODE\"]\n";

fn instance(number: usize) -> String {
    format!("1.2.826.1.1.{}", number + 1)
}

fn image(number: usize) -> Vec<u8> {
    let element = |group: u8, element: u8, vr: &str, value: &str| {
        let pad = if vr == "UI" { "\0" } else { " " };
        let value = [value, &pad[..value.len() % 2]].concat();
        [&[group, 0, element, 0], vr.as_bytes(), &[value.len() as u8, 0], value.as_bytes()].concat()
    };
    [
        element(0x08, 0x16, "UI", CT),
        element(0x08, 0x18, "UI", &instance(number)),
        element(0x08, 0x60, "CS", "CT"),
        element(0x20, 0x0D, "UI", "1.2.826.1"),
        element(0x20, 0x0E, "UI", SERIES),
    ]
    .concat()
}

/// A node that forwards what CT1 sends to this PACS.
async fn forwarding(pacs: &Node) -> Gantry {
    let further = format!(
        "[complete]\nquiet-seconds = 0.2\nafter-release-seconds = 0.1\nshortest-seconds = 0.1\n\
         [[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"NODE\"\naddress = \"127.0.0.1:{}\"\n",
        pacs.port
    );
    Gantry::start_with(&further, RULE).await
}

async fn send(node: &Gantry, images: usize) {
    let title = |text| AeTitle::parse(text).expect("a title");
    let called = title("GANTRY");
    let target = Target { called, calling: title("CT1"), ..crate::kit::target(node.port, "CT1") };
    let proposed = [Proposed { sop_class: uid(CT), transfer_syntaxes: vec![uid(EXPLICIT)] }];
    let mut association = Association::request(&target, &proposed).await.expect("accepted");
    for number in 0..images {
        let (sop_instance, data_set) = (uid(&instance(number)), Bytes::from(image(number)));
        let stored = association.store(&uid(CT), &sop_instance, &uid(EXPLICIT), data_set).await;
        assert_eq!(stored.expect("an answer").status, 0);
    }
    association.release().await;
}

async fn deliveries(node: &Gantry, fits: impl Fn(&DeliveryRow) -> bool) -> Vec<DeliveryRow> {
    let mut bell = node.node.store.bell();
    let waiting = async {
        loop {
            bell.borrow_and_update();
            let rows = node.node.store.deliveries(&uid(SERIES)).await.expect("asked");
            if !rows.is_empty() && rows.iter().all(&fits) {
                return rows;
            }
            bell.changed().await.expect("the store lives");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes about")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_object_that_is_on_its_way_and_for_no_other() {
    let pacs = Node::start().await;
    pacs.station.gate.send_replace(false);
    let node = forwarding(&pacs).await;
    send(&node, 5).await;
    pacs.station.until(|seen| (seen.begun == 1).then_some(())).await;
    let begun = Instant::now();
    let stopping = tokio::spawn(node.stop());
    // Once it answers, the PACS would take the other four, too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    pacs.station.gate.send_replace(true);
    stopping.await.expect("no panic");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let seen = pacs.station.seen.lock().expect("no panic");
    assert_eq!((seen.begun, seen.kept.len()), (1, 1));
}

/// Some write the patient's name there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_pacs_comments_on_its_refusal_is_kept_nowhere() {
    let mut station = Station::new();
    station.refuses_with = Some(0xC123);
    let pacs = Node::with(station, options()).await;
    let node = forwarding(&pacs).await;
    send(&node, 1).await;
    let rows = deliveries(&node, |row| row.state == DeliveryState::Parked).await;
    let reason = rows[0].reason.as_deref().expect("a reason");
    assert_eq!(reason, "C123: the peer cannot understand it");
    node.stop().await;
}
