//! What the pages of an encapsulated PDF say, as a reader of PDFs of another maker finds it.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{ResultObject, encapsulated_pdf};
use gantry_terms::findings::Findings;
use kit::phantom::{Phantom, Scan};
use kit::reading::{Object, code, items, open, referenced, text};
use kit::{cases, model, validators};
use std::path::Path;

fn report(scan: &Scan, findings: &Findings) -> ResultObject {
    encapsulated_pdf(&scan.source, &scan.volume, findings, &kit::provenance()).expect("a PDF")
}

/// Without the byte that makes the value even.
fn document(object: &Object) -> Vec<u8> {
    let length = object.element(tags::ENCAPSULATED_DOCUMENT_LENGTH).expect("a length");
    let bytes = object.element(tags::ENCAPSULATED_DOCUMENT).expect("a document").to_bytes();
    let bytes = bytes.expect("bytes");
    let length: usize = length.to_int().expect("a number");
    assert!(
        bytes.len().is_multiple_of(2) && bytes.len() - length < 2,
        "{length} of {}",
        bytes.len()
    );
    bytes[..length].to_vec()
}

/// The lines of all pages, with `page` before each; nothing where nobody reads PDFs.
fn pages(pdf: &[u8], folder: &Path) -> Option<Vec<String>> {
    let script = "
import sys
try:
    import pypdf
except ImportError:
    print('no pypdf')
    sys.exit()
for page in pypdf.PdfReader(sys.argv[1], strict=True).pages:
    print('page', page.mediabox.width, page.mediabox.height)
    print(page.extract_text())
";
    let path = folder.join("report.pdf");
    std::fs::write(&path, pdf).expect("a file");
    let lines = validators::python_says(script, &path)?;
    if lines == ["no pypdf"] {
        println!("skipped: the Python of GANTRY_PYTHON has no pypdf");
        return None;
    }
    Some(lines)
}

#[test]
fn a_pdf_says_whose_images_they_are_what_was_found_and_by_what() {
    let scan = Phantom::axial(3, 32, 32).scan();
    let findings = model::findings(&scan.volume);
    let result = report(&scan, &findings);
    assert_eq!(report(&scan, &findings), result, "the same inputs give the same bytes");
    let object = open(&result);
    for (tag, expected) in [
        (tags::MODALITY, "DOC"),
        (tags::SERIES_DESCRIPTION, "Lung densitometry report (PDF) (RUO)"),
        (tags::DOCUMENT_TITLE, "FOR RESEARCH USE ONLY. Lung densitometry 1.0.0"),
        (tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT, "application/pdf"),
        (tags::BURNED_IN_ANNOTATION, "YES"),
        (tags::STUDY_INSTANCE_UID, scan.source.study.as_str()),
    ] {
        assert_eq!(text(&object, tag).trim_end_matches('\0'), expected, "{tag}");
    }
    assert_eq!(code(&object, tags::CONCEPT_NAME_CODE_SEQUENCE), "18748-4");
    let sources = items(&object, tags::SOURCE_INSTANCE_SEQUENCE);
    assert_eq!(sources.iter().flat_map(referenced).count(), 3);
    let folder = tempfile::tempdir().expect("a folder");
    let Some(lines) = pages(&document(&object), folder.path()) else { return };
    let told = lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "page 595 842",
        "FOR RESEARCH USE ONLY. Not for diagnosis.",
        "Found by Lung densitometry 1.0.0 of Gantry.",
        &findings.algorithm.digest,
        "Made on 2024-05-14.",
        "Patient: Müller Jürgen",
        "Patient ID: PID-0815",
        "Born: 1960-02-29",
        "Accession number: ACC-4711",
        "Lungs (Lung, Threshold and region growing): Volume 2556.72 mL; Attenuation Coefficient (Mean) -788.832 [hnsf'U]",
        "Emphysema (Pulmonary emphysema, Lung): Low attenuation area below -950 HU 1.3454 %; Volume without a value: \
         measurement failure",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("page 595 ")).count(), 1);
}

#[test]
fn what_does_not_fit_goes_on_another_page_and_signs_of_the_format_are_text() {
    let scan = Phantom::axial(1, 32, 32).scan();
    let mut findings = model::findings(&scan.volume);
    let usual = findings.groups.remove(0);
    findings.groups = (0..100)
        .map(|number| {
            let mut group = usual.clone();
            group.label = format!("No. {number} (a\\b) ) ( {} € 山", "x".repeat(120));
            group
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let Some(lines) = pages(&document(&open(&report(&scan, &findings))), folder.path()) else {
        return;
    };
    let pages = lines.iter().filter(|line| line.starts_with("page 595 ")).count();
    assert!(pages > 5, "{pages} pages");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 82),
        "no row is longer than a page is wide"
    );
    let told = lines.join("\n");
    let foot = format!("page 2 of {pages}. FOR RESEARCH USE ONLY. Lung densitometry 1.0.0");
    assert!(told.contains(&foot), "{foot} is not in {told}");
    assert_eq!(told.matches(&format!(" of {pages}. FOR RESEARCH USE ONLY.")).count(), pages);
    for number in 0..100 {
        assert!(told.contains(&format!("No. {number} (a\\b) ) (")), "{number}");
    }
    assert!(told.contains("€ ?"), "what the font has not is told as missing");
}

#[test]
fn pdfs_of_every_kind_of_source_are_valid() {
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let result = report(&scan, &model::findings(&scan.volume));
        let path = kit::file(folder.path(), "report.dcm", &result);
        assert_eq!(validators::complaints(&path, source), Vec::<String>::new(), "{case}");
        if let Some(lines) = pages(&document(&open(&result)), folder.path()) {
            assert!(lines.iter().any(|line| line == "Findings"), "{case}: {lines:?}");
        }
    }
}
