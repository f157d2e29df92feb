//! The facts of an image of a case: who sent it, when, and as what.

use super::dictionary::Words;
use super::fact::Fact;
use super::made_up::MadeUp;
use super::reader::Reader;
use super::scale::Scale;
use super::tree::Entry;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;

/// Reads a fact into the image.
pub(super) fn read(reader: &mut Reader, entry: &Entry, fact: Fact, image: &mut MadeUp) {
    let from = match fact {
        Fact::ArrivalTime => return read_arrival_time(reader, entry, image),
        Fact::ArrivalOrder => "the place of the image in the case",
        Fact::Orientation => "ImageOrientationPatient",
        Fact::Lossy => "LossyImageCompression and transfer-syntax",
        Fact::Frames => "NumberOfFrames",
        _ => "",
    };
    if !from.is_empty() {
        let message = format!("`{}` is not given: it follows from other things", entry.key);
        return reader.fault(&entry.key_span, message, format!("it follows from {from}"));
    }
    let Some(text) = reader.text_value(&entry.node, &entry.key) else { return };
    let title = || AeTitle::parse(text).map_err(|error| error.to_string());
    let uid = || Uid::parse(text).map_err(|error| format!("not a UID: {error}"));
    let read = match fact {
        Fact::CallingAe => title().map(|title| image.calling_ae = title),
        Fact::CalledAe => title().map(|title| image.called_ae = title),
        Fact::Peer => {
            let world = reader.world;
            if !world.senders.iter().any(|known| known == text) {
                let noun = "there is no [[peer]]";
                return reader.unknown_name(&entry.node.span, text, noun, &world.senders);
            }
            title().map(|title| image.peer = Some(title))
        }
        Fact::SopClass => uid().map(|uid| image.sop_class = uid),
        Fact::TransferSyntax => uid().map(|uid| image.transfer_syntax = uid),
        Fact::ArrivalDay => match Words::DAYS.iter().position(|day| *day == text) {
            Some(day) => {
                image.arrived.weekday = u8::try_from(day).unwrap_or_default();
                Ok(())
            }
            None => {
                let known = Words::DAYS.map(str::to_string);
                return reader.unknown_name(&entry.node.span, text, "there is no day", &known);
            }
        },
        Fact::ArrivalTime | Fact::ArrivalOrder | Fact::Orientation | Fact::Lossy | Fact::Frames => {
            Ok(())
        }
    };
    if let Err(why) = read {
        reader.fault(&entry.node.span, format!("`{}`: {why}", entry.key), None);
    }
}

fn read_arrival_time(reader: &mut Reader, entry: &Entry, image: &mut MadeUp) {
    match Scale::Time.literal(&entry.node) {
        Some(second) => image.arrived.second = second as u32, // below 86 401
        None => {
            let (example, shown) = (Scale::Time.example(), reader.shown(&entry.node));
            let message = format!("`{}` wants {example}, not {shown}", entry.key);
            reader.fault(&entry.node.span, message, None);
        }
    }
}

/// A peer is known by its AE title: `peer` alone says who calls, `calling-ae` alone may be a stranger.
pub(super) fn sender(reader: &mut Reader, entries: &[Entry], image: &mut MadeUp) {
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    let named = entries.iter().find(|entry| entry.key == "peer");
    match (named, image.peer.clone()) {
        (Some(entry), Some(peer)) if has("calling-ae") && peer != image.calling_ae => {
            let message = "`peer` and `calling-ae` are two senders".to_string();
            let help = "a peer is known by its calling-ae; leave one of them out".to_string();
            reader.fault(&entry.key_span, message, help);
        }
        (_, Some(peer)) => image.calling_ae = peer,
        (_, None) => {
            let title = image.calling_ae.as_str();
            let is_known = reader.world.senders.iter().any(|known| known == title);
            image.peer = is_known.then(|| image.calling_ae.clone());
        }
    }
}
