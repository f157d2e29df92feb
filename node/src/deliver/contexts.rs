//! Which presentation contexts an association is asked for: those of what is in hand, and of what waits behind it.

use crate::dimse::requestor::Proposed;
use crate::transcode;
use gantry_terms::uid::Uid;

/// PS3.8 9.3.2.2: identifiers are odd numbers below 256.
const MOST: usize = 128;

/// A SOP class and the transfer syntax in which an object of it is kept.
pub(super) type Kind = (Uid, Uid);

const ROOT: &str = "1.2.840.10008.5.1.4.1.1.";
/// Classes whose objects have no pixels, or pixels that are not compressed: reports, presentation states, waveforms,
/// documents, raw data and segmentations of bits, and what goes with radiotherapy. A peer that took such a class in a compressed syntax
/// would wait for what never comes.
const WITHOUT_PIXELS: [&str; 15] = [
    "9.", "11.", "66.1", "66.2", "66.3", "66.4", "66.5", "66.6", "67", "68.", "88.", "104.",
    "481.3", "481.5", "481.8",
];

fn may_be_compressed(sop_class: &Uid) -> bool {
    let Some(class) = sop_class.as_str().strip_prefix(ROOT) else { return true };
    class != "66" && !WITHOUT_PIXELS.iter().any(|without| class.starts_with(without))
}

/// For each class each of its syntaxes alone, and the uncompressed ones that it could be turned into. The
/// first kinds go before the others, as an association has a limit; the lossless ones that it could be compressed into
/// go last.
pub(super) fn proposals(kinds: impl IntoIterator<Item = Kind>) -> Vec<Proposed> {
    let mut proposed: Vec<Proposed> = Vec::new();
    let mut compressed: Vec<Proposed> = Vec::new();
    for (sop_class, syntax) in kinds {
        if transcode::is_converted(&syntax) && may_be_compressed(&sop_class) {
            let transfer_syntaxes = transcode::lossless();
            let one = Proposed { sop_class: sop_class.clone(), transfer_syntaxes };
            if !compressed.contains(&one) {
                compressed.push(one);
            }
        }
        let alone = Proposed { sop_class: sop_class.clone(), transfer_syntaxes: vec![syntax] };
        let turned = Proposed { sop_class, transfer_syntaxes: transcode::uncompressed() };
        let new: Vec<Proposed> =
            [alone, turned].into_iter().filter(|one| !proposed.contains(one)).collect();
        if proposed.len() + new.len() <= MOST {
            proposed.extend(new);
        }
    }
    let has_uncompressed: Vec<Uid> = proposed.iter().map(|one| one.sop_class.clone()).collect();
    compressed.retain(|one| has_uncompressed.contains(&one.sop_class));
    compressed.truncate(MOST.saturating_sub(proposed.len()));
    proposed.extend(compressed);
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

    const JPEG: &str = "1.2.840.10008.1.2.4.70";
    const J2K: &str = "1.2.840.10008.1.2.4.90";

    #[test]
    fn each_kind_is_asked_for_by_itself_and_each_class_once_in_what_it_can_be_turned_into() {
        let kinds = [("1.2.1", JPEG), ("1.2.1", J2K), ("1.2.2", JPEG)];
        let kinds = kinds.map(|(class, syntax)| (uid(class), uid(syntax)));
        let proposed = proposals(kinds.iter().chain(&kinds).cloned());
        assert_eq!(proposed.len(), 7);
        assert!(proposed[5..].iter().all(|one| one.transfer_syntaxes == transcode::lossless()));
        for (class, syntax) in &kinds {
            assert!(asked_for(&proposed, class, syntax));
        }
        assert!(!asked_for(&proposed, &uid("1.2.2"), &uid(J2K)));
    }

    #[test]
    fn what_has_no_pixels_or_cannot_be_turned_is_not_asked_for_in_a_compressed_syntax() {
        let is_asked = |class: &str, syntax: &str| {
            let proposed = proposals([(uid(&format!("{ROOT}{class}")), uid(syntax))]);
            proposed.iter().any(|one| one.transfer_syntaxes == transcode::lossless())
        };
        let explicit = "1.2.840.10008.1.2.1";
        for class in ["2", "1.1", "7.4", "12.1", "66.7", "30", "481.1"] {
            assert!(is_asked(class, explicit), "{class}");
        }
        for class in ["88.34", "11.1", "66", "66.4", "104.1", "9.1.1", "67", "481.3"] {
            assert!(!is_asked(class, explicit), "{class}");
        }
        assert!(!is_asked("2", "1.2.840.10008.1.2.4.51"), "JPEG Extended is not decoded");
    }

    #[test]
    fn never_more_is_asked_for_than_an_association_has_room_for_and_the_first_go_first() {
        let kinds =
            |count| (0..count).map(|number: u32| (uid(&format!("1.2.{number}")), uid(JPEG)));
        // What is left of the room goes to compression.
        let proposed = proposals(kinds(50));
        assert_eq!(proposed.len(), 128);
        let is_lossless = |one: &Proposed| one.transfer_syntaxes == transcode::lossless();
        assert!(proposed.iter().position(is_lossless) == Some(100));
        let proposed = proposals(kinds(200));
        assert_eq!(proposed.len(), 128);
        assert!(asked_for(&proposed, &uid("1.2.0"), &uid(JPEG)));
        assert!(!asked_for(&proposed, &uid("1.2.199"), &uid(JPEG)));
    }
}
