//! dicom-validator: the modules of a class as PS3.3 lists them, from the tables that highdicom carries.

use super::validators::python;
use dicom_dictionary_std::tags;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

/// One for all files: its start takes longer than a hundred answers. It ends with this program, when
/// nothing more can be asked.
static JUDGE: LazyLock<Option<Mutex<Judge>>> = LazyLock::new(|| {
    let Some(python) = python() else {
        println!(
            "skipped: no Python with dicom-validator is in .tools/venv (make test installs it)"
        );
        return None;
    };
    let mut judge = Command::new(python)
        .args(["-W", "ignore", "-c", include_str!("module_tables.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a Python");
    let questions = judge.stdin.take().expect("asked for");
    let answers = BufReader::new(judge.stdout.take().expect("asked for")).lines();
    Some(Mutex::new(Judge { _process: judge, questions, answers }))
});

struct Judge {
    _process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// A fault, and whether it is none of this file.
type Allowed = (&'static str, fn(&Path) -> bool);

/// Faults that hold only where a condition does which the tables can not know, and what makes them none.
const ALLOWED: [Allowed; 1] = [
    // Type 1 in C.7.6.6, and in C.8.6.3, which is of these classes alone, Type 1C: where Number of Frames is above 1.
    ("multi-frame: FrameIncrementPointer: TagMissing", is_capture_of_one_frame),
];

fn is_capture_of_one_frame(path: &Path) -> bool {
    const MULTI_FRAME_CAPTURES: &str = "1.2.840.10008.5.1.4.1.1.7.";
    let Ok(object) = dicom_object::open_file(path) else { return false };
    let is = |tag, wanted: fn(&str) -> bool| {
        object.element(tag).is_ok_and(|element| element.to_str().is_ok_and(|text| wanted(&text)))
    };
    is(tags::SOP_CLASS_UID, |class| class.starts_with(MULTI_FRAME_CAPTURES))
        && is(tags::NUMBER_OF_FRAMES, |frames| frames.trim() == "1")
}

/// Attributes that are missing, empty, not of the class or not of their VR, as `module: attribute: fault`.
/// What is conditional is never missed, and functional groups and content items are not looked into.
pub fn faults(path: &Path) -> Vec<String> {
    let Some(judge) = JUDGE.as_ref() else { return vec![] };
    let mut judge = judge.lock().expect("dicom-validator has answered before");
    writeln!(judge.questions, "{}", path.display()).expect("dicom-validator listens");
    let mut faults = vec![];
    loop {
        let line = judge.answers.next().expect("dicom-validator answers").expect("text");
        if line.is_empty() {
            break;
        }
        faults.push(line);
    }
    faults.retain(|fault| !ALLOWED.iter().any(|(allowed, here)| fault == allowed && here(path)));
    faults
}
