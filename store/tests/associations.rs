//! The table of associations tells what became of each, stays bounded, and goes on counting.

mod modality;

use gantry_store::associations::{AssociationRow, Contexts, Outcome, Wanted};
use gantry_store::events::Event;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use modality::store;
use std::collections::BTreeMap;
use tempfile::tempdir;

fn served(calling: &str) -> AssociationRow {
    AssociationRow {
        began: Moment(1),
        ended: Moment(5),
        address: "10.0.0.5:104".into(),
        calling: calling.into(),
        called: "GANTRY".into(),
        implementation: "OFFIS_DCMTK_367".into(),
        contexts: vec![Contexts {
            sop_classes: vec!["1.2.840.10008.5.1.4.1.1.2".into()],
            more: 2,
            offered: vec!["1.2.840.10008.1.2".into()],
            accepted: Some("1.2.840.10008.1.2".into()),
            reason: String::new(),
        }],
        outcome: Outcome::Released,
        kind: "released".into(),
        explanation: "released".into(),
        objects: 3,
        bytes: 1 << 40,
        statuses: BTreeMap::from([("0000".into(), 2), ("A700".into(), 1)]),
    }
}

fn refused(calling: &str) -> AssociationRow {
    let kind = "refused 1/1/3".into();
    AssociationRow { outcome: Outcome::Refused, kind, ..served(calling) }
}

async fn asked(store: &Store, wanted: Wanted) -> Vec<String> {
    let rows = store.associations(&wanted).await.expect("asked");
    rows.into_iter().map(|row| row.calling).collect()
}

#[tokio::test]
async fn what_was_recorded_is_found_again_by_peer_and_by_refusal_newest_first() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let rows = [served("CT1"), refused("CT7"), served("CT2"), refused("CT1")];
    let told = Event {
        station: "receive".into(),
        kind: "association refused".into(),
        subject: None,
        text: "CT7 was refused".into(),
    };
    store.record_associations(&rows, &[told]).await.expect("recorded");
    let limit = 3;
    let newest = store.associations(&Wanted { limit, ..Wanted::default() }).await.expect("asked");
    assert_eq!(newest, [rows[3].clone(), rows[2].clone(), rows[1].clone()]);
    let refused_only = Wanted { refused_only: true, calling: None, limit };
    assert_eq!(asked(&store, refused_only).await, ["CT1", "CT7"]);
    let calling = |title: &str| Wanted { calling: Some(title.into()), limit, ..Wanted::default() };
    assert_eq!(asked(&store, calling("CT1")).await, ["CT1", "CT1"]);
    assert_eq!(asked(&store, calling("CT9")).await, [""; 0]);
    assert_eq!(store.events(1).await.expect("asked")[0].event.text, "CT7 was refused");
    store.close().await;
}

/// Anybody on the network can be refused ten thousand times.
#[tokio::test]
async fn the_oldest_of_an_outcome_go_and_refusals_do_not_push_out_what_was_served() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.record_associations(&[served("CT1")], &[]).await.expect("recorded");
    let many: Vec<AssociationRow> = (0..10_020).map(|n| refused(&format!("P{n}"))).collect();
    store.record_associations(&many, &[]).await.expect("recorded");
    let all = asked(&store, Wanted { limit: 100_000, ..Wanted::default() }).await;
    assert_eq!(all.len(), 10_001);
    assert_eq!((all[0].as_str(), all[9_999].as_str()), ("P10019", "P20"));
    assert_eq!(all[10_000], "CT1");
    let counts = store.association_counts().await.expect("asked");
    let expected = [("refused 1/1/3".to_string(), 10_020), ("released".to_string(), 1)];
    assert_eq!(counts, BTreeMap::from(expected));
    store.close().await;
}
