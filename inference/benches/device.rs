//! How long the arithmetic around a graph takes on a CUDA device, beside what its memory would allow and beside the CPU; and how busy the
//! device is while eight models share it.

use gantry_inference::cuda::{Card, Driver, Gpu, driver, why};
use gantry_inference::device::Device;
use gantry_inference::engine::{Engine, EngineOptions};
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions, Urgency};
use gantry_inference::voxels::block::Block;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::intensity::{self, Applied, Over};
use gantry_inference::voxels::resample::linear;
use gantry_terms::geometry::Geometry;
use gantry_terms::images::Images;
use gantry_terms::volume::Volume;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[path = "../tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

const ROUNDS: usize = 9;
const SIDE: usize = 512;
/// Of each model, at once.
const SERIES: usize = 10;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        gantry_inference::worker::serve().expect("served");
        return;
    }
    let Driver::Here { cards, .. } = driver() else {
        println!("no device: {}", why(&driver()));
        return;
    };
    let Card { name, memory, .. } = &cards[0];
    println!("{name}, {} MiB", memory >> 20);
    // All of it, or what is named: `cargo bench -p gantry-inference --bench device -- kernels`.
    let named: Vec<String> =
        std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let parts: [(&str, fn()); 3] =
        [("kernels", pre_processing), ("runs", whole_runs), ("sharing", sharing)];
    for (_, part) in
        parts.iter().filter(|(name, _)| named.is_empty() || named.iter().any(|n| n == name))
    {
        part();
    }
}

/// Median of some rounds in ms.
fn time(mut work: impl FnMut()) -> f64 {
    work();
    let mut taken: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[ROUNDS / 2]
}

fn scan() -> Vec<f32> {
    let mut state = 1u32;
    let mut voxel = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as f32 - 1024.0
    };
    (0..SIDE * SIDE * SIDE).map(|_| voxel()).collect()
}

fn pre_processing() {
    let gpu = &Gpu::open(0).expect("the device opens");
    let scan = scan();
    let along = |mm: f64| [[0.0, 0.0, mm], [0.0, mm, 0.0], [mm, 0.0, 0.0]];
    let images = Grid::new([SIDE; 3], [0.0; 3], along(0.7)).expect("a grid");
    let half = images.with_size([SIDE / 2; 3]).expect("a grid");
    // 20 degrees about one axis, 10 about another.
    let oblique = [[0.0, -0.3420, 0.9397], [0.1736, 0.9254, 0.3368], [0.9848, -0.1632, -0.0594]];
    let oblique = oblique.map(|step| step.map(|mm: f64| mm * 1.4));
    let oblique = Grid::new([SIDE / 2; 3], [20.0, 30.0, -10.0], oblique).expect("a grid");
    let there = gpu.upload(&scan).expect("room");
    // A copy reads and writes each number once: no work on them all can take less.
    let copy = gpu.upload(&scan).expect("room");
    let on_gpu = |work: &dyn Fn()| {
        time(|| {
            work();
            gpu.finish().expect("finished");
        })
    };
    let copied = on_gpu(&|| gpu.copy_within(&there, &copy).expect("copied"));
    let bytes = scan.len() as f64 * 8.0;
    println!("copy on the device  {copied:8.3} ms, {:.0} GB/s", bytes / copied / 1e6);
    // Numbers read and written, of a copy's two for each voxel.
    let say = |what: &str, ms: f64, passes: f64, cpu: f64| {
        let limit = copied * passes / 2.0;
        println!("{what:<18}  {ms:8.3} ms, limit {limit:8.3} ms, on the CPU {cpu:8.1} ms");
    };
    let block = Block::new(images, scan.clone()).expect("a block");
    let mut values = scan.clone();
    let cpu = time(|| intensity::window(&mut values, -1000.0, 400.0).expect("a window"));
    say("window", on_gpu(&|| gpu.window(&copy, -1000.0, 400.0).expect("done")), 2.0, cpu);
    let cpu = time(|| intensity::z_score(&mut values, Over::All, Applied::ToAll));
    let ms = on_gpu(&|| gpu.z_score(&copy, Over::All, Applied::ToAll).expect("done"));
    say("z-score", ms, 4.0, cpu);
    for (what, onto) in [("onto 256 cubed", &half), ("oblique", &oblique)] {
        let cpu = time(|| drop(black_box(linear(&block, onto, -1024.0).expect("done"))));
        let ms = on_gpu(&|| drop(gpu.linear(&there, &images, onto, -1024.0).expect("done")));
        say(what, ms, 1.125, cpu);
    }
    let way = on_gpu(&|| drop(gpu.upload(&scan).expect("room")));
    println!("the way there       {way:8.3} ms, {:.1} GB/s", scan.len() as f64 * 4.0 / way / 1e6);
}

/// From a volume in memory to findings, the first run apart from those behind it.
fn whole_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{:<18} {:>6} {:>10} {:>10}", "a run of", "on", "first ms", "then ms");
    for (name, graph, side) in [
        ("brain-tissue", "meshnet_model5_gw_ae.onnx", 256),
        ("brain-structures", "meshnet_model18cls.onnx", 256),
    ] {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (shared, to) = (here.join("../../shared/models").join(graph), folder.path().join(name));
        if !shared.exists() {
            println!("skipped: the shared model {graph} is not on this machine");
            continue;
        }
        std::fs::create_dir_all(&to).expect("a folder");
        let manifest = here.join("tests/models").join(name).join("model.toml");
        std::fs::copy(manifest, to.join("model.toml")).expect("copied");
        std::fs::copy(shared, to.join(graph)).expect("copied");
        let models = Arc::new(Models::load(folder.path()).expect("models"));
        let images = Images::Volume(volume(side));
        for device in [Device::Cuda(0), Device::Cpu] {
            let options = EngineOptions { device, ..EngineOptions::default() };
            let engine = Engine::start(models.clone(), options).expect("an engine");
            let run = || {
                let begin = Instant::now();
                let found = runtime.block_on(engine.infer(name, vec![images.clone()]));
                black_box(found.expect("done"));
                begin.elapsed().as_secs_f64() * 1e3
            };
            let first = run();
            let rounds = if device == Device::Cpu { 2 } else { ROUNDS };
            let mut then: Vec<f64> = (0..rounds).map(|_| run()).collect();
            then.sort_by(f64::total_cmp);
            println!("{name:<18} {device:>6} {first:10.0} {:10.0}", then[rounds / 2]);
        }
        std::fs::remove_dir_all(to).expect("removed");
    }
}

/// Eight models, each a mean over a neighbourhood of its own, on volumes of its own size.
fn sharing() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = author::Author {
        manifest: author::MANIFEST
            .replace("\"slice-row-column\"", "\"batch-channel-slice-row-column\""),
        graph: author::slow_graph(&[5; 3]),
    }
    .write(folder.path());
    for number in 0..8 {
        let copy = written.join(format!("model-{number}"));
        std::fs::create_dir(&copy).expect("a folder");
        std::fs::copy(written.join("tiny/model.toml"), copy.join("model.toml")).expect("copied");
        let over = 5 + 2 * number;
        std::fs::write(copy.join("model.onnx"), author::slow_graph(&[over; 3])).expect("written");
    }
    std::fs::remove_dir_all(written.join("tiny")).expect("removed");
    let models = Arc::new(Models::load(&written).expect("models"));
    let options = PoolOptions {
        program: "/proc/self/exe".into(),
        engine: EngineOptions::default(),
        devices: vec![Device::Cuda(0)],
        memory: 64 << 30,
        ageing: Duration::from_secs(1800),
        grace: Duration::from_secs(60),
    };
    let pool = Pool::start(models, options).expect("a pool");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let watch = std::thread::spawn(busy);
    let begin = Instant::now();
    runtime.block_on(async {
        let mut runs = tokio::task::JoinSet::new();
        for number in 0..8 * SERIES {
            let (pool, model) = (pool.clone(), format!("model-{}", number % 8));
            runs.spawn(async move {
                let images = vec![Images::Volume(volume(64 + 24 * (number % 8)))];
                pool.infer(&model, images, Urgency::Routine, Duration::ZERO).await.expect("done")
            });
        }
        runs.join_all().await;
    });
    println!("{} series of eight models in {:.2} s", 8 * SERIES, begin.elapsed().as_secs_f64());
    DONE.store(true, std::sync::atomic::Ordering::Relaxed);
    match watch.join().expect("watched") {
        Some((mean, most)) => {
            println!("the device was busy {mean:.0} % of the time, {most:.0} % at most")
        }
        None => println!("nvidia-smi does not say how busy the device was"),
    }
}

static DONE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Mean and greatest utilisation in percent, as NVIDIA's own tool counts it: the part of time in which a kernel ran.
fn busy() -> Option<(f64, f64)> {
    let mut found = Vec::new();
    while !DONE.load(std::sync::atomic::Ordering::Relaxed) {
        let ask = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"];
        let said = Command::new("nvidia-smi").args(ask).output().ok()?;
        found.push(String::from_utf8_lossy(&said.stdout).trim().parse::<f64>().ok()?);
        std::thread::sleep(Duration::from_millis(100));
    }
    let most = found.iter().copied().fold(0.0, f64::max);
    (!found.is_empty()).then(|| (found.iter().sum::<f64>() / found.len() as f64, most))
}

fn volume(side: usize) -> Arc<Volume> {
    let geometry = Geometry {
        slices: side,
        rows: side,
        columns: side,
        origin: [0.0; 3],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [1.0, 1.0],
        slice_step: 1.0,
    };
    let voxels = vec![1.0; geometry.voxels()];
    Arc::new(Volume {
        geometry,
        voxels,
        slices: Vec::new(),
        frame_of_reference: None,
        displayed: false,
    })
}
