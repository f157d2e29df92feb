//! Damage that a disk or an accident does to the data folder is found, named to the admin and survived: nothing damaged is given out as good, and all else is.

use kit::instance::{Instance, files_below};
use kit::node::{Node, Said, Setup};
use kit::template::{Number, Template};
use kit::wire::Wire;
use std::collections::HashMap;
use std::path::PathBuf;
use tempfile::TempDir;

/// In front of every record of a segment.
const MAGIC: &[u8] = b"\x89GANTRY\n";
const IMAGES: u32 = 40;
/// In the middle of the segment.
const DAMAGED: u32 = 17;

struct Hospital {
    node: Node,
    /// An empty one, without which the node does not start.
    _models: TempDir,
    /// By their SOP Instance UIDs.
    sent: HashMap<String, Vec<u8>>,
}

impl Hospital {
    /// A node that has kept some images and was stopped.
    fn stopped() -> Self {
        let models = TempDir::new().expect("a temporary folder");
        let node = Setup::new().scanner("CT1").models(models.path()).start();
        let mut hospital = Self { node, _models: models, sent: HashMap::new() };
        for image in 1..=IMAGES {
            hospital.send(image);
        }
        assert!(hospital.node.stop().success());
        hospital
    }

    fn send(&mut self, image: u32) {
        let number = number(image);
        let data_set = Template::ct(72, 70).image(number).to_vec();
        let mut wire = Wire::request("CT1", self.node.port, Template::SOP_CLASS).expect("accepted");
        let status = wire.store(&number.sop_instance_uid(), &data_set);
        assert_eq!(status, Ok(0x0000), "{}", self.node.log());
        wire.release();
        self.sent.insert(number.sop_instance_uid(), data_set);
    }

    fn segment(&self) -> PathBuf {
        self.node.data().join("segments/00000001.seg")
    }

    /// Changes the bytes of the segment while the node is stopped.
    fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.segment()).expect("a segment");
        change(&mut bytes);
        std::fs::write(self.segment(), bytes).expect("a segment");
    }

    /// Where the record of an image begins and ends.
    fn record(&self, image: u32) -> (usize, usize) {
        let bytes = std::fs::read(self.segment()).expect("a segment");
        let uid = number(image).sop_instance_uid();
        let named = find(&bytes, uid.as_bytes(), 0).expect("the image is in the first segment");
        let begin = (0..named).rev().find(|at| bytes[*at..].starts_with(MAGIC));
        (begin.expect("a record"), find(&bytes, MAGIC, named).unwrap_or(bytes.len()))
    }

    fn length(&self) -> u64 {
        std::fs::metadata(self.segment()).expect("a segment").len()
    }

    fn lose_index(&self) {
        for name in ["index.db", "index.db-wal", "index.db-shm"] {
            let _ = std::fs::remove_file(self.node.data().join(name));
        }
    }

    /// All but these come out bit for bit, and these do not come out at all.
    fn assert_kept_but(&self, lost: &[String]) -> Said {
        self.node.wait_until_indexed();
        let folder = TempDir::new().expect("a temporary folder");
        let to = folder.path().join("out");
        let said = self.node.gantry(&["export", "all", "--to", &to.to_string_lossy()]);
        let files = files_below(&to);
        for path in &files {
            let instance = Instance::read(path);
            assert!(!lost.contains(&instance.sop_instance), "given out: {}", path.display());
            assert!(self.sent[&instance.sop_instance] == instance.data_set, "{}", path.display());
        }
        assert_eq!(files.len(), self.sent.len() - lost.len(), "{said:?}");
        said
    }

    fn assert_whole(&self) {
        assert!(self.assert_kept_but(&[]).success);
        let verified = self.node.gantry(&["verify"]);
        assert!(verified.success, "{verified:?}");
    }
}

fn number(image: u32) -> Number {
    Number { run: 1, scanner: 1, study: 1, series: 1, image }
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(what.len()).position(|part| part == what).map(|at| at + from)
}

/// How long it is up to the zeros that it ends with.
fn without_zeros(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn assert_tells(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_told_and_everything_before_it_is_whole() {
    let mut hospital = Hospital::stopped();
    let (begin, end) = hospital.record(DAMAGED);
    let record = std::fs::read(hospital.segment()).expect("a segment")[begin..end].to_vec();
    // Behind the last two lies what was prepared: a killed node leaves the segment so.
    let tails = [(10, 0), (70, 0), (record.len() / 2, 0), (4096, 40 << 20), (8192, 40 << 20)];
    for (image, (length, zeros)) in (IMAGES + 1..).zip(tails) {
        let (tail, whole) = (&record[..length], hospital.length());
        hospital.damage(|bytes| {
            bytes.extend_from_slice(tail);
            bytes.resize(bytes.len() + zeros, 0);
        });
        hospital.node.start();
        let place = format!("the last {} bytes of segment 1, at {whole},", without_zeros(tail));
        let cut = format!("{place} were no whole record");
        assert_tells(&hospital.node.status(), &[&cut, "were cut off"]);
        assert!(!hospital.node.data().join("damaged").exists());
        hospital.send(image);
        hospital.assert_whole();
        assert!(hospital.node.stop().success());
    }
}

#[test]
fn what_no_broken_off_write_leaves_is_put_aside_and_told_as_damage() {
    let mut hospital = Hospital::stopped();
    let noise: Vec<u8> = (0..7001_u32).map(|i| (i * i % 251) as u8 | 1).collect();
    let whole = hospital.length();
    hospital.damage(|bytes| bytes.extend_from_slice(&noise));
    hospital.node.start();
    let place = format!("the last 7001 bytes of segment 1, at {whole},");
    let aside = format!("damaged/00000001-{whole}.record");
    assert_tells(&hospital.node.status(), &[&place, "were put aside", &aside]);
    assert!(std::fs::read(hospital.node.data().join(aside)).expect("put aside") == noise);
    hospital.send(IMAGES + 1);
    hospital.assert_whole();
}

#[test]
fn a_segment_that_lost_its_end_costs_only_what_lay_there() {
    let mut hospital = Hospital::stopped();
    let (begin, _) = hospital.record(IMAGES);
    let length = begin + 3000;
    hospital.damage(|bytes| bytes.truncate(length));
    let lost = number(IMAGES).sop_instance_uid();
    let place = format!("of {lost} in segment 1 at {begin} is damaged or gone");
    let verified = hospital.node.gantry(&["verify"]);
    assert!(!verified.success);
    assert_tells(&verified.err, &[&place]);

    hospital.node.start();
    let missing = format!("bytes, at {length}, and with them {lost}");
    assert_tells(&hospital.node.status(), &["segment 1 has lost its last", &missing]);
    hospital.send(IMAGES + 1);
    let said = hospital.assert_kept_but(std::slice::from_ref(&lost));
    assert!(!said.success);
    assert_tells(&said.err, &[&lost, "segment 1 is damaged at byte"]);
}

#[test]
fn a_flipped_bit_in_head_meta_or_payload_is_named_and_never_given_out() {
    // Where in the record, counted from its first byte; behind 64 bytes of head comes the meta.
    for (part, at) in [("head", 17), ("digest", 40), ("meta", 64 + 9), ("payload", 4000)] {
        println!("a flipped bit in the {part}");
        let mut hospital = Hospital::stopped();
        let (begin, _) = hospital.record(DAMAGED);
        hospital.damage(|bytes| bytes[begin + at] ^= 0x04);
        let damaged = number(DAMAGED).sop_instance_uid();
        let place = format!("segment 1 is damaged at {begin}");
        let whose = format!("of {damaged} in segment 1 at {begin} is damaged or gone");
        let verified = hospital.node.gantry(&["verify"]);
        assert!(!verified.success);
        assert_tells(&verified.err, &[&place, &whose]);

        hospital.node.start();
        hospital.send(IMAGES + 1);
        let said = hospital.assert_kept_but(std::slice::from_ref(&damaged));
        assert!(!said.success);
        let place = format!("segment 1 is damaged at byte {begin}");
        assert_tells(&said.err, &[&damaged, &place]);
        let folder = TempDir::new().expect("a temporary folder");
        let to = folder.path().join("out");
        let alone = hospital.node.gantry(&["export", &damaged, "--to", &to.to_string_lossy()]);
        assert!(!alone.success);
        assert_tells(&alone.err, &[&damaged, &place]);
        assert!(files_below(&to).is_empty());
        let verified = hospital.node.gantry(&["verify"]);
        assert_eq!(verified.err.lines().count(), 2, "nothing else is damaged: {verified:?}");

        // The way out: forget the damaged record, and let the scanner send the image again.
        assert!(hospital.node.stop().success());
        let built = hospital.node.gantry(&["reindex"]);
        assert!(!built.success, "a problem was found: {built:?}");
        assert_tells(
            &built.err,
            &["segment 1 has", &format!("bytes at {begin} that are no record")],
        );
        hospital.node.start();
        hospital.send(DAMAGED);
        assert!(hospital.assert_kept_but(&[]).success);
    }
}

#[test]
fn a_lost_index_is_built_again_by_the_next_start_which_tells() {
    let mut hospital = Hospital::stopped();
    hospital.lose_index();
    let verified = hospital.node.gantry(&["verify"]);
    assert!(!verified.success);
    assert_tells(&verified.err, &["index.db is gone", "gantry reindex"]);
    hospital.node.start();
    let told =
        format!("the index was gone and was built again from {IMAGES} records in 1 segments");
    assert_tells(&hospital.node.status(), &[&told]);
    hospital.assert_whole();
    hospital.send(IMAGES + 1);
    hospital.assert_whole();
}

#[test]
fn an_index_that_is_garbage_stops_the_start_with_the_way_out() {
    let mut hospital = Hospital::stopped();
    std::fs::write(hospital.node.data().join("index.db"), vec![0x55; 40_000]).expect("garbled");
    let said = hospital.node.refuses_to_start();
    assert_tells(&said, &["gantry reindex"]);
    let built = hospital.node.gantry(&["reindex"]);
    assert!(built.success, "{built:?}");
    assert_tells(&built.out, &["it was put aside as", &format!("{IMAGES} instances")]);
    hospital.node.start();
    hospital.assert_whole();
}

#[test]
fn a_lost_index_and_a_flipped_bit_together_cost_one_image_which_can_be_sent_again() {
    let mut hospital = Hospital::stopped();
    let (begin, end) = hospital.record(DAMAGED);
    let (last, _) = hospital.record(IMAGES);
    let length = without_zeros(&std::fs::read(hospital.segment()).expect("a segment"));
    // One in the middle, and the last record, which then looks like a torn tail.
    hospital.damage(|bytes| {
        bytes[begin + 4000] ^= 1;
        bytes[last + 17] ^= 1;
    });
    hospital.lose_index();
    hospital.node.start();
    let lost = [number(DAMAGED), number(IMAGES)].map(|number| number.sop_instance_uid());
    let middle = format!("segment 1 has {} bytes at {begin} that are no record", end - begin);
    let tail = format!("the last {} bytes of segment 1, at {last},", length - last);
    let aside = format!("damaged/00000001-{last}.record");
    assert_tells(&hospital.node.status(), &[&middle, &lost[0], &tail, &lost[1], &aside]);
    let kept = std::fs::metadata(hospital.node.data().join(&aside)).expect("put aside").len();
    assert_eq!(kept as usize, length - last, "nothing is thrown away");
    hospital.assert_kept_but(&lost);
    hospital.send(DAMAGED);
    hospital.send(IMAGES);
    hospital.assert_kept_but(&[]);
}
