//! An enhanced multi-frame of more than 2 GB: it is kept bit for bit while the node's memory hardly grows, and comes out again in the same way.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use kit::instance::files_below;
use kit::load;
use kit::need;
use kit::node::{Node, Setup};
use kit::template::{encode, noise, pixel_data};
use kit::wire::Wire;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

const FRAMES: u32 = 4100;
const ROWS: u16 = 512;
const PIXELS: u32 = FRAMES * ROWS as u32 * ROWS as u32 * 2;
const SOP_INSTANCE: &str = "2.25.2147483648000000000000000001";
/// What the node may hold more than before, and what a command may hold at all.
const MOST_KIB: u64 = 64 << 10;

#[test]
fn a_multi_frame_above_two_gigabytes_is_kept_and_exported_in_bounded_memory() {
    const { assert!(PIXELS > 1 << 31) };
    let Some(()) = need::disk(6 << 30) else { return };
    let models = TempDir::new().expect("a temporary folder");
    let setup = Setup::new().scanner("CT1").models(models.path());
    let mut node = setup.start();
    let mut source = Source::new(load::seed());
    let length = source.length();
    let before = node.memory();
    let since = Instant::now();
    let mut wire = Wire::request("CT1", node.port, uids::ENHANCED_CT_IMAGE_STORAGE);
    let wire = wire.as_mut().expect("accepted");
    let status = wire.store_from(SOP_INSTANCE, length, &mut source).expect("an answer");
    assert_eq!(status, 0x0000, "{}", node.status());
    let (grown, seconds) = (node.memory().peak - before.resident, since.elapsed().as_secs_f64());
    println!("{length} bytes in {seconds:.1} s, the node grew by {grown} KiB at the most");
    assert!(grown < MOST_KIB, "the node grew by {grown} KiB");
    let digest = source.digest.finalize();

    node.wait_until_indexed();
    compare_exported(&node, length, digest);
    let (verified, held) = node.gantry_measured(&["verify"]);
    println!("gantry verify held {held} KiB: {}", verified.out);
    assert!(verified.success, "{verified:?}");
    assert!(held < MOST_KIB, "gantry verify held {held} KiB");

    assert!(node.stop().success());
    let index = std::fs::metadata(node.data().join("index.db")).expect("an index").len();
    println!("the index has {index} bytes");
    assert!(index < 2 << 20, "bulk data and every frame are no part of a header: {index} bytes");
}

fn compare_exported(node: &Node, length: u64, digest: blake3::Hash) {
    let folder = TempDir::new().expect("a temporary folder");
    let to = folder.path().join("out");
    let (said, held) =
        node.gantry_measured(&["export", SOP_INSTANCE, "--to", &to.to_string_lossy()]);
    println!("gantry export held {held} KiB");
    assert!(said.success, "{said:?}");
    assert!(held < MOST_KIB, "gantry export held {held} KiB");
    let files = files_below(&to);
    assert_eq!(files.len(), 1);
    assert!(digest_of_tail(&files[0], length) == digest, "what was exported differs");
}

/// Of the last bytes of a file, which are the data set.
fn digest_of_tail(path: &Path, length: u64) -> blake3::Hash {
    let mut file = File::open(path).expect("an exported file");
    let end = file.metadata().expect("an exported file").len();
    file.seek(SeekFrom::Start(end - length)).expect("as long as the data set at least");
    let mut digest = blake3::Hasher::new();
    std::io::copy(&mut file, &mut digest).expect("the file can be read");
    digest.finalize()
}

/// The data set, made while it is read, and the digest of what was read so far.
struct Source {
    front: Vec<u8>,
    seed: u64,
    position: u64,
    digest: blake3::Hasher,
}

impl Source {
    fn new(seed: u32) -> Self {
        let mut front = encode(attributes());
        // The functional groups alone are more than the node collects before it streams.
        assert!(front.len() > 5 << 20);
        front.extend_from_slice(&pixel_data(PIXELS));
        Self { front, seed: seed.into(), position: 0, digest: blake3::Hasher::new() }
    }

    fn length(&self) -> u64 {
        self.front.len() as u64 + u64::from(PIXELS)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let front = self.front.get(self.position as usize..).unwrap_or_default();
        let left = self.length() - self.position;
        let read = match front.len() {
            0 => buffer.len().min(left as usize),
            some => buffer.len().min(some),
        };
        match front.len() {
            0 => noise(self.seed ^ self.position, &mut buffer[..read]),
            _ => buffer[..read].copy_from_slice(&front[..read]),
        }
        self.position += read as u64;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}

fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn number(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

fn attributes() -> InMemDicomObject {
    let frames = (1..=FRAMES).map(frame).collect();
    InMemDicomObject::from_element_iter([
        text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        text(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, SOP_INSTANCE),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::PATIENT_ID, VR::LO, "NOISE"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, "2.25.2147483648000000000000000002"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, "2.25.2147483648000000000000000003"),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        number(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        text(tags::NUMBER_OF_FRAMES, VR::IS, &FRAMES.to_string()),
        number(tags::ROWS, ROWS),
        number(tags::COLUMNS, ROWS),
        number(tags::BITS_ALLOCATED, 16),
        number(tags::BITS_STORED, 16),
        number(tags::HIGH_BIT, 15),
        number(tags::PIXEL_REPRESENTATION, 1),
        sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames),
    ])
}

fn frame(which: u32) -> InMemDicomObject {
    let content = InMemDicomObject::from_element_iter([
        text(tags::FRAME_ACQUISITION_DATE_TIME, VR::DT, "20260101120000"),
        text(tags::FRAME_COMMENTS, VR::LT, &"as long as a vendor's own groups ".repeat(40)),
        text(tags::STACK_ID, VR::SH, "1"),
    ]);
    let place = text(tags::IMAGE_POSITION_PATIENT, VR::DS, &format!("0\\0\\{which}"));
    let place = InMemDicomObject::from_element_iter([place]);
    InMemDicomObject::from_element_iter([
        sequence(tags::PLANE_POSITION_SEQUENCE, vec![place]),
        sequence(tags::FRAME_CONTENT_SEQUENCE, vec![content]),
    ])
}
