//! `cargo bench -p gantry-inference --bench sharing`: eight models share a machine for 200 series, and what a process for each of them costs.

#[path = "../tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::{Author, MANIFEST, slow_graph};
use gantry_inference::device::Device;
use gantry_inference::engine::{Engine, EngineOptions};
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions, Urgency};
use gantry_inference::worker;
use gantry_terms::findings::Findings;
use gantry_terms::geometry::Geometry;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const SERIES: usize = 200;
const ROUNDS: usize = 9;
const MIB: u64 = 1 << 20;

/// Name, what each voxel is the mean over, and slices, rows and columns of its volume.
const MODELS: [(&str, [u64; 3], [usize; 3]); 8] = [
    ("films", [1, 9, 9], [1, 2048, 2048]),
    ("head", [3, 9, 9], [40, 256, 256]),
    ("knee", [5, 11, 11], [40, 256, 256]),
    ("spine", [9, 15, 15], [20, 256, 256]),
    ("chest", [5, 9, 9], [100, 256, 256]),
    ("liver", [7, 15, 15], [60, 256, 256]),
    ("whole", [3, 9, 9], [150, 384, 384]),
    ("large", [1, 9, 9], [200, 512, 512]),
];

struct Bench {
    runtime: Runtime,
    models: Arc<Models>,
    volumes: Vec<Arc<Volume>>,
}

fn main() {
    // The pool starts this very program again for each model.
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return worker::serve().expect("the pool asks");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench {
        runtime: Runtime::new().expect("a runtime"),
        models: Arc::new(Models::load(&models(folder.path())).expect("models")),
        volumes: MODELS.iter().map(|(_, _, sides)| volume(*sides)).collect(),
    };
    let alone = bench.beside_each_other();
    let all: u64 = bench.shared("a budget for all", 16 << 30, &alone);
    bench.shared("a budget for two thirds of that", all * 2 / 3, &alone);
}

impl Bench {
    /// Seconds of each model's run in this process; printed beside a process of its own, by turns.
    fn beside_each_other(&self) -> Vec<f64> {
        let engine = Engine::start(self.models.clone(), EngineOptions::default());
        let engine = engine.expect("ONNX Runtime");
        let pool = self.pool(16 << 30);
        println!(
            "{:8} {:>9} {:>12} {:>12} {:>10}",
            "model", "MiB in", "here, ms", "process, ms", "more, ms"
        );
        let mut alone = Vec::new();
        for ((name, ..), volume) in MODELS.iter().zip(&self.volumes) {
            let [mut here, mut there] = [Vec::new(), Vec::new()];
            for round in 0..=ROUNDS {
                let began = Instant::now();
                let found = self.runtime.block_on(engine.infer(name, vec![volume.clone()]));
                let in_engine = began.elapsed().as_secs_f64();
                let (again, in_process) = self.runtime.block_on(run(&pool, name, volume));
                assert_eq!(number(&found.expect("findings")), again, "the same, wherever it runs");
                // The first round opens and warms up.
                if round > 0 {
                    here.push(in_engine);
                    there.push(in_process);
                }
            }
            let [here, there] = [median(here), median(there)];
            let mib = (volume.voxels.len() * 4) as f64 / MIB as f64;
            println!(
                "{name:8} {mib:9.0} {:12.1} {:12.1} {:10.1}",
                here * 1e3,
                there * 1e3,
                (there - here) * 1e3
            );
            alone.push(here);
        }
        alone
    }

    /// The most MiB that all processes took together, in bytes.
    fn shared(&self, what: &str, budget: u64, alone: &[f64]) -> u64 {
        let pool = self.pool(budget);
        let peak = Peak::watch();
        let began = Instant::now();
        let (in_pool, longest, waited) = self.runtime.block_on(async {
            let jobs: Vec<_> = (0..SERIES - MODELS.len())
                .map(|series| {
                    let (pool, volume) = (pool.clone(), self.volumes[series % 8].clone());
                    tokio::spawn(async move { run(&pool, MODELS[series % 8].0, &volume).await.1 })
                })
                .collect();
            // The last one of each model is stat, and comes while all of the others wait or run.
            let (mut seconds, mut longest, mut waited) = (0.0, 0.0f64, 0.0f64);
            for ((name, ..), volume) in MODELS.iter().zip(&self.volumes) {
                let asked = Instant::now();
                let (_, took) = run_as(Urgency::Stat, &pool, name, volume).await;
                waited = waited.max(asked.elapsed().as_secs_f64() - took);
                seconds += took;
                longest = longest.max(took);
            }
            for job in jobs {
                let took = job.await.expect("it ran");
                seconds += took;
                longest = longest.max(took);
            }
            (seconds, longest, waited)
        });
        let total = began.elapsed().as_secs_f64();
        let most = peak.end();
        let models: f64 = (0..SERIES).map(|series| alone[series % 8]).sum();
        println!(
            "{what}: {SERIES} series of {} models in {total:.1} s; in one process alone {models:.1} s, ratio \
             {:.3}; turns {in_pool:.1} s, ratio {:.3}; at most {} of {} MiB",
            MODELS.len(),
            total / models,
            total / in_pool,
            most / MIB,
            budget / MIB
        );
        println!(
            "{what}: of {} stat jobs none waited longer than {waited:.2} s for its turn; the longest run, \
             loading included, took {longest:.2} s",
            MODELS.len()
        );
        most
    }

    fn pool(&self, memory: u64) -> Pool {
        let options = PoolOptions {
            program: "/proc/self/exe".into(),
            engine: EngineOptions::default(),
            devices: vec![Device::Cpu],
            memory,
            ageing: Duration::from_secs(1800),
            grace: Duration::from_secs(60),
        };
        Pool::start(self.models.clone(), options).expect("processes")
    }
}

/// What it found, and the seconds since its turn came.
async fn run(pool: &Pool, model: &str, volume: &Arc<Volume>) -> (f64, f64) {
    run_as(Urgency::Routine, pool, model, volume).await
}

async fn run_as(urgency: Urgency, pool: &Pool, model: &str, volume: &Arc<Volume>) -> (f64, f64) {
    let asked = pool.infer(model, vec![volume.clone().into()], urgency, Duration::ZERO).await;
    let (findings, took) = asked.expect("findings");
    (number(&findings), took.as_secs_f64())
}

fn number(findings: &Findings) -> f64 {
    findings.groups[0].measurements[0].value.expect("a number")
}

/// What the processes that this one started hold, looked at all the time.
struct Peak {
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Peak {
    fn watch() -> Self {
        let (most, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (found, ends) = (most.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                found.fetch_max(resident(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { most, over, thread }
    }

    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only looks");
        self.most.load(Ordering::Relaxed)
    }
}

/// Bytes of all workers, VmRSS (proc(5)): what they share counts for each. A child that is not a worker yet still shows the
/// memory of this process (vfork(2)), so its command is read first.
fn resident() -> u64 {
    let parent = format!("PPid:\t{}\n", std::process::id());
    let entries = fs::read_dir("/proc").expect("proc(5)").flatten();
    let kib = entries.filter_map(|entry| {
        let of = |name| fs::read_to_string(entry.path().join(name)).ok();
        of("cmdline").filter(|command| command.starts_with("gantry\0worker"))?;
        let status = of("status").filter(|status| status.contains(&parent))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    kib.sum::<u64>() << 10
}

fn models(folder: &Path) -> std::path::PathBuf {
    let manifest = MANIFEST
        .replace("slice-row-column", "batch-channel-slice-row-column")
        .replace("time-out = 10", "time-out = 300");
    for (name, over, _) in MODELS {
        let author = Author { manifest: manifest.clone(), graph: slow_graph(&over) };
        let written = author.write(folder);
        fs::rename(written.join("tiny"), written.join(name)).expect("renamed");
    }
    folder.join("models")
}

fn volume([slices, rows, columns]: [usize; 3]) -> Arc<Volume> {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let geometry = Geometry {
        slices,
        rows,
        columns,
        origin: [0.0; 3],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [1.0, 1.0],
        slice_step: 1.0,
    };
    let source = |slice: usize| SliceSource {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: uid(&format!("1.2.3.{slice}")),
        frame: None,
        position: [0.0, 0.0, slice as f64],
    };
    let voxels = (0..geometry.voxels()).map(|at| (at % 1999) as f32 - 1000.0).collect();
    let slices = (1..=slices).map(source).collect();
    Arc::new(Volume { geometry, voxels, slices, frame_of_reference: None, displayed: false })
}

fn median(mut taken: Vec<f64>) -> f64 {
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}
