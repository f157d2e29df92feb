//! `cargo bench -p gantry-inference --bench batching`: the chest film classifier on 1 to 64 films at once, beside one at a time.

#[path = "../tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::{Author, films_together};
use gantry_inference::engine::EngineOptions;
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions, Urgency};
use gantry_inference::worker;
use gantry_terms::film::Film;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const ROUNDS: usize = 15;
const AT_ONCE: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Rows and columns of a film: as the graph takes it, and as a detector makes it.
const SIDES: [usize; 2] = [28, 2048];

fn main() {
    // The pool starts this very program again for each model.
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return worker::serve().expect("the pool asks");
    }
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let pool = pool(folder.path());
    println!(
        "{:>6} {:>8} {:>16} {:>16} {:>6}",
        "side", "at once", "alone, ms each", "batch, ms each", "gain"
    );
    for side in SIDES {
        // 64 films from a detector are 1 GiB.
        for count in AT_ONCE.into_iter().filter(|count| side < 100 || *count <= 16) {
            let [mut alone, mut together] = [Vec::new(), Vec::new()];
            for round in 0..=ROUNDS {
                let one_by_one = runtime.block_on(one_by_one(&pool, side, count));
                let at_once = runtime.block_on(at_once(&pool, side, count));
                // The first round opens and warms up.
                if round > 0 {
                    alone.push(one_by_one / count as f64);
                    together.push(at_once / count as f64);
                }
            }
            let [alone, together] = [median(alone), median(together)];
            println!(
                "{side:6} {count:8} {:16.3} {:16.3} {:6.2}",
                alone * 1e3,
                together * 1e3,
                alone / together
            );
        }
    }
}

async fn one_by_one(pool: &Pool, side: usize, count: usize) -> f64 {
    let films: Vec<_> = (0..count).map(|_| film(side)).collect();
    let began = Instant::now();
    for film in films {
        let found = pool.infer("tiny", film, Urgency::Routine, Duration::ZERO).await;
        found.expect("findings");
    }
    began.elapsed().as_secs_f64()
}

async fn at_once(pool: &Pool, side: usize, count: usize) -> f64 {
    let films: Vec<_> = (0..count).map(|_| film(side)).collect();
    let began = Instant::now();
    let jobs: Vec<_> = films
        .into_iter()
        .map(|film| {
            let pool = pool.clone();
            tokio::spawn(async move {
                pool.infer_together("tiny", film, Urgency::Routine, Duration::ZERO).await
            })
        })
        .collect();
    for job in jobs {
        job.await.expect("it ran").expect("findings");
    }
    began.elapsed().as_secs_f64()
}

fn pool(folder: &Path) -> Pool {
    let shared =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models/cxr_pneumonia28.onnx");
    let own = films_together(28, "[batching]\nmost = 64");
    let author = match std::fs::read(&shared) {
        Ok(graph) => Author { graph, ..own },
        Err(_) => {
            println!("the classifier is not on this machine: one matrix in its place");
            own
        }
    };
    let models = Models::load(&author.write(folder)).expect("models");
    let options = PoolOptions {
        program: "/proc/self/exe".into(),
        engine: EngineOptions::default(),
        devices: vec![gantry_inference::device::Device::Cpu],
        memory: 8 << 30,
        ageing: Duration::from_secs(1800),
        grace: Duration::from_secs(60),
    };
    Pool::start(Arc::new(models), options).expect("processes")
}

fn film(side: usize) -> Vec<Images> {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let film = Film {
        frames: 1,
        channels: 1,
        rows: side,
        columns: side,
        pixels: (0..side * side).map(|at| (at % 251) as f32 / 250.0).collect(),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.1"),
        sop_instance: uid("1.2.3"),
        pixel_spacing: None,
        patient_spacing: None,
    };
    vec![film.into()]
}

fn median(mut taken: Vec<f64>) -> f64 {
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}
