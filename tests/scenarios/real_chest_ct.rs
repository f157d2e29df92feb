//! A real chest CT, from the scanner's socket to the PACS's, and the figures of the reference.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::{dcmsend, send};
use kit::need;
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::validators::{
    LAA_950, LUNG_VOLUME, MEAN_DENSITY, assert_as_valid_as, assert_close, figure, measurements,
    report_tree,
};
use std::path::Path;
use std::time::Duration;

const SOFT: &str = "data/ct_chest_A0002_B40f";
const SHARP: &str = "data/ct_chest_A0002_B70f_jpegls";
const PATIENCE: Duration = Duration::from_secs(120);

const SOFT_KERNEL_ONLY: &str = r#"
[[rule]]
name = "emphysema on soft chest CT"
on = "series"

[rule.select]
Modality = "CT"
BodyPartExamined = "CHEST"
ConvolutionKernel = { like = "B4*" }

[rule.require]
images = { min = 20 }
spacing = "even"

[rule.then]
run = "emphysema"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture"] }
"#;

fn any_kernel() -> String {
    let kernel = "ConvolutionKernel = { like = \"B4*\" }\n";
    assert!(SOFT_KERNEL_ONLY.contains(kernel));
    SOFT_KERNEL_ONLY.replace(kernel, "")
}

/// The figure of the reference table.
fn expected(series: &str, metric: &str) -> f64 {
    let table = need::shared("data/EXPECTED.tsv").expect("it lies beside the series");
    let table = std::fs::read_to_string(table).expect("the table can be read");
    let name = format!("shared/{}", series.trim_start_matches("data/"));
    let row = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let mut row = row.filter(|cells| cells[0] == name && cells[2] == metric);
    row.next().expect("the table has the figure")[3].parse().expect("a number")
}

fn assert_figures(report: &Path, series: &str) {
    let Some(measured) = measurements(report) else { return };
    assert_close(figure(&measured, LUNG_VOLUME, "mL"), expected(series, "lung_volume_ml"));
    assert_close(figure(&measured, LAA_950, "%"), expected(series, "laa950_percent"));
    assert_close(
        figure(&measured, MEAN_DENSITY, "[hnsf'U]"),
        expected(series, "mean_lung_density_hu"),
    );
}

fn started(rules: &str, pacs: &Pacs) -> Node {
    Setup::new().rules("chest.toml", rules).scanner("CT1").pacs(pacs).start()
}

#[test]
fn the_soft_kernel_is_measured_and_reported_and_the_sharp_one_is_skipped_with_its_reason() {
    let (Some(soft), Some(sharp)) = (need::shared(SOFT), need::shared(SHARP)) else { return };
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let node = started(SOFT_KERNEL_ONLY, &pacs);

    dcmsend("CT1", AE_TITLE, node.port, &soft).expect("every image of B40f is acknowledged");
    dcmsend("CT1", AE_TITLE, node.port, &sharp).expect("every image of B70f is acknowledged");
    let received = pacs.wait_for(2, PATIENCE);

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let capture = received.iter().find(|file| file.is_capture()).expect("a secondary capture");
    assert_figures(&report.path, SOFT);
    let tree = report_tree(&report.path);
    assert!(tree.contains("Imaging Measurement Report"), "{tree}");

    let source = ReceivedFile::first_of(&soft);
    for result in [report, capture] {
        assert_as_valid_as(&result.path, &source.path);
        assert_eq!(result.study, source.study, "results stand in the patient's own study");
        assert_ne!(result.series, source.series, "results stand in a series of their own");
    }

    let skipped =
        node.wait_until_explained(&ReceivedFile::first_of(&sharp).series, "skipped", PATIENCE);
    assert!(skipped.contains("ConvolutionKernel") && skipped.contains("B70f"), "{skipped}");
    let ran = node.explain(&ReceivedFile::first_of(&soft).series);
    assert!(ran.contains("emphysema on soft chest CT") && ran.contains("B40f"), "{ran}");
    assert_eq!(pacs.received().len(), 2, "the skipped series gave no result");
}

#[test]
fn the_sharp_kernel_forced_through_gives_the_figures_that_show_why_it_is_skipped() {
    let (Some(sharp), Some(())) = (need::shared(SHARP), need::jpeg_ls()) else { return };
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let node = started(&any_kernel(), &pacs);

    dcmsend("CT1", AE_TITLE, node.port, &sharp).expect("every image is acknowledged");
    let received = pacs.wait_for(2, PATIENCE);

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    assert_figures(&report.path, SHARP);
    let source = ReceivedFile::first_of(&sharp).path;
    received.iter().for_each(|file| assert_as_valid_as(&file.path, &source));
}

#[test]
fn an_exported_series_is_what_was_sent_byte_for_byte() {
    let Some(sharp) = need::shared(SHARP) else { return };
    let node = Setup::new().scanner("CT1").start();
    // Not by dcmsend: it reads a data set and writes it anew.
    let mut sent = Instance::read_folder(&sharp);
    send("CT1", &node, &sent);

    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let to = folder.path().join("out");
    node.wait_until_indexed();
    let said = node.gantry(&[
        "export",
        &ReceivedFile::first_of(&sharp).series,
        "--to",
        &to.to_string_lossy(),
    ]);
    assert!(said.success, "{said:?}");

    let mut exported = Instance::read_folder(&to);
    sent.sort_by(|a, b| a.sop_instance.cmp(&b.sop_instance));
    exported.sort_by(|a, b| a.sop_instance.cmp(&b.sop_instance));
    assert!(sent == exported, "{} sent, {} exported", sent.len(), exported.len());
}
