//! Questions with coded answers on their way through the node: what the graph finds most probable stands in the report, in words and on the terminal.

use kit::balls::{BALLS, Ball, chest_with};
use kit::instance::{Instance, ReceivedFile};
use kit::modality::send;
use kit::need;
use kit::node::Setup;
use kit::pacs::Pacs;
use kit::validators::{assert_as_valid_as, report_tree};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

const RULE: &str = r#"
[[rule]]
name = "sides of phantoms"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.then]
run  = "bright-side"
send = { to = ["PACS"], as = ["structured-report", "text-report"] }
"#;

fn said(python: &Path, script: &str, path: &Path) -> String {
    let output = Command::new(python).args(["-W", "ignore", "-c", script]).arg(path).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn model(python: &Path) -> tempfile::TempDir {
    let models = tempfile::tempdir().expect("a temporary folder");
    let folder = models.path().join("bright-side");
    std::fs::create_dir_all(&folder).expect("a fresh folder can be written");
    let manifest = need::root().join("tests/scenarios/models/bright-side.toml");
    std::fs::copy(manifest, folder.join("model.toml")).expect("the manifest can be copied");
    said(python, include_str!("../kit/side_model.py"), &folder.join("model.onnx"));
    models
}

/// Softmax of the two largest numbers, each divided by 400.
fn per_cent([one, other]: [f64; 2]) -> f64 {
    100.0 / (1.0 + ((other - one) / 400.0).exp())
}

#[test]
fn a_question_is_answered_by_the_most_probable_class_or_left_undetermined() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let models = model(&python);
    let pacs = Pacs::up("PACS");
    let setup = Setup::new().models(models.path()).rules("sides.toml", RULE).scanner("CT1");
    let node = setup.pacs(&pacs).start();
    let listed = node.gantry(&["models", "list"]);
    assert!(listed.success && listed.out.contains("side"), "{listed:?}");
    // Of 334 columns: one in the first half, 2400 HU, and one in the second, 1800 HU; then two that are almost as bright.
    let even = [
        Ball { images: [5, 8], row: 150, column: 60, radius: 7, brightness: 2000 },
        Ball { images: [11, 11], row: 190, column: 260, radius: 11, brightness: 2100 },
    ];
    let cases = [
        ("first side", &BALLS, "24028007 SCT Right", "Right", per_cent([2400.0, 1800.0])),
        ("even", &even, "373068000 SCT Undetermined", "undetermined", per_cent([2100.0, 2000.0])),
    ];
    for (number, (name, balls, coded, word, certainty)) in (1..).zip(cases) {
        let chest = chest_with(name, balls);
        send("CT1", &node, &chest.instances);
        let received = pacs.wait_for(2 * number, PATIENCE);
        let of_study = |file: &&ReceivedFile| file.study == chest.study;
        let reports: Vec<&ReceivedFile> = received.iter().filter(of_study).collect();
        let report = reports.iter().find(|file| file.is_report()).expect("a structured report");
        let sources = tempfile::tempdir().expect("a temporary folder");
        Instance::write_all(&chest.instances, sources.path());
        let source = ReceivedFile::first_of(sources.path());
        reports.iter().for_each(|file| assert_as_valid_as(&file.path, &source.path));

        let tree = report_tree(&report.path);
        let value = coded.split_once(" SCT ").expect("a code");
        let line = format!("(272741003,SCT,\"Laterality\")=({},SCT,\"{}\")", value.0, value.1);
        assert!(tree.contains(&line), "{line} is not in\n{tree}");
        let told = said(&python, include_str!("../kit/answers.py"), &report.path);
        let lines: Vec<&str> = told.lines().collect();
        let figure = format!("Metal | 111012 | {certainty:.3} %");
        let expected = [
            format!("Metal | 272741003 | {coded}"),
            "Metal | QUALITY | 373068000 SCT Undetermined".to_owned(),
            figure,
        ];
        assert_eq!(lines, expected, "{name}");

        let shown = node.gantry(&["show", &report.sop_instance]);
        assert!(
            shown.out.contains(&format!("Laterality: {} ({}, SCT)", value.1, value.0)),
            "{shown:?}"
        );
        let words = reports.iter().find(|file| !file.is_report()).expect("a text report");
        let shown = node.gantry(&["show", &words.sop_instance]);
        let sentence = format!("Laterality: {word}; Quality of the images: undetermined");
        assert!(shown.out.contains(&sentence), "{sentence} is not in {shown:?}");
        let explained = node.explain(&chest.series);
        assert!(explained.contains(&format!("Laterality: {word}\n")), "{explained}");
        let again = node.gantry(&["reproduce", &chest.series]);
        assert!(again.success, "{again:?}");
        assert!(again.out.contains(&format!("Laterality: {word}, as then")), "{again:?}");
    }
}
