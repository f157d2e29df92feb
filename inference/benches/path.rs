//! `cargo bench -p gantry-inference --bench path`: DICOM files to figures, by this node and by a plain Python script (`path.py`), by turns;
//! `GANTRY_BENCH_CASES=phantom` for those of that name; the script stays loaded as the pool does, and beside that it is started anew for each
//! series, as where a process or a container is started for each study. And what the engine costs beside ONNX Runtime called by Python with the same array.

#[path = "../tests/kit/mod.rs"]
mod kit;

/// As the node's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use gantry_inference::assembly::{Assembly, ImageSlices, Room};
use gantry_inference::device::Device;
use gantry_inference::engine::EngineOptions;
use gantry_inference::film;
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions, Urgency};
use gantry_inference::worker;
use gantry_terms::findings::Findings;
use gantry_terms::geometry::Geometry;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const ROUNDS: usize = 5;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/path.py");

struct Case {
    what: &'static str,
    /// Which part of the script does the same.
    kind: &'static str,
    model: &'static str,
    folder: PathBuf,
    series: PathBuf,
    /// Keys of the measurements that the script prints.
    keys: &'static [&'static str],
}

const LUNGS: &[&str] = &["lung-volume", "laa-950", "mean-density", "laa-950-volume"];
const BRAIN: &[&str] = &["white-matter-volume", "grey-matter-volume"];
const FILM: &[&str] = &["pneumonia-probability"];

fn main() {
    // The pool starts this very program again for each model.
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return worker::serve().expect("the pool asks");
    }
    let Some(python) = kit::python() else { return };
    let scratch = tempfile::tempdir().expect("a folder");
    println!(
        "medians of {ROUNDS} rounds, ms; in brackets without the graph's own run of the script"
    );
    println!(
        "{:28} {:>18} {:>18} {:>16} {:>9} {:>7}   {:>9} {:>9} {:>7}",
        "files to figures",
        "here",
        "Python, loaded",
        "times",
        "anew",
        "times",
        "the pool",
        "its run",
        "more"
    );
    let wanted = std::env::var("GANTRY_BENCH_CASES").unwrap_or_default();
    for case in cases(&python, scratch.path()) {
        if !case.what.contains(&wanted) {
            continue;
        }
        compare(&python, scratch.path(), &case);
    }
}

fn cases(python: &Path, scratch: &Path) -> Vec<Case> {
    let phantom = scratch.join("phantom");
    fs::create_dir(&phantom).expect("a folder");
    let made = Command::new(python).args([SCRIPT, "phantom"]).arg(&phantom).arg("200").status();
    assert!(made.expect("Python").success(), "the phantom");
    let shipped = kit::root().join("models");
    let lungs = |what, series| Case {
        what,
        kind: "lungs",
        model: "emphysema",
        folder: shipped.clone(),
        series,
        keys: LUNGS,
    };
    let mut cases = vec![lungs("lungs, phantom, 200 CT", phantom)];
    cases.extend(kit::real("ct_chest_A0002_B40f").map(|at| lungs("lungs, 30 CT", at)));
    cases.extend(
        kit::real("ct_chest_A0002_B70f_jpegls").map(|at| lungs("lungs, 30 CT, JPEG-LS", at)),
    );
    let graph = kit::root().join("../shared/models/meshnet_model5_gw_ae.onnx");
    if let (Some(series), true) = (kit::real("mr_t1_j2k"), graph.exists()) {
        let folder = scratch.join("models");
        let manifests = kit::root().join("inference/tests/models");
        copied(&manifests.join("brain-tissue"), &graph, &folder.join("brain-tissue"));
        cases.push(Case {
            what: "brain tissue, MR, JPEG 2000",
            kind: "brain",
            model: "brain-tissue",
            folder,
            series,
            keys: BRAIN,
        });
    }
    let graph = kit::root().join("../shared/models/cxr_pneumonia28.onnx");
    if graph.exists() {
        let (series, folder) = (scratch.join("film"), scratch.join("films"));
        fs::create_dir(&series).expect("a folder");
        let made = Command::new(python).args([SCRIPT, "film"]).arg(&series).arg("2048").status();
        assert!(made.expect("Python").success(), "the film");
        let manifests = kit::root().join("inference/tests/models");
        copied(&manifests.join("chest-film"), &graph, &folder.join("chest-film"));
        cases.push(Case {
            what: "chest film, 2048 squared",
            kind: "film",
            model: "chest-film",
            folder,
            series,
            keys: FILM,
        });
    }
    cases
}

fn copied(manifest: &Path, graph: &Path, into: &Path) {
    fs::create_dir_all(into).expect("a folder");
    fs::copy(manifest.join("model.toml"), into.join("model.toml")).expect("copied");
    fs::copy(graph, into.join(graph.file_name().expect("a name"))).expect("copied");
}

/// One line: the whole path of both, and the run alone of both.
fn compare(python: &Path, scratch: &Path, case: &Case) {
    let models = Arc::new(Models::load(&case.folder).expect("models"));
    let graph = models.model(case.model).expect("the model").graph.clone();
    let array = scratch.join("array");
    let (mut other, (sides, spacing)) = Other::start(python, case, &graph, &array);
    let runtime = Runtime::new().expect("a runtime");
    let pool = pool_of(models.clone());
    // A film's way into its tensor has no manifest without steps that takes the array.
    let bare = (case.kind != "film").then(|| {
        let volume = Arc::new(as_it_is(&array, sides, spacing));
        (pool_of(without_grid(&models, case, scratch)), volume)
    });
    let mut taken: [Vec<f64>; 6] = Default::default();
    for round in 0..=ROUNDS {
        let begin = Instant::now();
        let found = runtime.block_on(from_files(&models, &pool, case));
        let here = begin.elapsed().as_secs_f64() * 1e3;
        let answer = other.ask("path");
        same(case, &found, &answer[2..]);
        let (anew, figures) = started_anew(python, case, &graph);
        same(case, &found, &figures);
        let run_here = bare.as_ref().map(|(bare, volume)| {
            let begin = Instant::now();
            runtime.block_on(infer(bare, case.model, volume.clone().into()));
            begin.elapsed().as_secs_f64() * 1e3
        });
        let run_there = other.ask("run")[0];
        // The first round opens and warms up.
        if round > 0 {
            let run_here = run_here.unwrap_or(f64::NAN);
            let row = [here, answer[0], answer[1], run_here, run_there, anew];
            taken.iter_mut().zip(row).for_each(|(all, one)| all.push(one));
        }
    }
    let [here, there, graph, run_here, run_there, anew] = taken.map(median);
    println!(
        "{:28} {here:9.1} ({:6.1}) {there:9.1} ({:6.1}) {:6.2} ({:7.2}) {anew:9.0} {:7.2}   {run_here:9.1} {run_there:9.1} {:6.1}%",
        case.what,
        here - graph,
        there - graph,
        there / here,
        (there - graph) / (here - graph),
        anew / here,
        (run_here / run_there - 1.0) * 100.0,
    );
}

async fn from_files(models: &Models, pool: &Pool, case: &Case) -> Findings {
    let input = models.model(case.model).expect("the model").manifest.lead();
    let (files, mut assembly) = (kit::files(&case.series), Assembly::new(input));
    if case.kind == "film" {
        return infer(pool, case.model, film::read(&files[0], input).expect("a film").into()).await;
    }
    // As the node reads them: as many at a time as there are cores.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let room = Room::of_volume();
    let read = |(at, file): (usize, &Vec<u8>)| ImageSlices::read(file, at + 1, input, &room);
    let images: Vec<Vec<_>> = std::thread::scope(|scope| {
        let each = |first| {
            let files = &files;
            scope.spawn(move || {
                files.iter().enumerate().skip(first).step_by(cores).map(read).collect()
            })
        };
        let threads: Vec<_> = (0..cores).map(each).collect();
        threads.into_iter().map(|thread| thread.join().expect("it only reads")).collect()
    });
    for image in images.into_iter().flatten() {
        assembly.add_read(image.expect("an image")).expect("a slice");
    }
    infer(pool, case.model, assembly.finish().expect("a volume").into()).await
}

/// From before the interpreter starts until it has ended, and what it printed.
fn started_anew(python: &Path, case: &Case, graph: &Path) -> (f64, Vec<f64>) {
    let begin = Instant::now();
    let mut command = Command::new(python);
    command.args([SCRIPT, "once", case.kind]).arg(graph).arg(&case.series).arg(threads());
    let output = command.stderr(Stdio::inherit()).output().expect("Python");
    let took = begin.elapsed().as_secs_f64() * 1e3;
    assert!(output.status.success(), "{}", case.what);
    let text = String::from_utf8_lossy(&output.stdout);
    (took, text.split_whitespace().map(|figure| figure.parse().expect("a number")).collect())
}

fn threads() -> String {
    std::thread::available_parallelism().expect("cores").to_string()
}

async fn infer(pool: &Pool, model: &str, images: Images) -> Findings {
    let asked = pool.infer(model, vec![images], Urgency::Routine, Duration::ZERO).await;
    asked.expect("findings").0
}

/// Within a thousandth, as the digits that a report prints.
fn same(case: &Case, found: &Findings, expected: &[f64]) {
    let all: Vec<_> = found.groups.iter().flat_map(|group| &group.measurements).collect();
    assert_eq!(case.keys.len(), expected.len(), "{}", case.what);
    for (key, expected) in case.keys.iter().zip(expected) {
        let of_key = all.iter().find(|measurement| measurement.key == *key).expect("measured");
        let value = of_key.value.expect("a number");
        let off = (value - expected).abs();
        assert!(
            off <= expected.abs().max(1.0) / 1000.0,
            "{} {key}: {value}, {expected}",
            case.what
        );
    }
}

/// The model whose graph takes the voxels as they are: a manifest without grid and steps.
fn without_grid(models: &Models, case: &Case, scratch: &Path) -> Arc<Models> {
    let source = case.folder.join(case.model);
    let text = fs::read_to_string(source.join("model.toml")).expect("a manifest");
    let mut kept = String::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.starts_with('[') {
            skipping = ["[input.grid]", "[input.limits]"]
                .contains(&line.split('#').next().unwrap_or("").trim());
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    if let Some((before, rest)) = kept.clone().split_once("steps = [\n") {
        let (_, after) = rest.split_once("]\n").expect("steps that end");
        kept = format!("{before}{after}");
    }
    let folder = scratch.join("bare").join(case.kind);
    let into = folder.join(case.model);
    copied(&source, &models.model(case.model).expect("the model").graph, &into);
    fs::write(into.join("model.toml"), kept).expect("written");
    Arc::new(Models::load(&folder).unwrap_or_else(|problems| panic!("{}", problems[0])))
}

fn pool_of(models: Arc<Models>) -> Pool {
    let options = PoolOptions {
        program: "/proc/self/exe".into(),
        engine: EngineOptions::default(),
        devices: vec![Device::Cpu],
        memory: 16 << 30,
        ageing: Duration::from_secs(1800),
        grace: Duration::from_secs(60),
    };
    Pool::start(models, options).expect("processes")
}

/// A volume of the numbers in a file.
fn as_it_is(array: &Path, [slices, rows, columns]: [usize; 3], spacing: [f64; 3]) -> Volume {
    let bytes = fs::read(array).expect("the array");
    let numbers =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four")));
    let geometry = Geometry {
        slices,
        rows,
        columns,
        origin: [0.0; 3],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [spacing[1], spacing[2]],
        slice_step: spacing[0],
    };
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let source = |at: usize| SliceSource {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: uid(&format!("1.2.3.{}", at + 1)),
        frame: None,
        position: [0.0, 0.0, at as f64 * spacing[0]],
    };
    Volume {
        geometry,
        voxels: numbers.collect(),
        slices: (0..slices).map(source).collect(),
        frame_of_reference: None,
        displayed: false,
    }
}

/// The script, which keeps its graph loaded as the pool does.
struct Other {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    /// Also the sides of the array that it wrote, and the spacing of the images.
    fn start(
        python: &Path,
        case: &Case,
        graph: &Path,
        array: &Path,
    ) -> (Self, ([usize; 3], [f64; 3])) {
        let threads = threads();
        let mut command = Command::new(python);
        command.args([SCRIPT, case.kind]).arg(graph).arg(&case.series).arg(threads).arg(array);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python");
        let asks = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut other = Self { child, asks, answers };
        let said = other.line();
        let sides = [0, 1, 2].map(|at| said[at] as usize);
        (other, (sides, [said[3], said[4], said[5]]))
    }

    fn ask(&mut self, what: &str) -> Vec<f64> {
        writeln!(self.asks, "{what}").expect("asked");
        self.line()
    }

    fn line(&mut self) -> Vec<f64> {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line.split_whitespace().map(|number| number.parse().expect("a number")).collect()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(mut taken: Vec<f64>) -> f64 {
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}
