//! What is asked beside the contexts (PS3.7 D.3.3) and what is answered: roles, levels, identity, service classes, preference.

use crate::kit::{
    BIG_ENDIAN, CT, EXPLICIT, IMPLICIT, MR, Node, Station, VERIFICATION, options, uid,
};
use crate::wire::{Asked, Wire, context, item, user_information};
use gantry::dimse::acceptor::Terms;

/// The answer's user information, sub-item by sub-item, and the contexts' results.
struct Answered {
    results: Vec<(u8, u8)>,
    sub_items: Vec<(u8, Vec<u8>)>,
}

fn items(mut rest: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [kind, _, high, low, behind @ ..] = rest {
        let (value, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
        found.push((*kind, value.to_vec()));
        rest = behind;
    }
    assert!(rest.is_empty(), "the items add up");
    found
}

async fn answered(node: &Node, contexts: Vec<Vec<u8>>, further: &[u8]) -> Answered {
    let mut asked = Asked::new(contexts);
    asked.user = user_information(16_384, further);
    let mut wire = Wire::connect(node.port).await;
    wire.send(&asked.bytes()).await;
    let (kind, body) = wire.pdu().await.expect("an answer");
    assert_eq!(kind, 2, "an acceptance");
    let mut answered = Answered { results: Vec::new(), sub_items: Vec::new() };
    for (kind, value) in items(&body[68..]) {
        match kind {
            0x21 => answered.results.push((value[0], value[2])),
            0x50 => answered.sub_items = items(&value),
            _ => {}
        }
    }
    answered
}

impl Answered {
    fn of(&self, kind: u8) -> Vec<Vec<u8>> {
        let of = self.sub_items.iter().filter(|(found, _)| *found == kind);
        of.map(|(_, value)| value.clone()).collect()
    }
}

/// A sub-item that begins with a UID behind its length.
fn about(class: &str, further: &[u8]) -> Vec<u8> {
    [&(class.len() as u16).to_be_bytes(), class.as_bytes(), further].concat()
}

fn three() -> Vec<Vec<u8>> {
    vec![
        context(1, CT, &[IMPLICIT]),
        context(3, MR, &[EXPLICIT]),
        context(5, VERIFICATION, &[IMPLICIT]),
    ]
}

#[tokio::test]
async fn whoever_asks_for_nothing_is_told_limit_and_implementation_only() {
    let node = Node::start().await;
    let answered = answered(&node, three(), &[]).await;
    let kinds: Vec<u8> = answered.sub_items.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [0x51, 0x52, 0x55]);
    assert_eq!(answered.of(0x51)[0], 131_072u32.to_be_bytes());
}

#[tokio::test]
async fn a_role_that_was_not_proposed_is_never_given_and_nobody_becomes_scp_here() {
    let node = Node::start().await;
    let role = |class: &str, scu: u8, scp: u8| item(0x54, &about(class, &[scu, scp]));
    let further = [
        role(CT, 1, 1),
        // The first for a class counts.
        role(CT, 0, 1),
        role(MR, 0, 1),
        role(VERIFICATION, 1, 0),
        role("1.2.3.4", 1, 1),
        item(0x54, &[0, 99, 1]),
    ]
    .concat();
    let answered = answered(&node, three(), &further).await;
    // Whoever does not want to send MR has nothing to do with MR here.
    assert_eq!(answered.results, [(1, 0), (3, 1), (5, 0)]);
    let mut roles = answered.of(0x54);
    roles.sort();
    assert_eq!(roles, [about(VERIFICATION, &[1, 0]), about(CT, &[1, 0])]);
}

#[tokio::test]
async fn asynchronous_operations_are_never_agreed_on() {
    let node = Node::start().await;
    let answered = answered(&node, three(), &item(0x53, &[0, 0, 0, 0])).await;
    assert_eq!(answered.of(0x53), [[0; 0]; 0]);
}

#[tokio::test]
async fn storage_is_offered_at_level_2_to_whoever_asks_and_for_storage_only() {
    let node = Node::start().await;
    let asks = |class: &str| item(0x56, &about(class, &[3, 0, 3, 0, 1, 0]));
    let further = [asks(CT), asks(VERIFICATION), asks("1.2.3.4")].concat();
    let answered = answered(&node, three(), &further).await;
    assert_eq!(answered.of(0x56), [about(CT, &[2, 0, 0, 0, 0, 0])]);
}

#[tokio::test]
async fn a_class_that_nobody_knows_is_kept_when_its_sender_says_that_it_is_storage() {
    let node = Node::start().await;
    let contexts = vec![
        context(1, "1.2.3.4.1", &[IMPLICIT]),
        context(3, "1.2.3.4.2", &[IMPLICIT]),
        context(5, "1.2.3.4.3", &[IMPLICIT]),
    ];
    let says = |class: &str, service: &str| {
        let related = [0, 0];
        item(0x57, &[about(class, &[]), about(service, &related)].concat())
    };
    let further =
        [says("1.2.3.4.1", "1.2.840.10008.4.2"), says("1.2.3.4.2", "1.2.840.10008.9")].concat();
    let answered = answered(&node, contexts, &further).await;
    assert_eq!(answered.results, [(1, 0), (3, 3), (5, 3)]);
    assert_eq!(answered.of(0x57), [[0; 0]; 0], "it has no answer");
}

#[tokio::test]
async fn an_identity_is_confirmed_only_when_it_was_checked_and_a_response_was_asked_for() {
    let node = Node::start().await;
    let identity = |asks: u8, name: &str| {
        item(0x58, &[&[2, asks], &about(name, &[])[..], &about("secret", &[])].concat())
    };
    let check = async |further: Vec<u8>, expected: &[[u8; 2]]| {
        assert_eq!(answered(&node, three(), &further).await.of(0x59), expected);
    };
    check(identity(1, "joe"), &[[0, 0]]).await;
    check(identity(0, "joe"), &[]).await;
    check(identity(1, "ann"), &[]).await;
    check(item(0x58, &[2]), &[]).await;
    check(vec![], &[]).await;
}

#[tokio::test]
async fn the_transfer_syntax_that_a_peer_should_send_in_is_chosen_where_it_offers_it() {
    let mut station = Station::new();
    station.terms = Terms { prefers: vec![uid(BIG_ENDIAN)], ..Terms::default() };
    let node = Node::with(station, options()).await;
    let check = async |offered: &[&str], expected: &str| {
        let mut association = node.associate(CT, offered).await;
        let accepted: Vec<String> =
            association.accepted(&uid(CT)).map(ToString::to_string).collect();
        assert_eq!(accepted, [expected]);
        let data = b"ab"[..].into();
        let answer = association.store(&uid(CT), &uid("1.2.3"), &uid(expected), data).await;
        assert_eq!(answer.expect("an answer").status, 0);
        association.release().await;
    };
    check(&[IMPLICIT, EXPLICIT, BIG_ENDIAN], BIG_ENDIAN).await;
    check(&[IMPLICIT, EXPLICIT], EXPLICIT).await;
}
