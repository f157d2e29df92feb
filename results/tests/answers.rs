//! Questions that one of several coded classes answers: in the report, in words and on pictures, as readers of other makers find them.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{encapsulated_pdf, failure_report, render, structured_report, text_report};
use gantry_terms::code::Code;
use gantry_terms::findings::{Answer, Findings};
use kit::phantom::{Phantom, Scan};
use kit::reading::{code, content, items, open, text};
use kit::{model, validators};

fn answer(key: &str, question: Code, value: Option<Code>) -> Answer {
    Answer { key: key.into(), question, value }
}

/// A side, a grade of a private scheme, and a question that nothing is decided of; beside figures.
fn findings(scan: &Scan) -> Findings {
    let mut findings = model::findings(&scan.volume);
    let side = Code::new("272741003", "SCT", "Laterality");
    let quality = Code::new("QUALITY", "99GANTRY", "Quality of the images");
    findings.groups[0].answers = vec![
        answer("side", side.clone(), Some(Code::new("24028007", "SCT", "Right"))),
        answer("quality", quality, Some(Code::new("GOOD", "99OTHER", "Good"))),
    ];
    findings.groups[1].answers = vec![answer("side-of-emphysema", side, None)];
    findings
}

#[test]
fn the_report_says_question_and_answer_behind_the_figures() {
    let scan = Phantom::axial(3, 32, 40).scan();
    let made = structured_report(&scan.source, &scan.volume, &findings(&scan), &kit::provenance());
    let object = open(&made.expect("a report"));
    let groups = content(content(&object, "126010")[0], "125007");
    let rows: Vec<String> = items(groups[0], tags::CONTENT_SEQUENCE)
        .iter()
        .map(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE))
        .collect();
    assert_eq!(rows[rows.len() - 4..], ["118565006", "112031", "272741003", "QUALITY"]);
    let said = |group: usize, question: &str| {
        let item = content(groups[group], question)[0];
        assert_eq!(text(item, tags::VALUE_TYPE), "CODE");
        assert_eq!(text(item, tags::RELATIONSHIP_TYPE), "CONTAINS");
        code(item, tags::CONCEPT_CODE_SEQUENCE)
    };
    assert_eq!([said(0, "272741003"), said(0, "QUALITY")], ["24028007", "GOOD"]);
    assert_eq!(said(1, "272741003"), "373068000", "undetermined");
    // The schemes of questions and answers are declared, too.
    let schemes = items(&object, tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE).iter();
    let schemes: Vec<String> =
        schemes.map(|item| text(item, tags::CODING_SCHEME_DESIGNATOR)).collect();
    assert_eq!(schemes, ["99GANTRY", "99OTHER"]);
}

/// highdicom, of each group: label, question and answer.
const READ: &str = "
import sys, highdicom
content = highdicom.sr.srread(sys.argv[1]).content
for group in content.get_image_measurement_groups():
    for said in group.get_qualitative_evaluations():
        print(group.tracking_identifier, '|', said.name.meaning, '|', said.value.meaning)
";

#[test]
fn validators_take_it_and_highdicom_reads_the_answers() {
    let scan = Phantom::axial(3, 32, 40).scan();
    let mut findings = findings(&scan);
    findings.groups[0].answers[1].value = Some(Code::new("GOOD", "99GANTRY", "Good"));
    // highdicom reads no number without a value.
    findings.groups[1].measurements.pop();
    let folder = tempfile::tempdir().expect("a folder");
    let source = &kit::source_files(folder.path(), &scan)[0];
    let job = kit::provenance();
    let made = structured_report(&scan.source, &scan.volume, &findings, &job).expect("a report");
    let path = kit::file(folder.path(), "report", &made);
    let none = Vec::<String>::new();
    assert_eq!(validators::complaints(&path, source), none);
    assert_eq!(validators::report_complaints(&path), none);
    let words = text_report(&scan.source, &scan.volume, &findings, &job).expect("a text report");
    let words = kit::file(folder.path(), "words", &words);
    assert_eq!(validators::complaints(&words, source), none);
    let Some(lines) = validators::python_says(READ, &path) else { return };
    let expected = [
        "Lungs | Laterality | Right",
        "Lungs | Quality of the images | Good",
        "Emphysema | Laterality | Undetermined",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn answers_are_told_in_words_and_on_pictures() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let (findings, job) = (findings(&scan), kit::provenance());
    let words = text_report(&scan.source, &scan.volume, &findings, &job).expect("a text report");
    let words = String::from_utf8_lossy(&words.data_set).into_owned();
    let pages = encapsulated_pdf(&scan.source, &scan.volume, &findings, &job).expect("pages");
    let pages = String::from_utf8_lossy(&pages.data_set).into_owned();
    for said in [
        "Laterality: Right; Quality of the images: Good; Volume 2556.72 mL",
        "Laterality: undetermined",
    ] {
        assert!(words.contains(said), "{said} is not in the text report");
    }
    for said in ["Laterality: Right", "Laterality: undetermined"] {
        assert!(pages.contains(said), "{said} is not on the pages");
    }
    let without = model::findings(&scan.volume);
    let picture = |findings: &Findings| {
        render(&scan.source, &scan.volume, findings, 1).expect("a picture").rgb
    };
    let mut other = findings.clone();
    other.groups[0].answers[0].value = Some(Code::new("7771000", "SCT", "Left"));
    assert!(picture(&findings) != picture(&without), "they are on the picture");
    assert!(picture(&findings) != picture(&other), "and say which class it is");
}

/// What has no name is told of nobody: whose manifest lacks what, and no object.
#[test]
fn findings_without_a_name_are_refused_with_what_they_lack() {
    type Emptied = fn(&mut Findings);
    let scan = Phantom::axial(2, 32, 32).scan();
    let whole = findings(&scan);
    let cases: [(&str, Emptied); 12] = [
        ("title of the algorithm", |f| f.algorithm.title = " ".into()),
        ("version of the algorithm", |f| f.algorithm.version.clear()),
        ("code meaning of the family of the algorithm", |f| f.algorithm.family.meaning.clear()),
        ("code value of the procedure", |f| f.procedure.value.clear()),
        ("label of a group", |f| f.groups[1].label.clear()),
        ("coding scheme of a finding", |f| {
            f.groups[0].finding.as_mut().expect("one").scheme.clear();
        }),
        ("code meaning of a measurement", |f| {
            f.groups[0].measurements[0].concept.meaning = "  ".into();
        }),
        ("code value of a unit", |f| f.groups[0].measurements[0].unit.value.clear()),
        ("code value of a question", |f| f.groups[0].answers[0].question.value.clear()),
        ("code meaning of an answer", |f| {
            f.groups[0].answers[0].value.as_mut().expect("one").meaning.clear();
        }),
        ("label of a mask", |f| f.masks[0].label.clear()),
        ("code value of the property of a mask", |f| f.masks[1].property.value.clear()),
    ];
    let job = kit::provenance();
    assert!(structured_report(&scan.source, &scan.volume, &whole, &job).is_ok());
    for (lacking, empty) in cases {
        let mut findings = whole.clone();
        empty(&mut findings);
        let refused = |made: Result<gantry_results::ResultObject, gantry_results::ComposeError>| {
            let error = made.expect_err(lacking).to_string();
            let expected = format!("the findings have no {lacking}, which a result has to say");
            assert!(error.starts_with(&expected), "{error}");
            assert!(error.contains("the model's author must name it"), "{error}");
        };
        refused(structured_report(&scan.source, &scan.volume, &findings, &job));
        refused(text_report(&scan.source, &scan.volume, &findings, &job));
        refused(failure_report(&scan.source, &findings, "why", &job));
    }
}

/// Read by pydicom: a code of more than 16 characters stands in Long Code Value (0008,0119), and no Code Value beside it.
#[test]
fn a_long_code_value_is_a_long_code_value() {
    const LONG: &str = "a-code-of-more-than-sixteen-characters";
    let scan = Phantom::axial(2, 32, 32).scan();
    let mut findings = findings(&scan);
    findings.groups[0].answers[0].value = Some(Code::new(LONG, "99GANTRY", "Right"));
    findings.groups[0].answers[1].value = Some(Code::new("GOOD", "99GANTRY", "Good"));
    let job = kit::provenance();
    let made = structured_report(&scan.source, &scan.volume, &findings, &job).expect("a report");
    let folder = tempfile::tempdir().expect("a folder");
    let source = &kit::source_files(folder.path(), &scan)[0];
    let path = kit::file(folder.path(), "report", &made);
    assert_eq!(validators::report_complaints(&path), Vec::<String>::new());
    assert_eq!(validators::complaints(&path, source), Vec::<String>::new());
    let script = "
import sys, pydicom
def walk(item):
    for code in item.get('ConceptCodeSequence', []):
        if 'LongCodeValue' in code:
            print(code.LongCodeValue, 'CodeValue' in code, code.CodeMeaning)
    for child in item.get('ContentSequence', []):
        walk(child)
walk(pydicom.dcmread(sys.argv[1]))
";
    let Some(lines) = validators::python_says(script, &path) else { return };
    assert_eq!(lines, [format!("{LONG} False Right")]);
}
