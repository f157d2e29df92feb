//! Models in processes of their own: one that crashes or hangs costs its job, and nothing else.

#[path = "../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::Author;
use gantry_inference::device::Device;
use gantry_inference::engine::{EngineOptions, InferError};
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions, Urgency};
use gantry_inference::runtime::find_library;
use gantry_terms::geometry::Geometry;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(1);
/// Of a run, in seconds.
const TIME_OUT: u64 = 5;

/// One slice of four voxels, whose first one is 9.
fn volume() -> Arc<Volume> {
    volume_of(4)
}

fn volume_of(voxels: usize) -> Arc<Volume> {
    let geometry = Geometry {
        slices: 1,
        rows: 2,
        columns: voxels.div_ceil(2),
        origin: [0.0; 3],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [1.0, 1.0],
        slice_step: 1.0,
    };
    let uid = |text: &str| Uid::parse(text).unwrap();
    let slice = SliceSource {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: uid("1.2.3.4"),
        frame: None,
        position: [0.0; 3],
    };
    let mut voxels = vec![0.0; geometry.voxels()];
    voxels[0] = 9.0;
    Arc::new(Volume { geometry, voxels, slices: vec![slice], frame_of_reference: None })
}

/// Two models that are alike, `one` and `two`.
fn models(folder: &Path) -> PathBuf {
    let manifest = author::MANIFEST.replace("time-out = 10", &format!("time-out = {TIME_OUT}"));
    let written = Author { manifest, ..Author::default() }.write(folder);
    let tiny = written.join("tiny");
    for name in ["one", "two"] {
        let copy = written.join(name);
        std::fs::create_dir(&copy).unwrap();
        for file in ["model.toml", "model.onnx"] {
            std::fs::copy(tiny.join(file), copy.join(file)).unwrap();
        }
    }
    std::fs::remove_dir_all(tiny).unwrap();
    written
}

fn start(folder: &Path, library: &Path, memory: u64) -> Pool {
    let options = PoolOptions {
        program: env!("CARGO_BIN_EXE_gantry").into(),
        engine: EngineOptions {
            library: Some(library.into()),
            threads: Some(1),
            ..EngineOptions::default()
        },
        devices: vec![Device::Cpu],
        memory,
        ageing: Duration::from_secs(1800),
        grace: GRACE,
    };
    Pool::start(Arc::new(Models::load(&models(folder)).unwrap()), options).unwrap()
}

/// Processes that this one has started and that have not ended.
fn workers() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_worker = |number: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        status.contains(&format!("PPid:\t{}\n", std::process::id()))
            && !status.contains("State:\tZ")
    };
    numbers.filter(is_worker).collect()
}

fn signal(name: &str) {
    for number in workers() {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(number.to_string()).status();
        assert!(sent.unwrap().success());
    }
}

async fn asked(pool: &Pool, model: &str) -> Result<f64, InferError> {
    let asked = pool.infer(model, vec![volume().into()], Urgency::Routine, Duration::ZERO).await;
    let (findings, _) = asked?;
    Ok(findings.groups[0].measurements[0].value.unwrap())
}

fn told(answer: Result<f64, InferError>) -> String {
    match answer.unwrap_err() {
        InferError::Transient(text) => text,
        InferError::Permanent(text) => panic!("it may go well the next time: {text}"),
    }
}

/// One test: it looks at all processes that it has started.
#[test]
fn a_model_that_crashes_hangs_or_takes_memory_costs_no_other_one() {
    let Ok(library) = find_library(None) else {
        println!("skipped: no ONNX Runtime; set ORT_DYLIB_PATH or run make once");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let pool = start(folder.path(), &library, 8 << 30);
        assert_eq!(workers().len(), 2);
        assert_eq!(asked(&pool, "one").await, Ok(30.0));

        for number in workers() {
            let score = std::fs::read_to_string(format!("/proc/{number}/oom_score_adj")).unwrap();
            assert_eq!(score, "600\n", "the kernel ends it before the node");
        }

        memory_comes_in_large_pages(&pool).await;

        // The service is stopped: the node still finishes what it has in hand.
        signal("TERM");
        assert_eq!(asked(&pool, "one").await, Ok(30.0));

        signal("ABRT");
        let text = told(asked(&pool, "one").await);
        assert!(
            text.contains("process of the model `one` ended while it ran (signal: 6"),
            "{text}"
        );
        assert_eq!(asked(&pool, "one").await, Ok(30.0));

        signal("STOP");
        let text = told(asked(&pool, "one").await);
        assert_eq!(text, "the process of the model `one` hung for 6 s and was ended");
        assert_eq!(asked(&pool, "one").await, Ok(30.0));

        // Nobody waits any more: what it does is ended.
        let before = workers();
        signal("STOP");
        let (leaving, model) = (pool.clone(), "one");
        let caller = tokio::spawn(async move { asked(&leaving, model).await });
        tokio::time::sleep(GRACE / 2).await;
        caller.abort();
        let gone = async {
            while before.iter().all(|number| workers().contains(number)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
        assert_eq!(asked(&pool, "one").await, Ok(30.0));

        drop(pool);
        assert!(workers().is_empty());

        a_budget_is_kept(&library).await;
    });
}

/// Where the system gives them to who asks: what a run takes is there in no time, and not page by page.
async fn memory_comes_in_large_pages(pool: &Pool) {
    let given = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if given.is_ok_and(|given| given.contains("[never]")) {
        return;
    }
    let voxels = 8 << 20;
    let large = vec![volume_of(voxels).into()];
    pool.infer("one", large, Urgency::Routine, Duration::ZERO).await.unwrap();
    let largest = workers().into_iter().max_by_key(|worker| peak(*worker)).unwrap();
    let all = std::fs::read_to_string(format!("/proc/{largest}/smaps_rollup")).unwrap();
    let kib = |key: &str| -> u64 {
        let line = all.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    println!(
        "{} of {} KiB in large pages, at most {}",
        kib("AnonHugePages:"),
        kib("Rss:"),
        peak(largest) >> 10
    );
    assert!(kib("AnonHugePages:") > 16 << 10, "{all}");
}

async fn a_budget_is_kept(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let pool = start(folder.path(), library, 8 << 30);
    let opened = workers().into_iter().map(peak).max().unwrap();
    drop(pool);

    // Both are loaded at the start; the second one sends the first away, and so on.
    let folder = tempfile::tempdir().unwrap();
    let pool = start(folder.path(), library, opened * 3 / 2);
    for model in ["one", "two", "one"] {
        assert_eq!(asked(&pool, model).await, Ok(30.0));
        assert_eq!(workers().len(), 1, "only one fits");
    }
    // A run that takes more than the budget, whatever it was that noticed it.
    let voxels = usize::try_from(opened / 8 * 2).unwrap();
    let _ =
        pool.infer("one", vec![volume_of(voxels).into()], Urgency::Routine, Duration::ZERO).await;
    assert_eq!(asked(&pool, "two").await, Ok(30.0));
    let loaded = workers();
    let larger = vec![volume_of(voxels + 4).into()];
    let refused = pool.infer("one", larger, Urgency::Routine, Duration::ZERO).await.unwrap_err();
    let InferError::Permanent(why) = refused else { panic!("not the next time either: {refused}") };
    assert!(why.contains(&format!("MiB for {voxels} voxels")), "{why}");
    assert_eq!(workers(), loaded, "the other one stays");
    assert_eq!(asked(&pool, "one").await, Ok(30.0), "a small volume fits");
    drop(pool);

    let folder = tempfile::tempdir().unwrap();
    let pool = start(folder.path(), library, 1 << 20);
    assert!(workers().is_empty(), "none fits");
    let refused = asked(&pool, "one").await.unwrap_err();
    let InferError::Permanent(why) = refused else { panic!("not the next time either: {refused}") };
    for part in ["MiB to open its graph", "may take 1: set inference.memory-mib to more than"] {
        assert!(why.contains(part), "{part:?} is not in: {why}");
    }
    assert!(workers().is_empty());
}

/// In bytes, as the system tells.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
