//! Objects that are made to break whoever reads them: each is answered, the node lives on in bounded memory, and what it acknowledged comes out byte for byte.

use flate2::{Compression, FlushCompress};
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN as DEFLATED, EXPLICIT_VR_BIG_ENDIAN as BIG,
    EXPLICIT_VR_LITTLE_ENDIAN as EXPLICIT, IMPLICIT_VR_LITTLE_ENDIAN as IMPLICIT,
};
use kit::instance::{Instance, files_below};
use kit::need;
use kit::node::{Node, Setup};
use kit::template::{Number, Template, noise, pixel_data};
use kit::wire::Wire;
use std::collections::HashMap;
use tempfile::TempDir;

const J2K_LOSSLESS: &str = "1.2.840.10008.1.2.4.90";
const J2K: &str = "1.2.840.10008.1.2.4.91";
const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

const SUCCESS: u16 = 0x0000;
const CANNOT_UNDERSTAND: u16 = 0xC000;
const LEVELS: usize = 10_000;
/// What the node may grow by, whatever comes.
const MOST_KIB: u64 = 96 << 10;
/// Objects above this are streamed to disk.
const LARGE: usize = 4 << 20;

const ITEM: &[u8] = b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
const ITEM_END: &[u8] = b"\xFE\xFF\x0D\xE0\0\0\0\0";
const SEQUENCE: &[u8] = b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF";
const SEQUENCE_END: &[u8] = b"\xFE\xFF\xDD\xE0\0\0\0\0";

/// A node, and what it acknowledged.
struct Hospital {
    node: Node,
    /// An empty one, without which the node does not start.
    _models: TempDir,
    kept: HashMap<String, Vec<u8>>,
    images: u32,
}

impl Hospital {
    fn new() -> Self {
        let models = TempDir::new().expect("a temporary folder");
        let node = Setup::new().scanner("CT1").models(models.path()).start();
        Self { node, _models: models, kept: HashMap::new(), images: 0 }
    }

    /// An image's elements before its pixels, and its SOP Instance UID.
    fn head(&mut self) -> (Vec<u8>, String) {
        self.images += 1;
        let number = Number { run: 9, scanner: 1, study: 1, series: 1, image: self.images };
        let mut data_set = Template::ct(8, 8).renumbered(number).to_vec();
        data_set.truncate(data_set.len() - pixel_data(128).len() - 128);
        (data_set, number.sop_instance_uid())
    }

    /// Sends a CT image; the status of the answer, which there has to be.
    fn send(&mut self, syntax: &str, sop_instance: &str, data_set: &[u8]) -> u16 {
        self.send_as(Template::SOP_CLASS, syntax, sop_instance, data_set)
    }

    fn send_as(&mut self, class: &str, syntax: &str, sop_instance: &str, data_set: &[u8]) -> u16 {
        let mut wire = Wire::request_in("CT1", self.node.port, class, syntax).expect("accepted");
        let status = wire.store(sop_instance, data_set).expect("an answer");
        wire.release();
        if status == SUCCESS {
            // Of two that come under one UID the first is kept.
            self.kept.entry(sop_instance.into()).or_insert_with(|| data_set.into());
        }
        status
    }

    /// Sends what stands in front of the pixels, and then behind so many bytes of them that the
    /// object is streamed.
    fn send_both_ways(&mut self, hostile: &[u8]) -> (u16, u16) {
        let (head, sop_instance) = self.head();
        let small = self.send(EXPLICIT, &sop_instance, &[&head, hostile].concat());
        let (mut head, sop_instance) = self.head();
        head.extend_from_slice(&pixel_data(LARGE as u32));
        head.resize(head.len() + LARGE, 0);
        (small, self.send(EXPLICIT, &sop_instance, &[&head, hostile].concat()))
    }

    /// The node lives and takes a sound image; its records are whole, and all that it acknowledged
    /// comes out as it came, by the index that is there and by one that is made anew.
    fn check(&mut self) {
        assert!(self.node.is_alive(), "{}", self.node.log());
        let (sound, sop_instance) = self.head();
        assert_eq!(self.send(EXPLICIT, &sop_instance, &sound), SUCCESS);
        self.node.wait_until_indexed();
        self.compare_exported();
        assert!(self.node.stop().success(), "{}", self.node.log());
        let built = self.node.gantry(&["reindex"]);
        let mut lines = built.err.lines();
        assert!(!lines.any(|line| line.starts_with("problem: ")), "{built:?}");
        self.compare_exported();
    }

    fn compare_exported(&self) {
        let verified = self.node.gantry(&["verify"]);
        assert!(verified.success, "{verified:?}");
        let folder = TempDir::new().expect("a temporary folder");
        let to = folder.path().join("out");
        let said = self.node.gantry(&["export", "all", "--to", &to.to_string_lossy()]);
        assert!(said.success, "{said:?}");
        let files = files_below(&to);
        for path in &files {
            let file = std::fs::read(path).expect("an exported file");
            assert_eq!(file[..132], [&[0; 128][..], b"DICM"].concat(), "{}", path.display());
            let instance = Instance::parse(&file).expect("a head by the rules");
            let sent = &self.kept[&instance.sop_instance];
            assert!(*sent == instance.data_set, "{}", path.display());
        }
        assert_eq!(files.len(), self.kept.len(), "{said:?}");
    }
}

fn delimited(levels: usize) -> Vec<u8> {
    let opening = [SEQUENCE, ITEM].concat().repeat(levels);
    [opening, [ITEM_END, SEQUENCE_END].concat().repeat(levels)].concat()
}

/// By defined lengths, from the innermost out.
fn nested(levels: usize) -> Vec<u8> {
    let mut heads = Vec::new();
    for level in 0..levels as u32 {
        let inside = level * 20;
        let item = [&ITEM[..4], &inside.to_le_bytes()].concat();
        heads.push([&SEQUENCE[..8], &(inside + 8).to_le_bytes(), &item].concat());
    }
    heads.into_iter().rev().flatten().collect()
}

/// What stands in front, and behind it so many MiB of zeros: deflated, which takes a thousandth of
/// them. A block of zeros that stands behind another is deflated once and repeated.
fn bomb(front: &[u8], mebibytes: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut deflate = flate2::Compress::new(Compression::best(), false);
    let mut out = Vec::new();
    let mut put = |bytes: &[u8], flush| {
        let mut piece = Vec::with_capacity(bytes.len() / 2 + 4096);
        deflate.compress_vec(bytes, &mut piece, flush).expect("memory can be written");
        piece
    };
    out.extend(put(front, FlushCompress::Sync));
    out.extend(put(&zeros, FlushCompress::Sync));
    let block = put(&zeros, FlushCompress::Sync);
    (1..mebibytes).for_each(|_| out.extend_from_slice(&block));
    out.extend(put(&[], FlushCompress::Finish));
    out
}

#[test]
fn ten_thousand_levels_of_sequences_are_refused_or_kept_and_never_followed() {
    let mut hospital = Hospital::new();
    for sequences in [delimited(LEVELS), nested(LEVELS)] {
        let unknown = [b"\x09\0\x01\x10UN\0\0\xFF\xFF\xFF\xFF", &delimited(LEVELS)[12..]].concat();
        for hostile in [&sequences[..], &sequences[..sequences.len() / 2], &unknown] {
            let (small, large) = hospital.send_both_ways(hostile);
            assert_eq!(small, CANNOT_UNDERSTAND);
            assert!([SUCCESS, CANNOT_UNDERSTAND].contains(&large), "{large:04X}");
        }
    }
    hospital.check();
}

#[test]
fn undefined_lengths_and_the_longest_ones_are_refused_where_they_may_not_be() {
    let mut hospital = Hospital::new();
    let hostile: [&[u8]; 8] = [
        b"\x09\0\x01\x10UN\0\0\xFF\xFF\xFF\xFF",
        b"\x09\0\x01\x10UN\0\0\xFE\xFF\xFF\xFFabcd",
        b"\x09\0\x01\x10UT\0\0\xFF\xFF\xFF\xFFabcd",
        b"\x08\0\x15\x11SQ\0\0\x10\0\0\0\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
        b"\x08\0\x15\x11SQ\0\0\x10\0\0\0\xFE\xFF\x00\xE0\xFE\xFF\xFF\xFFabcdefgh",
        b"\xE0\x7F\x10\0OW\0\0\xFE\xFF\xFF\xFFabcd",
        b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
        b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFFabcdefgh",
    ];
    for hostile in hostile {
        let (head, sop_instance) = hospital.head();
        let status = hospital.send(EXPLICIT, &sop_instance, &[&head, hostile].concat());
        assert_eq!(status, CANNOT_UNDERSTAND, "{hostile:02X?}");
    }
    hospital.check();
}

#[test]
fn a_deflated_bomb_costs_the_node_neither_memory_nor_what_it_acknowledged() {
    let mut hospital = Hospital::new();
    let before = hospital.node.memory().resident;
    for mebibytes in [48, 3 << 10, 6 << 10] {
        // More than 4 GiB of zeros are pixels of the longest length, and elements behind them.
        let (mut head, sop_instance) = hospital.head();
        head.extend_from_slice(&pixel_data((mebibytes << 20).min(0xFFFF_FFFE) as u32));
        let pixels = bomb(&head, mebibytes);
        println!("{mebibytes} MiB of pixels in {} bytes", pixels.len());
        assert_eq!(hospital.send(DEFLATED, &sop_instance, &pixels), SUCCESS);
        // Zeros are elements of group 0000, too.
        let (head, sop_instance) = hospital.head();
        let elements = bomb(&head, mebibytes);
        let status = hospital.send(DEFLATED, &sop_instance, &elements);
        println!("{mebibytes} MiB of empty elements: {status:04X}");
        // Whether or not it is streamed.
        let expected = if mebibytes == 48 { SUCCESS } else { CANNOT_UNDERSTAND };
        assert_eq!(status, expected, "{} bytes", elements.len());
    }
    for hostile in [many_values(), many_items()] {
        let (head, sop_instance) = hospital.head();
        let bytes = bomb(&[head, hostile, pixel_data(1 << 20).into()].concat(), 1);
        let status = hospital.send(DEFLATED, &sop_instance, &bytes);
        println!("many values or items in {} bytes: {status:04X}", bytes.len());
        assert_eq!(status, SUCCESS);
    }
    let grown = hospital.node.memory().peak.saturating_sub(before);
    println!("the node grew by {grown} KiB at the most");
    assert!(grown < MOST_KIB, "the node grew by {grown} KiB");
    hospital.check();
}

/// Twenty thousand private attributes of a thousand values each.
fn many_values() -> Vec<u8> {
    let value = vec![b'\\'; 1024];
    let attribute = |number: u32| {
        let (group, element) = (0x0009 + number / 4096 * 2, 0x1000 + number % 4096);
        let tag = [(group as u16).to_le_bytes(), (element as u16).to_le_bytes()].concat();
        [&tag, &b"LO\x00\x04"[..], &value].concat()
    };
    (0..20_000).flat_map(attribute).collect()
}

/// Ten thousand sequences of some hundred empty items each.
fn many_items() -> Vec<u8> {
    let items = b"\xFE\xFF\x00\xE0\0\0\0\0".repeat(250);
    let sequence = |number: u32| {
        let tag = [0x09, 0, number as u8, 0x10 + (number >> 8) as u8];
        [&tag, &b"SQ\0\0"[..], &(items.len() as u32).to_le_bytes(), &items].concat()
    };
    (0..10_000).flat_map(sequence).collect()
}

#[test]
fn no_byte_of_a_peer_becomes_part_of_the_head_of_an_exported_file() {
    let mut hospital = Hospital::new();
    let (head, sop_instance) = hospital.head();
    let image = Instance {
        sop_class: Template::SOP_CLASS.into(),
        sop_instance,
        transfer_syntax: EXPLICIT.into(),
        data_set: head,
    };
    let mut polyglot = image.part10();
    for front in [&b"II*\0\x08\0\0\0"[..], b"MM\0*\0\0\0\x08", b"#!/bin/sh\nexit\n", b"MZ\x90\0"] {
        polyglot[..front.len()].copy_from_slice(front);
        // As who sends files sends it: without its head.
        let read = Instance::parse(&polyglot).expect("a Part 10 file");
        assert_eq!(hospital.send(EXPLICIT, &read.sop_instance, &read.data_set), SUCCESS);
        // As one sends it that takes the file for the data set.
        let status = hospital.send(EXPLICIT, &image.sop_instance, &polyglot);
        assert_eq!(status, CANNOT_UNDERSTAND);
    }
    // A data set that goes on where the head ends.
    for further in [
        &b"\x02\0\x10\0UI\x12\x001.2.840.10008.1.2\0"[..],
        b"\x02\0\0\0UL\x04\0\0\0\0\0",
        b"\x02\0\x02\x01OB\0\0\x04\0\0\0abcd",
        b"\x02\0\x01\0OB\0\0\xFE\xFF\0\0",
    ] {
        let (head, sop_instance) = hospital.head();
        let status = hospital.send(EXPLICIT, &sop_instance, &[further, &head].concat());
        println!("{further:02X?}: {status:04X}");
    }
    hospital.check();
}

#[test]
fn odd_files_and_what_a_few_flipped_bytes_make_of_them_are_answered_and_kept_as_they_are() {
    let Some(folder) = need::shared("data/odd") else { return };
    let mut hospital = Hospital::new();
    let (mut answered, mut sent) = (HashMap::<u16, u32>::new(), 0);
    for path in files_below(&folder).iter().filter(|path| path.extension().is_some()) {
        let odd = Odd::read(&std::fs::read(path).expect("a file"));
        for round in 0..16u64 {
            let (class, instance) = (&odd.sop_class, &odd.sop_instance);
            let status = hospital.send_as(class, odd.syntax, instance, &odd.in_round(round));
            if round < 2 {
                let name = path.file_name().unwrap_or_default().display();
                println!("{name}{}: {status:04X}", if round == 0 { "" } else { ", named" });
            }
            *answered.entry(status).or_default() += 1;
            sent += 1;
        }
    }
    println!("{answered:04X?}");
    assert_eq!(answered.values().sum::<u32>(), sent);
    let kept = answered.get(&SUCCESS).copied().unwrap_or(0);
    assert!(kept > 0 && kept < sent, "some are kept and some are not: {answered:04X?}");
    for status in answered.keys() {
        assert!(matches!(status, 0 | 0x0117 | 0xA900..=0xA9FF | 0xC000..=0xCFFF), "{status:04X}");
    }
    hospital.check();
}

/// A file that may have no head, or no transfer syntax in it.
struct Odd {
    syntax: &'static str,
    sop_class: String,
    sop_instance: String,
    data_set: Vec<u8>,
    /// With UIDs in front, where it had none.
    named: Vec<u8>,
}

impl Odd {
    fn read(file: &[u8]) -> Self {
        let guessed = Instance::guess(file);
        let known = [EXPLICIT, IMPLICIT, BIG, DEFLATED, J2K_LOSSLESS, J2K, JPEG_LOSSLESS];
        let known = known.into_iter().find(|syntax| *syntax == guessed.transfer_syntax);
        let syntax = known.unwrap_or(EXPLICIT);
        let or = |uid: String, other: &str| if uid.is_empty() { other.into() } else { uid };
        let names = if guessed.sop_instance.is_empty() { uids(syntax) } else { Vec::new() };
        Self {
            syntax,
            sop_class: or(guessed.sop_class, Template::SOP_CLASS),
            sop_instance: or(guessed.sop_instance, "1.2.3.4"),
            named: [&names, &guessed.data_set[..]].concat(),
            data_set: guessed.data_set,
        }
    }

    /// As it is in round 0, with its UIDs in round 1, and then with a few bytes changed.
    fn in_round(&self, round: u64) -> Vec<u8> {
        if round == 0 {
            return self.data_set.clone();
        }
        let mut data_set = self.named.clone();
        let mut random = [0; 64];
        noise(round, &mut random);
        for place in random.chunks(16).take(if round == 1 { 0 } else { 4 }) {
            let at = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| place[byte]));
            // Most of what can go wrong stands before the pixels.
            let end = data_set.len().min(2000) as u64;
            data_set[(at % end) as usize] ^= place[8] | 1;
        }
        data_set
    }
}

/// What a data set needs to be kept, for one that has nothing of it.
fn uids(syntax: &str) -> Vec<u8> {
    let element = |[group, element]: [u8; 2], value: &str| {
        let length = value.len() as u8;
        let head = match syntax {
            IMPLICIT => [group, 0, element, 0, length, 0, 0, 0],
            _ => [group, 0, element, 0, b'U', b'I', length, 0],
        };
        [&head, value.as_bytes()].concat()
    };
    let class = format!("{}\0", Template::SOP_CLASS);
    let values = [([8, 0x16], &class[..]), ([8, 0x18], "1.2.3.4\0"), ([0x20, 0x0D], "1.2.3\0")];
    let series = ([0x20, 0x0E], "1.2.3.1\0");
    values.into_iter().chain([series]).flat_map(|(tag, value)| element(tag, value)).collect()
}

/// An object that is streamed: pixels of so many bytes of noise, deflated.
fn deflated(head: &[u8], pixels: usize) -> Vec<u8> {
    let mut data_set = [head, &pixel_data(pixels as u32)].concat();
    let front = data_set.len();
    data_set.resize(front + pixels, 0);
    noise(7, &mut data_set[front..]);
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, &data_set).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

#[test]
fn a_large_deflated_object_that_was_cut_is_not_acknowledged_and_a_whole_one_is() {
    let mut hospital = Hospital::new();
    let (head, sop_instance) = hospital.head();
    let whole = deflated(&head, 6 << 20);
    assert!(whole.len() > LARGE + 100_000, "it is streamed");
    for cut in [LARGE + 1, whole.len() - 1000] {
        let status = hospital.send(DEFLATED, &sop_instance, &whole[..cut]);
        assert_eq!(status, CANNOT_UNDERSTAND, "cut at {cut}");
    }
    assert_eq!(hospital.send(DEFLATED, &sop_instance, &whole), SUCCESS);
    hospital.check();
}

/// As an element that is private to its maker.
fn private(length: usize) -> Vec<u8> {
    let head = [b"\x19\0\x01\x10OB\0\0", &(length as u32).to_le_bytes()[..]].concat();
    let mut element = [head, vec![0; length]].concat();
    noise(9, &mut element[12..]);
    element
}

#[test]
fn an_object_may_say_late_which_study_it_belongs_to_but_not_too_late() {
    let mut hospital = Hospital::new();
    let before = hospital.node.memory().resident;
    for (mebibytes, expected) in [(5, SUCCESS), (9, SUCCESS), (14, SUCCESS), (20, 0xC001)] {
        let (head, sop_instance) = hospital.head();
        // Behind the elements of group 0008, where the standard has them.
        let study = head.windows(6).position(|bytes| bytes == b"\x20\0\x0D\0UI").expect("a study");
        let (front, behind) = head.split_at(study);
        let object = [front, &private(mebibytes << 20), behind].concat();
        let status = hospital.send(EXPLICIT, &sop_instance, &object);
        assert_eq!(status, expected, "{mebibytes} MiB in front of it");
    }
    let grown = hospital.node.memory().peak.saturating_sub(before);
    println!("the node grew by {grown} KiB at the most");
    assert!(grown < MOST_KIB, "the node grew by {grown} KiB");
    hospital.check();
}

/// An A-ASSOCIATE-RQ of nearly 1 MiB for a title that is not the node's. Most of it is one-letter
/// transfer syntaxes, which take many times their length in memory.
fn greedy_request(contexts: u8, syntaxes: usize) -> Vec<u8> {
    let item =
        |kind: u8, body: &[u8]| [&[kind, 0][..], &(body.len() as u16).to_be_bytes(), body].concat();
    let context = |number: u8| {
        let class = item(0x30, b"1.2.840.10008.5.1.4.1.1.2");
        let syntaxes = item(0x40, b"1").repeat(syntaxes);
        item(0x20, &[&[number * 2 + 1, 0, 0, 0][..], &class, &syntaxes].concat())
    };
    let mut body = [&b"\0\x01\0\0ELSEWHERE       CT1             "[..], &[0; 32]].concat();
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    body.extend((0..contexts).flat_map(context));
    while body.len() < 980_000 {
        body.extend(item(0x77, &[7; 60_000]));
    }
    [&[1, 0][..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

#[test]
fn refused_requests_of_a_mebibyte_are_not_held_until_their_peers_close() {
    let mut hospital = Hospital::new();
    let before = hospital.node.memory().resident;
    let mut peers = Vec::new();
    // 128 contexts as the node takes them, and more transfer syntaxes than it does.
    for request in [greedy_request(128, 96), greedy_request(14, 13_000)] {
        for _ in 0..28 {
            let address = ("127.0.0.1", hospital.node.port);
            let mut peer = std::net::TcpStream::connect(address).expect("it listens");
            std::io::Write::write_all(&mut peer, &request).expect("it is taken");
            let mut answer = [0; 10];
            std::io::Read::read_exact(&mut peer, &mut answer).expect("an answer");
            assert!(matches!(answer[0], 3 | 7), "a rejection or an abort: {answer:?}");
            peers.push(peer);
        }
    }
    let held = hospital.node.memory().resident.saturating_sub(before);
    println!("{} connections that wait for their end hold {held} KiB", peers.len());
    assert!(held < 24 << 10, "{held} KiB are held");
    drop(peers);
    hospital.check();
}
