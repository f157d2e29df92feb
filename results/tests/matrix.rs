//! Each kind of result of each kind of source before the validators: the table of section 5 of docs/CONFORMANCE.md.

mod kit;

use gantry_results::object::ComposeError;
use gantry_results::segmentation::{Form, segmentation};
use gantry_results::{
    Provenance, ResultObject, Shown, Telling, alternates, derived_images, encapsulated_pdf,
    failure_report, key_objects, parametric_maps, presentation_states, secondary_capture,
    secondary_capture_images, structured_report, structured_report_of_segments,
    structured_report_with, text_report,
};
use gantry_terms::code::Code;
use gantry_terms::findings::{Answer, Derived, Findings, NoValue, Presence, Quantity};
use gantry_terms::region::{Place, Rectangle, Region, Regions};
use kit::cells::{Cell, noted, without_notes};
use kit::film::Radiograph;
use kit::phantom::{Phantom, Scan};
use kit::readers::{self, Put};
use kit::voxels::taken_apart;
use kit::{cases, cines, film, modalities, model, places, validators};
use std::fmt::Write;
use std::path::Path;

const BEGIN: &str = "<!-- written by results/tests/matrix.rs -->\n";
const END: &str = "<!-- end -->";
const OBJECTS: [&str; 17] = [
    "structured report",
    "report with regions",
    "report with regions in the patient",
    "report in older classes",
    "report that refers to segments",
    "failure report",
    "secondary capture",
    "secondary captures of single frames",
    "segmentation",
    "fractional segmentation",
    "label map",
    "parametric map",
    "derived images",
    "key objects",
    "presentation state",
    "text report",
    "PDF",
];

type Made = Result<Vec<ResultObject>, ComposeError>;

/// `GANTRY_WRITE_MATRIX=1` writes the table anew.
#[test]
fn the_table_of_the_conformance_statement_is_what_the_validators_say() {
    if !validators::are_here() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFORMANCE.md");
    let text = std::fs::read_to_string(&path).expect("the statement is there");
    let (before, rest) = text.split_once(BEGIN).expect("the table has a beginning");
    let (written, behind) = rest.split_once(END).expect("the table has an end");
    let table = table();
    let written = if readers::are_here() { written.to_owned() } else { without_notes(written) };
    if std::env::var_os("GANTRY_WRITE_MATRIX").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{behind}")).expect("written");
        return;
    }
    assert_eq!(written, table, "GANTRY_WRITE_MATRIX=1 writes the table anew");
}

fn table() -> String {
    let mut table = format!("| source | {} |\n", OBJECTS.join(" | "));
    writeln!(table, "|{}", "---|".repeat(OBJECTS.len() + 1)).expect("written to memory");
    let films = [("a film", film::radiograph()), ("a film, MONOCHROME1", film::digital())];
    let of_volume = |(kind, scan)| (kind, Of::Volume(scan));
    let of_film = |(kind, film)| (kind, Of::Film(film));
    let rows = scans().into_iter().map(of_volume);
    let rows = rows.chain(films.map(of_film));
    let rows = rows.chain(modalities::stacks().into_iter().map(of_volume));
    let rows = rows.chain(modalities::films().into_iter().map(of_film));
    let of_cine = |(kind, cine)| (kind, Of::Cine(cine));
    let rows: Vec<(&str, Of)> = rows.chain(cines::all().into_iter().map(of_cine)).collect();
    let (cells, notes) = noted(&judge(&rows));
    for ((kind, _), cells) in rows.iter().zip(cells) {
        writeln!(table, "| {kind} | {} |", cells.join(" | ")).expect("written to memory");
    }
    table + &notes
}

/// What a row is of.
enum Of {
    Volume(Scan),
    Film(Radiograph),
    Cine(Radiograph),
}

/// At a time: most of it is waiting for the validators.
const ROWS: usize = 3;

fn judge(rows: &[(&str, Of)]) -> Vec<Vec<Cell>> {
    let one = |(kind, of): &(&str, Of)| match of {
        Of::Volume(scan) => of_volume(scan, *kind != FEW),
        Of::Film(film) => of_film(film),
        Of::Cine(cine) => of_cine(cine),
    };
    let parts: Vec<Vec<_>> = std::thread::scope(|scope| {
        let part =
            |first| scope.spawn(move || rows.iter().skip(first).step_by(ROWS).map(one).collect());
        let judges: Vec<_> = (0..ROWS).map(part).collect();
        judges.into_iter().map(|judge| judge.join().expect("a row")).collect()
    });
    (0..rows.len()).map(|at| parts[at % ROWS][at / ROWS].clone()).collect()
}

#[test]
fn sources_of_each_modality_are_valid_themselves() {
    if !validators::are_here() {
        return;
    }
    let stacks = modalities::stacks().into_iter().map(|(kind, scan)| (kind, scan.files));
    let films = modalities::films().into_iter().map(|(kind, film)| (kind, vec![film.file]));
    for (kind, files) in stacks.chain(films) {
        let folder = tempfile::tempdir().expect("a folder");
        for (at, bytes) in files.iter().enumerate() {
            let path = folder.path().join(at.to_string());
            std::fs::write(&path, bytes).expect("a file");
            assert_eq!(validators::faults_of_source(&path), Vec::<String>::new(), "{kind}");
        }
    }
}

/// What SR documents and key objects begin with.
const DOCUMENTS: &str = "1.2.840.10008.5.1.4.1.1.88.";
const GSPS: &str = "1.2.840.10008.5.1.4.1.1.11.1";
/// Values that the source lacks are there and empty in its results, which dcentvfy takes for a contradiction.
const FEW: &str = "few attributes";

fn scans() -> Vec<(&'static str, Scan)> {
    let mut scans: Vec<(&str, Scan)> =
        cases::planes().into_iter().map(|(kind, phantom)| (kind, phantom.scan())).collect();
    for (kind, case) in [
        ("no frame of reference", "no frame of reference"),
        ("lossy before", "lossy"),
        (FEW, "without optional values"),
    ] {
        let phantom = cases::all().into_iter().find(|(name, _)| *name == case).expect("a case").1;
        scans.push((kind, phantom.scan()));
    }
    scans
}

/// `together`: the source's files are what the results refer to.
fn of_volume(scan: &Scan, together: bool) -> Vec<Cell> {
    let Scan { volume, source, .. } = scan;
    let job = kit::provenance();
    let mut findings = model::findings(volume);
    for mask in &mut findings.masks {
        mask.probabilities = mask.voxels.iter().map(|voxel| voxel * 200).collect();
    }
    findings.masks[1].category = Code::new("49755003", "SCT", "Morphologically abnormal structure");
    findings.derived = vec![derived(volume.voxels.clone())];
    let apart = taken_apart(findings.clone());
    let mut mapped = findings.clone();
    mapped.derived[0].quantity = Some(Quantity {
        concept: Code::new("130402", "DCM", "Class activation"),
        unit: Code::new("1", "UCUM", "no units"),
    });
    let segments = |form| segmentation(source, volume, &findings, form, &job);
    let referring = segments(Form::Binary).and_then(|object| {
        let report = structured_report_of_segments(source, volume, &findings, &object, &job)?;
        Ok(vec![object, report])
    });
    let one = |made: Result<ResultObject, ComposeError>| made.map(|object| vec![object]);
    let states = shown(&scan.files);
    let states =
        states.and_then(|shown| presentation_states(source, &shown, volume, &findings, &job));
    let made = [
        one(structured_report(source, volume, &findings, &job)),
        in_older_classes(structured_report(source, volume, &findings, &job)),
        referring,
        one(failure_report(source, &failed(&findings), WHY, &job)),
        one(secondary_capture(source, volume, &findings, &job)),
        secondary_capture_images(source, volume, &findings, &job),
        one(segments(Form::Binary)),
        one(segments(Form::Fractional)),
        one(segmentation(source, volume, &apart, Form::LabelMap, &job)),
        parametric_maps(source, volume, &mapped, &job),
        derived_images(source, &scan.files, volume, &findings, &job),
        selected(key_objects(source, volume, &findings, &job)),
        drawn(states),
        one(text_report(source, volume, &findings, &job)),
        one(encapsulated_pdf(source, volume, &findings, &job)),
    ];
    let abnormal = &findings.masks[1].voxels;
    let size = volume.geometry.rows * volume.geometry.columns;
    let on = |at: &usize| abnormal[at * size..(at + 1) * size].contains(&1);
    let flagged: Vec<usize> = (0..volume.geometry.slices).filter(on).collect();
    let put = Put::new(source, volume, &findings, &volume.voxels, Some(&flagged));
    let mut cells: Vec<Cell> =
        made.into_iter().map(|made| judged(&made, &scan.files, together, &put)).collect();
    let placed = answered(places::findings(volume));
    let put = Put::new(source, volume, &placed, &volume.voxels, None);
    let told = |regions| structured_report_with(source, volume, &placed, telling(regions), &job);
    let reports = [Regions::Images, Regions::Patient].map(|regions| one(told(regions)));
    cells.splice(1..1, reports.map(|made| judged(&made, &scan.files, together, &put)));
    cells
}

fn of_film(radiograph: &Radiograph) -> Vec<Cell> {
    let of = model::findings(&Phantom::axial(1, 8, 8).scan().volume);
    let mut findings: Findings = film::findings(of, Ok(90.0), Some(Presence::Present));
    findings.derived = vec![derived(radiograph.film.pixels.clone())];
    // Ultrasound has 8 bits.
    let slope = if radiograph.source.modality() == "US" { 1.0 / 255.0 } else { 0.001 };
    findings.derived[0].rescale = Some([slope, 0.0]);
    let (source, film) = (&radiograph.source, &radiograph.film);
    let job: Provenance = kit::provenance();
    let files = [radiograph.file.clone()];
    let mut segmented = findings.clone();
    let third = |rest: usize| {
        (0..film.places()).map(|at| u8::from(at % film.columns / 8 % 3 == rest)).collect()
    };
    segmented.masks = model::masks(third(0), third(1));
    for mask in &mut segmented.masks {
        mask.probabilities = mask.voxels.iter().map(|voxel| voxel * 200).collect();
    }
    segmented.groups[0].segment = Some(segmented.masks[0].key.clone());
    let segments = |form| segmentation(source, film, &segmented, form, &job);
    let referring = segments(Form::Binary).and_then(|object| {
        let report = structured_report_of_segments(source, film, &segmented, &object, &job)?;
        Ok(vec![object, report])
    });
    let place = Place::Film(Rectangle { top: 4.5, left: 2.0, bottom: 20.25, right: 30.0 });
    let mut placed = segmented.clone();
    placed.groups[0].region = Some(Region { colour: [255, 128, 0], place });
    let one = |made: Result<ResultObject, ComposeError>| made.map(|object| vec![object]);
    let states = shown(&files);
    let states = states.and_then(|shown| presentation_states(source, &shown, film, &placed, &job));
    let made = [
        one(structured_report(source, film, &findings, &job)),
        in_older_classes(structured_report(source, film, &findings, &job)),
        referring,
        one(failure_report(source, &failed(&findings), WHY, &job)),
        one(secondary_capture(source, film, &placed, &job)),
        secondary_capture_images(source, film, &placed, &job),
        one(segments(Form::Binary)),
        one(segments(Form::Fractional)),
        one(segments(Form::LabelMap)),
        Err(ComposeError::NoFrameOfReference),
        derived_images(source, &files, film, &findings, &job),
        selected(key_objects(source, film, &findings, &job)),
        drawn(states),
        one(text_report(source, film, &findings, &job)),
        one(encapsulated_pdf(source, film, &findings, &job)),
    ];
    let stored: Vec<f32> = film.pixels.iter().map(|pixel| pixel / slope as f32).collect();
    let put = Put::new(source, film, &placed, &stored, None);
    let mut cells: Vec<Cell> =
        made.into_iter().map(|made| judged(&made, &files, true, &put)).collect();
    let placed = answered(placed);
    let told = |regions| structured_report_with(source, film, &placed, telling(regions), &job);
    let reports = [Regions::Images, Regions::Patient].map(|regions| one(told(regions)));
    cells.splice(1..1, reports.map(|made| judged(&made, &files, true, &put)));
    cells
}

fn of_cine(cine: &Radiograph) -> Vec<Cell> {
    let Radiograph { file, film, source } = cine;
    let (findings, job, files) = (cines::findings(film), kit::provenance(), [file.clone()]);
    let segments = |form| segmentation(source, film, &findings, form, &job);
    let referring = segments(Form::Binary).and_then(|object| {
        let report = structured_report_of_segments(source, film, &findings, &object, &job)?;
        Ok(vec![object, report])
    });
    let mut made_of = findings.clone();
    // As they are stored.
    let stored: Vec<f32> = film.pixels.iter().map(|pixel| (pixel * 255.0).round()).collect();
    made_of.derived = vec![derived(stored.clone())];
    let states = Shown::read(file)
        .and_then(|shown| drawn(presentation_states(source, &[shown], film, &findings, &job)));
    let one = |made: Result<ResultObject, ComposeError>| made.map(|object| vec![object]);
    let made = [
        one(structured_report(source, film, &findings, &job)),
        in_older_classes(structured_report(source, film, &findings, &job)),
        referring,
        one(failure_report(source, &failed(&findings), WHY, &job)),
        one(secondary_capture(source, film, &findings, &job)),
        secondary_capture_images(source, film, &findings, &job),
        one(segments(Form::Binary)),
        one(segments(Form::Fractional)),
        one(segments(Form::LabelMap)),
        Err(ComposeError::NoFrameOfReference),
        derived_images(source, &files, film, &made_of, &job),
        selected(key_objects(source, film, &findings, &job)),
        states,
        one(text_report(source, film, &findings, &job)),
        one(encapsulated_pdf(source, film, &findings, &job)),
    ];
    let put = Put::new(source, film, &findings, &stored, Some(&[2, 3, 4]));
    let mut cells: Vec<Cell> =
        made.into_iter().map(|made| judged(&made, &files, true, &put)).collect();
    let placed = answered(findings);
    let told = |regions| structured_report_with(source, film, &placed, telling(regions), &job);
    let reports = [Regions::Images, Regions::Patient].map(|regions| one(told(regions)));
    cells.splice(1..1, reports.map(|made| judged(&made, &files, true, &put)));
    cells
}

fn telling(regions: Regions) -> Telling<'static> {
    Telling { regions, ..Telling::default() }
}

/// The first group answers a question, too, and leaves another one open.
fn answered(mut findings: Findings) -> Findings {
    let answer = |key: &str, question, value| Answer { key: key.into(), question, value };
    findings.groups[0].answers = vec![
        answer(
            "side",
            Code::new("272741003", "SCT", "Laterality"),
            Some(Code::new("7771000", "SCT", "Left")),
        ),
        answer("grade", Code::new("GRADE", "99GANTRY", "Grade"), None),
    ];
    findings
}

/// A reason with more characters than those of ASCII.
const WHY: &str = "slices 3 and 4 are 6.0 mm apart, the others 3.0 mm – images are missing";

/// As of a run that came to no end.
fn failed(findings: &Findings) -> Findings {
    let mut failed = Findings { masks: Vec::new(), derived: Vec::new(), ..findings.clone() };
    for group in &mut failed.groups {
        (group.presence, group.region, group.segment, group.frame) = (None, None, None, None);
        let numbers = group.measurements.iter_mut();
        numbers.for_each(|number| number.value = Err(NoValue::MeasurementFailure));
    }
    failed
}

/// Where they are as valid together as each of them is: a study may have all of them.
fn in_older_classes(report: Result<ResultObject, ComposeError>) -> Made {
    alternates(&report?, None)
}

/// Each of these sources shows a finding: without a selection of it there would be nothing to judge.
fn selected(made: Result<Option<ResultObject>, ComposeError>) -> Made {
    made.map(|object| vec![object.expect("something was found")])
}

fn drawn(made: Made) -> Made {
    made.inspect(|states| assert!(!states.is_empty(), "something is drawn"))
}

/// Of images with colours there is none.
fn shown(files: &[Vec<u8>]) -> Result<Vec<Shown>, ComposeError> {
    files.iter().map(|file| Shown::read(file)).collect()
}

fn derived(values: Vec<f32>) -> Derived {
    Derived {
        key: "same".into(),
        label: "same".into(),
        derivation: Code::new("113087", "DCM", "Spatially-related frames smoothed"),
        rescale: None,
        quantity: None,
        values,
    }
}

fn judged(made: &Made, sources: &[Vec<u8>], together: bool, put: &Put) -> Cell {
    let cell = |says| Cell { says, cannot: vec![] };
    let Ok(made) = made else { return cell("refused") };
    let folder = tempfile::tempdir().expect("a folder");
    let named = |name: String, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    let mut files: Vec<_> = (0..)
        .zip(sources)
        .map(|(at, bytes): (u32, _)| named(format!("source-{at}"), bytes))
        .collect();
    let of_sources = validators::contradictions(&files);
    let first = files[0].clone();
    let (mut inherited, mut cannot) = (false, Vec::new());
    for (at, object) in made.iter().enumerate() {
        let file = kit::file(folder.path(), &format!("result-{at}"), object);
        let complaints = validators::complaints(&file, &first);
        let further = match object.sop_class.as_str() {
            GSPS => validators::state_complaints(&file),
            class if class.starts_with(DOCUMENTS) => validators::report_complaints(&file),
            _ => vec![],
        };
        let read = put.read(&file);
        if ![&complaints, &further, &read.faults].into_iter().all(Vec::is_empty) {
            println!("{}: {complaints:#?} {further:#?} {:#?}", object.sop_class, read.faults);
            return cell("faults");
        }
        cannot.extend(read.cannot);
        inherited |= !validators::inherited_errors(&file, &first).is_empty();
        files.push(file);
    }
    let all = validators::contradictions(&files);
    let clean = all.iter().all(|line| of_sources.contains(line));
    cannot.sort();
    cannot.dedup();
    let says = match clean || !together {
        true if inherited => "as its source",
        true => "valid",
        false => "faults",
    };
    Cell { says, cannot }
}
