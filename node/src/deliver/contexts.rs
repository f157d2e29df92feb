//! Which presentation contexts an association is asked for: those of what is in hand, and of what waits behind it.

use crate::dimse::requestor::Proposed;
use crate::transcode;
use gantry_terms::uid::Uid;

/// PS3.8 9.3.2.2: identifiers are odd numbers below 256.
const MOST: usize = 128;

/// A SOP class and the transfer syntax in which an object of it is kept.
pub(super) type Kind = (Uid, Uid);

/// For each class each of its syntaxes alone, and the uncompressed ones that it could be turned into. The
/// first kinds go before the others, as an association has a limit.
pub(super) fn proposals(kinds: impl IntoIterator<Item = Kind>) -> Vec<Proposed> {
    let mut proposed: Vec<Proposed> = Vec::new();
    for (sop_class, syntax) in kinds {
        let alone = Proposed { sop_class: sop_class.clone(), transfer_syntaxes: vec![syntax] };
        let turned = Proposed { sop_class, transfer_syntaxes: transcode::uncompressed() };
        let new: Vec<Proposed> =
            [alone, turned].into_iter().filter(|one| !proposed.contains(one)).collect();
        if proposed.len() + new.len() <= MOST {
            proposed.extend(new);
        }
    }
    proposed
}

/// Whether the peer was asked for this kind: when it was, and did not take it, it refused it.
pub(super) fn asked_for(proposed: &[Proposed], sop_class: &Uid, syntax: &Uid) -> bool {
    proposed.iter().any(|one| {
        one.sop_class == *sop_class && one.transfer_syntaxes == std::slice::from_ref(syntax)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).expect("a UID")
    }

    #[test]
    fn each_kind_is_asked_for_by_itself_and_each_class_once_in_what_it_can_be_turned_into() {
        let kinds = [("1.2.1", "1.2.4.70"), ("1.2.1", "1.2.4.90"), ("1.2.2", "1.2.4.70")];
        let kinds = kinds.map(|(class, syntax)| (uid(class), uid(syntax)));
        let proposed = proposals(kinds.iter().chain(&kinds).cloned());
        assert_eq!(proposed.len(), 5);
        for (class, syntax) in &kinds {
            assert!(asked_for(&proposed, class, syntax));
        }
        assert!(!asked_for(&proposed, &uid("1.2.2"), &uid("1.2.4.90")));
    }

    #[test]
    fn never_more_is_asked_for_than_an_association_has_room_for_and_the_first_go_first() {
        let kinds = (0..200).map(|number| (uid(&format!("1.2.{number}")), uid("1.2.4.70")));
        let proposed = proposals(kinds);
        assert_eq!(proposed.len(), 128);
        assert!(asked_for(&proposed, &uid("1.2.0"), &uid("1.2.4.70")));
        assert!(!asked_for(&proposed, &uid("1.2.199"), &uid("1.2.4.70")));
    }
}
