//! Readers of other makers: whether highdicom, pydicom and dcmqi find in a result what was put into it.

use super::reading::{Object, text};
use super::validators::{beside_python, python, run};
use super::voxels::taken_apart;
use dicom_dictionary_std::tags;
use gantry_results::{Measured, Source, render};
use gantry_terms::findings::Findings;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;

/// Programs of dcmqi, which lie beside the Python of the validators.
const OF_SEGMENTS: &str = "segimage2itkimage";
const OF_MAPS: &str = "paramap2itkimage";
const OF_REPORTS: &str = "tid1500reader";

/// One for all results: its start takes longer than a hundred answers. It ends with this program.
static READERS: LazyLock<Option<Mutex<Readers>>> = LazyLock::new(|| {
    let there = |name| beside_python(name).is_some();
    if ![OF_SEGMENTS, OF_MAPS, OF_REPORTS].into_iter().all(there) {
        println!("skipped: highdicom and dcmqi are not in .tools/venv (make test installs them)");
        return None;
    }
    let mut process = Command::new(python()?)
        .args(["-W", "ignore", "-c", include_str!("readers.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a Python");
    let questions = process.stdin.take().expect("asked for");
    let answers = BufReader::new(process.stdout.take().expect("asked for")).lines();
    Some(Mutex::new(Readers { _process: process, questions, answers }))
});

struct Readers {
    _process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

pub fn are_here() -> bool {
    READERS.is_some()
}

/// What was put into the results of one source, in a folder where the readers find it.
pub struct Put {
    folder: TempDir,
    /// By the bytes of the result: several cells have the same segmentation.
    known: Mutex<HashMap<Vec<u8>, Read>>,
}

/// What the readers said of a result.
#[derive(Debug, Clone, Default)]
pub struct Read {
    pub faults: Vec<String>,
    /// What a reader has no way for, with its name and the reason.
    pub cannot: Vec<String>,
}

impl Put {
    /// `findings` with the masks and the groups of all results; `derived` as a reader finds the values of derived images; `flagged` as the
    /// slices with something to look at, none for the whole image.
    pub fn new<'a>(
        source: &Source,
        measured: impl Into<Measured<'a>>,
        findings: &Findings,
        derived: &[f32],
        flagged: Option<&[usize]>,
    ) -> Self {
        let (folder, measured) = (tempfile::tempdir().expect("a folder"), measured.into());
        let put = Self { folder, known: Mutex::default() };
        let [rows, columns] = measured.size();
        put.write("size", format!("{rows} {columns}"));
        put.place(measured);
        put.numbers(findings);
        put.segments(findings);
        put.write("derived", derived.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>());
        let mapped = findings.derived.iter().flat_map(|image| &image.values);
        put.write("map", mapped.flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());
        put.flagged(measured, flagged);
        for slice in 0..measured.slices() {
            let picture = render(source, measured, findings, slice).expect("a picture");
            put.write(&format!("picture-{slice}"), picture.rgb);
        }
        put
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), bytes).expect("a file");
    }

    fn place(&self, measured: Measured) {
        let mut slices = String::new();
        let (mut plane, mut places) = (String::new(), vec![[0.0; 3]; measured.slices()]);
        if let (Measured::Volume(volume), Some(_)) = (measured, measured.frame_of_reference()) {
            let geometry = &volume.geometry;
            let numbers = geometry.row_direction.iter().chain(&geometry.column_direction);
            for number in numbers.chain(&geometry.pixel_spacing) {
                write!(plane, "{number} ").expect("written to memory");
            }
            places = volume.slices.iter().map(|slice| slice.position).collect();
        }
        for (at, [x, y, z]) in places.into_iter().enumerate() {
            let image = measured.image(at).expect("a slice");
            let (uid, frame) = (image.sop_instance, image.frame.unwrap_or(0));
            writeln!(slices, "{uid} {frame} {x} {y} {z}").expect("written to memory");
        }
        self.write("slices", slices);
        self.write("plane", plane);
    }

    fn numbers(&self, findings: &Findings) {
        let (mut numbers, mut labels) = (String::new(), String::new());
        for group in &findings.groups {
            writeln!(labels, "{}", group.label).expect("written to memory");
            for number in &group.measurements {
                let value = number.value.map_or("-".into(), |value| format!("{value}"));
                let (concept, unit) = (&number.concept, &number.unit.value);
                let said = [&group.label, &concept.value, &concept.scheme, unit, &value];
                let said: Vec<&str> = said.into_iter().map(String::as_str).collect();
                writeln!(numbers, "{}", said.join("\t")).expect("written to memory");
            }
        }
        self.write("numbers", numbers);
        self.write("labels", labels);
    }

    fn segments(&self, findings: &Findings) {
        let apart = taken_apart(findings.clone()).masks;
        self.write(
            "masks",
            findings.masks.iter().map(|m| &m.voxels[..]).collect::<Vec<_>>().concat(),
        );
        self.write("apart", apart.iter().map(|m| &m.voxels[..]).collect::<Vec<_>>().concat());
        let probable = findings.masks.iter().map(|mask| &mask.probabilities[..]);
        self.write("probabilities", probable.collect::<Vec<_>>().concat());
    }

    fn flagged(&self, measured: Measured, slices: Option<&[usize]>) {
        let all: Vec<usize> = (0..measured.slices()).collect();
        let mut flagged = String::new();
        for at in slices.unwrap_or(&all) {
            let image = measured.image(*at).expect("a slice");
            let frame = image.frame.filter(|_| slices.is_some()).unwrap_or(0);
            writeln!(flagged, "{}\t{frame}", image.sop_instance).expect("written to memory");
        }
        self.write("flagged", flagged);
    }

    /// Nothing where there are no readers.
    pub fn read(&self, result: &Path) -> Read {
        let Some(readers) = READERS.as_ref() else { return Read::default() };
        let bytes = std::fs::read(result).expect("a file");
        if let Some(read) = self.known.lock().expect("no one panicked with it").get(&bytes) {
            return read.clone();
        }
        by_dcmqi(result, &bytes);
        let mut readers = readers.lock().expect("the readers have answered before");
        let folder = self.folder.path().display();
        writeln!(readers.questions, "{folder}\t{}", result.display()).expect("they listen");
        let mut read = Read::default();
        loop {
            let line = readers.answers.next().expect("the readers answer").expect("text");
            match line.split_once('\t') {
                Some(("cannot", text)) => read.cannot.push(text.to_owned()),
                Some((_, text)) => read.faults.push(text.to_owned()),
                None => break,
            }
        }
        drop(readers);
        self.known.lock().expect("no one panicked with it").insert(bytes, read.clone());
        read
    }
}

/// Volumes as images of ITK in a folder beside the result, measurements as JSON, and what the program said.
fn by_dcmqi(result: &Path, bytes: &[u8]) {
    let reader = std::io::Cursor::new(bytes);
    let object: Object = dicom_object::from_reader(reader).expect("a readable result").into_inner();
    let class = text(&object, tags::SOP_CLASS_UID);
    let beside = |what: &str| PathBuf::from(format!("{}.{what}", result.display()));
    let name = result.display().to_string();
    let (folder, json) = (beside("d"), beside("json"));
    let (to, measured) = (folder.display().to_string(), json.display().to_string());
    let volume = ["--inputDICOM", &name, "--outputDirectory", &to, "--outputType", "nrrd"];
    let measurements = ["--inputDICOM", &name, "--outputMetadata", &measured];
    let (program, arguments): (&str, &[&str]) = match class.trim_end_matches('\0') {
        "1.2.840.10008.5.1.4.1.1.66.4" | "1.2.840.10008.5.1.4.1.1.66.7" => (OF_SEGMENTS, &volume),
        "1.2.840.10008.5.1.4.1.1.30" => (OF_MAPS, &volume),
        "1.2.840.10008.5.1.4.1.1.88.11" | "1.2.840.10008.5.1.4.1.1.88.59" => return,
        class if class.starts_with("1.2.840.10008.5.1.4.1.1.88.") => (OF_REPORTS, &measurements),
        _ => return,
    };
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = beside_python(program).expect("it is there");
    std::fs::write(beside("said"), run(&program, arguments)).expect("a file");
}
