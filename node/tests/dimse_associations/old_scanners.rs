//! What old scanners send, byte by byte, to a whole node: each object is kept bit for bit and answered with 0x0000.

use crate::gantry::Gantry;
use crate::wire::{Asked, Told, Wire, context, element, item, p_data, pdu, release, value};
use gantry_terms::uid::Uid;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// How the elements of a data set are written.
#[derive(Clone, Copy)]
enum Coding {
    Implicit,
    Explicit,
    BigEndian,
}

impl Coding {
    fn element(self, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let short = |number: u16| match self {
            Self::BigEndian => number.to_be_bytes(),
            _ => number.to_le_bytes(),
        };
        let long = |number: u32| match self {
            Self::BigEndian => number.to_be_bytes(),
            _ => number.to_le_bytes(),
        };
        let length = value.len() as u32;
        let head = match (self, vr) {
            (Self::Implicit, _) => long(length).to_vec(),
            (_, b"OW" | b"UN") => [&vr[..], &[0, 0], &long(length)].concat(),
            _ => [&vr[..], &short(length as u16)].concat(),
        };
        [&short(group)[..], &short(number), &head, value].concat()
    }

    /// A CT image of sorts; `pad` makes texts even.
    fn image(self, instance: &str, pad: u8) -> Vec<u8> {
        let even = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(2), pad);
            bytes
        };
        let pixels: Vec<u8> = (0..20_000u32).map(|n| (n * 7 % 251) as u8).collect();
        [
            self.element(0x0008, 0x0000, b"UL", &[0; 4]),
            self.element(0x0008, 0x0016, b"UI", &even(CT)),
            self.element(0x0008, 0x0018, b"UI", &even(instance)),
            self.element(0x0009, 0x0010, b"LO", &even("ACME 1.1")),
            self.element(0x0009, 0x1001, b"UN", b"private and of no known kind"),
            self.element(0x0020, 0x000D, b"UI", &even("1.2.826.1")),
            self.element(0x0020, 0x000E, b"UI", &even("1.2.826.1.1")),
            self.element(0x7FE0, 0x0010, b"OW", &pixels),
        ]
        .concat()
    }
}

/// What an old scanner does in its own way.
struct Scanner {
    says: &'static str,
    instance: &'static str,
    syntaxes: &'static [&'static str],
    accepted: &'static str,
    asked: fn(&mut Asked),
    /// The longest PDU that it sends, and takes.
    maximum: usize,
    data_set: Vec<u8>,
    command: fn(Vec<u8>) -> Vec<u8>,
    /// An empty value marks the end.
    empty_end: bool,
}

impl Scanner {
    fn new(says: &'static str, instance: &'static str) -> Self {
        Self {
            says,
            instance,
            syntaxes: &[IMPLICIT],
            accepted: IMPLICIT,
            asked: |_| {},
            maximum: 16_384,
            data_set: Coding::Implicit.image(instance, 0),
            command: |command| command,
            empty_end: false,
        }
    }

    fn pdus(&self) -> Vec<Vec<u8>> {
        let command = (self.command)(Told::store(CT, self.instance).bytes());
        let mut pdus = vec![p_data(&[value(1, 3, &command)])];
        let mut pieces = self.data_set.chunks(self.maximum - 6).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none() && !self.empty_end;
            pdus.push(p_data(&[value(1, u8::from(last) << 1, piece)]));
        }
        if self.empty_end {
            pdus.push(p_data(&[value(1, 2, &[])]));
        }
        pdus
    }

    async fn sends_to(&self, node: &Gantry) {
        let mut asked = Asked::new(vec![context(1, CT, self.syntaxes)]);
        (asked.called, asked.calling) = (b"GANTRY          ", b"OLD             ");
        (self.asked)(&mut asked);
        let mut wire = Wire::connect(node.port).await;
        wire.send(&asked.bytes()).await;
        assert_eq!(wire.heard().await, "AC", "{}", self.says);
        for pdu in self.pdus() {
            wire.send(&pdu).await;
        }
        assert_eq!(wire.heard().await, "0000", "{}", self.says);
        wire.send(&release()).await;
        assert_eq!(wire.heard().await, "RP", "{}", self.says);
        let part10 = node.object(&Uid::parse(self.instance).expect("a UID")).await;
        let meta = dicom_object::FileMetaTable::from_reader(&part10[128..]).expect("file meta");
        assert_eq!(meta.transfer_syntax(), self.accepted, "{}", self.says);
        let start = 128 + 4 + 12 + meta.information_group_length as usize;
        assert!(part10[start..] == self.data_set, "{}: it is kept bit for bit", self.says);
    }
}

/// A value of odd length, as its own length says.
fn odd_texts(instance: &str) -> Vec<u8> {
    let image = Coding::Implicit.image(instance, 0);
    let odd = Coding::Implicit.element(0x0010, 0x21B0, b"LT", b"odd");
    let at = image.windows(4).position(|tag| tag == [0x20, 0, 0x0D, 0]).expect("a study");
    [&image[..at], &odd, &image[at..]].concat()
}

fn without_group_length(command: Vec<u8>) -> Vec<u8> {
    command[12..].to_vec()
}

fn wrong_group_length(mut command: Vec<u8>) -> Vec<u8> {
    command[8..12].copy_from_slice(&9999u32.to_le_bytes());
    command
}

/// UIDs padded with spaces, or with nothing, and what was once in a command (PS3.7 E.2, retired).
fn of_acr_nema(_: Vec<u8>) -> Vec<u8> {
    [
        element(0x0001, &[0; 4]),
        element(0x0002, format!("{CT} ").as_bytes()),
        element(0x0010, b"OLD "),
        element(0x0100, &[1, 0]),
        element(0x0110, &[1, 0]),
        element(0x0700, &[2, 0]),
        element(0x0800, &[2, 1]),
        element(0x0850, &[1, 0]),
        element(0x1000, b"1.2.826.1.1.9"),
    ]
    .concat()
}

fn private_sub_items(asked: &mut Asked) {
    let user = [
        item(0x51, &16_384u32.to_be_bytes()),
        item(0x80, b"ACME private"),
        item(0x52, b"1.2.3.4\0"),
        item(0x7F, &[]),
        item(0x55, b"ACME_CONSOLE_1_0"),
        item(0x54, &[0, 4]),
    ]
    .concat();
    asked.user = item(0x50, &user);
}

fn scanners() -> Vec<Scanner> {
    let new = Scanner::new;
    vec![
        new("Implicit VR Little Endian only", "1.2.826.1.1.1"),
        Scanner {
            syntaxes: &[BIG_ENDIAN],
            accepted: BIG_ENDIAN,
            data_set: Coding::BigEndian.image("1.2.826.1.1.2", 0),
            ..new("Explicit VR Big Endian only", "1.2.826.1.1.2")
        },
        Scanner {
            maximum: 4096,
            asked: |asked| asked.user = crate::wire::user_information(4096, &[]),
            ..new("PDUs of 4 KiB", "1.2.826.1.1.3")
        },
        Scanner { empty_end: true, ..new("an empty value at the end", "1.2.826.1.1.4") },
        Scanner { command: without_group_length, ..new("no group length", "1.2.826.1.1.5") },
        Scanner { command: wrong_group_length, ..new("a wrong group length", "1.2.826.1.1.6") },
        Scanner {
            data_set: Coding::Implicit.image("1.2.826.1.1.7", b' '),
            ..new("UIDs padded with spaces", "1.2.826.1.1.7")
        },
        Scanner {
            data_set: odd_texts("1.2.826.1.1.8"),
            ..new("a text of odd length", "1.2.826.1.1.8")
        },
        Scanner { command: of_acr_nema, ..new("a command of another age", "1.2.826.1.1.9") },
        Scanner { asked: private_sub_items, ..new("private sub-items", "1.2.826.1.1.10") },
        Scanner {
            asked: |asked| {
                asked.called = b"GANTRY\0\0\0\0\0\0\0\0\0\0";
                asked.calling = b"OLD\0garbage\x01\x02\x03\x04\x05";
            },
            ..new("titles that end with NUL, and garbage behind it", "1.2.826.1.1.11")
        },
        Scanner {
            asked: |asked| {
                asked.called = b"    GANTRY      ";
                asked.calling = b"             OLD";
            },
            ..new("titles with leading spaces", "1.2.826.1.1.12")
        },
        Scanner {
            asked: |asked| {
                asked.version = 0xFFFF;
                asked.application_context = "1.2.840.10008.3.1.1.1\0";
                asked.user.clear();
            },
            ..new(
                "every version, a padded application context, no user information",
                "1.2.826.1.1.13",
            )
        },
        Scanner {
            syntaxes: &["1.2.840.10008.1.2\0", "1.2.840.113619.5.2"],
            ..new("a padded transfer syntax beside one of its maker's", "1.2.826.1.1.14")
        },
        Scanner {
            syntaxes: &[EXPLICIT],
            accepted: EXPLICIT,
            data_set: Coding::Explicit.image("1.2.826.1.1.15", 0),
            maximum: 9,
            ..new("fragments of three bytes", "1.2.826.1.1.15")
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_scanner_sends_in_its_own_way_is_kept_bit_for_bit() {
    let node = Gantry::start("[[peer]]\nae-title = \"OLD\"\n").await;
    for scanner in scanners() {
        scanner.sends_to(&node).await;
    }
    node.stop().await;
}

/// Only what cannot be understood is refused, with the next object of the same association kept.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_understood_does_not_keep_the_next_one_out() {
    let node = Gantry::start("[[peer]]\nae-title = \"OLD\"\n").await;
    let mut asked = Asked::new(vec![context(1, CT, &[IMPLICIT])]);
    (asked.called, asked.calling) = (b"GANTRY          ", b"OLD             ");
    let mut wire = Wire::connect(node.port).await;
    wire.send(&asked.bytes()).await;
    assert_eq!(wire.heard().await, "AC");
    let good = Scanner::new("a good one", "1.2.826.1.1.20");
    let mut cut = Scanner::new("one that ends early", "1.2.826.1.1.21");
    cut.data_set.truncate(cut.data_set.len() - 100);
    for (scanner, expected) in [(&cut, "C000"), (&good, "0000"), (&cut, "C000"), (&good, "0000")] {
        for pdu in scanner.pdus() {
            wire.send(&pdu).await;
        }
        assert_eq!(wire.heard().await, expected, "{}", scanner.says);
    }
    wire.send(&pdu(7, &[0; 4])).await;
    node.stop().await;
}
