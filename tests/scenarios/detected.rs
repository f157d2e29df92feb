//! What a model finds at a place, and images that it makes, on their way through the node: boxes in the report, a derived series beside the originals.

use kit::balls::{BALLS, chest_with};
use kit::instance::{Instance, ReceivedFile};
use kit::modality::send;
use kit::need;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::validators::{assert_as_valid_as, report_tree, state_faults};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

const BASIC_TEXT: &str = "1.2.840.10008.5.1.4.1.1.88.11";

const RULE: &str = r#"
[[rule]]
name = "balls in phantoms"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.then]
run  = "bright-balls"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture", "derived-images", "key-objects", "presentation-state", "text-report", "encapsulated-pdf"] }
"#;

/// A folder of models with this one in it.
fn model(python: &Path) -> tempfile::TempDir {
    let models = tempfile::tempdir().expect("a temporary folder");
    let folder = models.path().join("bright-balls");
    std::fs::create_dir_all(&folder).expect("a fresh folder can be written");
    let manifest = need::root().join("tests/scenarios/models/bright-balls.toml");
    std::fs::copy(manifest, folder.join("model.toml")).expect("the manifest can be copied");
    let script = include_str!("../kit/ball_model.py");
    said(python, script, &[&folder.join("model.onnx")], &[]);
    models
}

fn said(python: &Path, script: &str, paths: &[&Path], more: &[&str]) -> String {
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", script]).args(paths).args(more);
    let output = command.output().expect("Python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_was_found_is_outlined_where_it_is_and_images_come_back_as_a_series_of_their_own() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let models = model(&python);
    let chest = chest_with("detected", &BALLS);
    let sources = tempfile::tempdir().expect("a temporary folder");
    Instance::write_all(&chest.instances, sources.path());

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().models(models.path()).rules("balls.toml", RULE).scanner("CT1");
    let node = setup.pacs(&pacs).start();
    send("CT1", &node, &chest.instances);
    let images = chest.instances.len();
    let received = pacs.wait_for(images + 6, PATIENCE);

    let source = ReceivedFile::first_of(sources.path());
    for result in &received {
        assert_as_valid_as(&result.path, &source.path);
        assert_eq!(result.study, source.study, "results stand in the patient's own study");
    }
    assert_eq!(received.iter().filter(|file| file.is_capture()).count(), 1);
    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    compare_words(&node, &received);
    report_tree(&report.path);
    let told = said(&python, include_str!("../kit/regions.py"), &[&report.path], &[]);
    assert_eq!(regions(&told), expected(&chest.instances), "{told}");

    let key_images = received.iter().find(|file| file.modality == "KO").expect("key objects");
    compare_key_images(&node, key_images, &chest.instances);
    let state = received.iter().find(|file| file.modality == "PR").expect("a presentation state");
    assert_eq!(state_faults(&state.path), Vec::<String>::new());
    let drawn = said(&python, include_str!("../kit/outlines.py"), &[&state.path], &[]);
    assert_eq!(regions(&drawn), drawn_balls(&chest.instances), "{drawn}");
    let shown = node.gantry(&["show", &state.sop_instance]);
    assert!(shown.success, "{shown:?}");
    for line in [
        "OUTLINES: FOR RESEARCH USE ONLY. Bright balls 1 (over 5 images)",
        "layer FINDING_1, Ball 1: 4 lines on 4 images, \"Ball 1: 80.0 %\"",
        "layer FINDING_2, Ball 2: 1 lines on 1 image, \"Ball 2: 60.0 %\"",
        "layer NOTICE, FOR RESEARCH USE ONLY: 0 lines on all images, \"FOR RESEARCH USE ONLY\"",
    ] {
        assert!(shown.out.contains(line), "{line} is not in {}", shown.out);
    }

    let derived: Vec<&ReceivedFile> =
        received.iter().filter(|file| file.modality == "CT").collect();
    let derived: Vec<_> = derived.into_iter().filter(|file| !file.is_capture()).collect();
    assert_eq!(derived.len(), images);
    let series: BTreeSet<&str> = derived.iter().map(|file| file.series.as_str()).collect();
    assert_eq!(series.len(), 1, "one series");
    assert!(!series.contains(source.series.as_str()), "beside the originals");
    let beside = tempfile::tempdir().expect("a temporary folder");
    for (number, file) in derived.iter().enumerate() {
        let to = beside.path().join(format!("{number:04}.dcm"));
        std::fs::copy(&file.path, to).expect("copied");
    }
    let script = include_str!("../kit/beside.py");
    let other = said(&python, script, &[sources.path(), beside.path()], &["0.5"]);
    assert_eq!(other, "");

    let explained = node.explain(&chest.series);
    assert!(explained.contains("Certainty of Finding: 80.000 %"), "{explained}");
    assert!(explained.contains("Lesion: absent"), "{explained}");
    let again = node.gantry(&["reproduce", &chest.series]);
    assert!(again.success, "{again:?}");
    assert_eq!(again.out.matches("is the same, byte for byte").count(), images + 6, "{again:?}");
    node.gantry(&["status"]);
    assert_eq!(pacs.received().len(), images + 6, "results start nothing by themselves");
}

/// In mm of the patient for a PACS that knows regions there, and in pixels of the images for one that does not.
#[test]
fn a_rule_that_asks_for_it_has_regions_told_in_the_patient_and_older_archives_get_them_in_pixels() {
    const ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.88.22";
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let models = model(&python);
    let chest = chest_with("in the patient", &BALLS);
    let sources = tempfile::tempdir().expect("a temporary folder");
    Instance::write_all(&chest.instances, sources.path());
    let (all, old) = (Pacs::up("ALL"), Pacs::taking("OLD", &[ENHANCED]));
    let rule = "[[rule]]\nname = \"balls in the patient\"\n[rule.select]\nModality = \"CT\"\nPatientID = \"PHANTOM\"\n\
                [rule.then]\nrun = \"bright-balls\"\n\
                send = { to = [\"ALL\", \"OLD\"], as = [\"structured-report\"], regions = \"patient\" }\n";
    let setup = Setup::new().models(models.path()).rules("balls.toml", rule).scanner("CT1");
    let node = setup.pacs(&all).pacs(&old).start();
    send("CT1", &node, &chest.instances);
    let source = ReceivedFile::first_of(sources.path());
    let [deep, flat] = [&all, &old].map(|pacs| pacs.wait_for(1, PATIENCE).remove(0));
    for report in [&deep, &flat] {
        assert_as_valid_as(&report.path, &source.path);
    }
    let tree = report_tree(&deep.path);
    assert_eq!(tree.matches("SCOORD3D:").count(), 5, "{tree}");
    let script = include_str!("../kit/regions_in_patient.py");
    let told = said(&python, script, &[&deep.path, sources.path()], &[]);
    assert_eq!(regions(&told), expected(&chest.instances), "{told}");
    assert_eq!(flat.sop_class, ENHANCED);
    let told = said(&python, include_str!("../kit/regions.py"), &[&flat.path], &[]);
    assert_eq!(regions(&told), expected(&chest.instances), "{told}");

    let shown = node.gantry(&["show", &deep.sop_instance]);
    assert!(shown.success, "{shown:?}");
    assert_eq!(shown.out.matches("Volume Surface: POLYGON, 5 points").count(), 4, "{}", shown.out);
    assert_eq!(shown.out.matches("Image Region: POLYGON, 5 points").count(), 1, "{}", shown.out);
    for report in [&deep, &flat] {
        let again = node.gantry(&["reproduce", &report.sop_instance]);
        assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
    }
}

/// The same findings as sentences, for DCMTK, for `gantry show` and on the pages of the PDF.
fn compare_words(node: &Node, received: &[ReceivedFile]) {
    const SAID: [&str; 3] = [
        "Ball 1 (Nodule): Certainty of Finding 80 %",
        "Ball 2 (Nodule): Certainty of Finding 60 %",
        "Brighter than bone (Lesion): absent",
    ];
    let words = received.iter().find(|file| file.sop_class == BASIC_TEXT).expect("a text report");
    report_tree(&words.path);
    let shown = node.gantry(&["show", &words.sop_instance]);
    for line in SAID {
        assert!(shown.out.contains(&format!("Finding: {line}")), "{line} is not in {shown:?}");
    }
    let pages = received.iter().find(|file| file.modality == "DOC").expect("a PDF");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().display().to_string();
    let shown = node.gantry(&["show", &pages.sop_instance, "--to", &to]);
    let pdf = folder.path().join(format!("{}.pdf", pages.sop_instance));
    assert!(shown.success && shown.out.contains(&pdf.display().to_string()), "{shown:?}");
    let bytes = std::fs::read(&pdf).expect("it was written");
    assert!(bytes.starts_with(b"%PDF-") && bytes.ends_with(b"%%EOF\n"), "to its last byte");
    for line in SAID {
        // Brackets are escaped within a string of a PDF.
        let line = line.replace('(', "\\(").replace(')', "\\)");
        assert!(String::from_utf8_lossy(&bytes).contains(&line), "{line}");
    }
}

/// As the state draws them: text, image, edges.
fn drawn_balls(images: &[Instance]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (number, ball) in BALLS.iter().enumerate() {
        for image in &images[ball.images[0]..=ball.images[1]] {
            let edges = ball.edges().map(|pixels| format!("{pixels:.3}")).join(" ");
            let probability = f64::from(ball.brightness) / 3000.0 * 100.0;
            let text = format!("Ball {}: {probability:.1} %", number + 1);
            lines.insert(format!("{text} {} {edges}", image.sop_instance));
        }
    }
    lines
}

/// The images with a ball, and no others, for DCMTK and for `gantry show`.
fn compare_key_images(node: &Node, key_images: &ReceivedFile, images: &[Instance]) {
    let tree = report_tree(&key_images.path);
    assert_eq!(tree.matches("<contains IMAGE:").count(), 5, "{tree}");
    let shown = node.gantry(&["show", &key_images.sop_instance]);
    assert!(shown.success, "{shown:?}");
    let why = "Key Object Description: FOR RESEARCH USE ONLY. Bright balls 1 found: Ball 1, Ball 2";
    assert!(shown.out.contains("Of Interest") && shown.out.contains(why), "{}", shown.out);
    for (number, image) in images.iter().enumerate() {
        let mut balls = BALLS.iter();
        let flagged = balls.any(|ball| (ball.images[0]..=ball.images[1]).contains(&number));
        let told = &shown.out;
        assert_eq!(told.contains(&image.sop_instance), flagged, "image {number}: {told}");
    }
}

/// Each region as a line: label, image, edges, number; each answer: label, answer.
fn regions(told: &str) -> BTreeSet<String> {
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(told).expect("JSON");
    let word = |value: &serde_json::Value| match (value.as_f64(), value.as_str()) {
        (Some(number), _) => format!("{number:.3}"),
        (None, text) => text.unwrap_or_default().to_string(),
    };
    rows.iter().map(|row| row.iter().map(word).collect::<Vec<_>>().join(" ")).collect()
}

/// The brighter ball is the more probable one, and nothing is brighter than bone.
fn expected(images: &[Instance]) -> BTreeSet<String> {
    let mut lines = BTreeSet::from(["Brighter than bone Absent".to_string()]);
    for (number, ball) in BALLS.iter().enumerate() {
        for image in &images[ball.images[0]..=ball.images[1]] {
            let edges = ball.edges().map(|pixels| format!("{pixels:.3}")).join(" ");
            let probability = f64::from(ball.brightness) / 3000.0 * 100.0;
            let label = format!("Ball {}", number + 1);
            lines.insert(format!("{label} {} {edges} {probability:.3}", image.sop_instance));
        }
    }
    lines
}
