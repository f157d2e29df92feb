//! The facts of an image: what the node knows beyond its attributes, or reads from several of them.

use super::dictionary::{Kind, Words};
use super::even;
use super::judge::ImageFacts;
use super::subject::Held;
use gantry_terms::header::Tag;
use gantry_terms::transfer_syntaxes;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    CallingAe,
    CalledAe,
    Peer,
    SopClass,
    TransferSyntax,
    ArrivalTime,
    ArrivalDay,
    ArrivalOrder,
    Orientation,
    Lossy,
    Frames,
}

pub(super) const FACTS: [(&str, Fact); 11] = [
    ("calling-ae", Fact::CallingAe),
    ("called-ae", Fact::CalledAe),
    ("peer", Fact::Peer),
    ("sop-class", Fact::SopClass),
    ("transfer-syntax", Fact::TransferSyntax),
    ("arrival-time", Fact::ArrivalTime),
    ("arrival-day", Fact::ArrivalDay),
    ("arrival-order", Fact::ArrivalOrder),
    ("orientation", Fact::Orientation),
    ("lossy", Fact::Lossy),
    ("frames", Fact::Frames),
];
const LOSSY_IMAGE_COMPRESSION: Tag = 0x0028_2110;

impl Fact {
    pub(super) fn kind(self) -> Kind {
        match self {
            Fact::CallingAe | Fact::CalledAe => Kind::Title,
            Fact::Peer => Kind::Peer,
            Fact::SopClass | Fact::TransferSyntax => Kind::Uid,
            Fact::ArrivalTime => Kind::Clock,
            Fact::ArrivalDay => Kind::Word(Words::Day),
            Fact::Orientation => Kind::Word(Words::Orientation),
            Fact::ArrivalOrder | Fact::Frames => Kind::Count,
            Fact::Lossy => Kind::Truth,
        }
    }

    pub(super) fn held(self, image: &ImageFacts) -> Option<Held> {
        let text = match self {
            Fact::CallingAe => image.calling_ae.to_string(),
            Fact::CalledAe => image.called_ae.to_string(),
            Fact::Peer => image.peer?.to_string(),
            Fact::SopClass => image.sop_class.to_string(),
            Fact::TransferSyntax => image.transfer_syntax.to_string(),
            Fact::ArrivalTime => {
                let second = image.arrived.second;
                format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
            }
            Fact::ArrivalDay => Words::DAYS.get(usize::from(image.arrived.weekday))?.to_string(),
            Fact::Orientation => even::plane(image.header)?.to_string(),
            Fact::Lossy => return Some(Held::bare(lossy(image).to_string(), None)),
            Fact::ArrivalOrder => return Some(Held::count(image.arrived.order)),
            Fact::Frames => return Some(Held::count(even::frames(image.header))),
        };
        Some(Held { text, number: None, is_numeric: false })
    }
}

/// What it says of itself (PS3.3 C.7.6.1.1.5), or what its transfer syntax does to pixels.
fn lossy(image: &ImageFacts) -> bool {
    image.header.text(LOSSY_IMAGE_COMPRESSION) == Some("01")
        || transfer_syntaxes::may_lose(image.transfer_syntax.as_str())
}
