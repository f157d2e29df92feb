//! Models in processes of their own: one that crashes or hangs costs its job, and nothing else.

#[path = "../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::Author;
use gantry_inference::device::Device;
use gantry_inference::engine::{EngineOptions, InferError};
use gantry_inference::models::{Model, Models};
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
    Arc::new(Volume {
        geometry,
        voxels,
        slices: vec![slice],
        frame_of_reference: None,
        displayed: false,
    })
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
    start_on(vec![Device::Cpu], folder, library, memory)
}

fn start_on(devices: Vec<Device>, folder: &Path, library: &Path, memory: u64) -> Pool {
    start_with(devices, &models(folder), library, memory)
}

fn start_with(devices: Vec<Device>, written: &Path, library: &Path, memory: u64) -> Pool {
    let options = PoolOptions {
        program: env!("CARGO_BIN_EXE_gantry").into(),
        engine: EngineOptions {
            library: Some(library.into()),
            threads: Some(1),
            ..EngineOptions::default()
        },
        devices,
        memory,
        ageing: Duration::from_secs(1800),
        grace: GRACE,
    };
    Pool::start(Arc::new(Models::load(written).unwrap()), options).unwrap()
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
        who_does_not_fit_beside_a_run_waits_until_it_has_ended(&library).await;
        each_of_two_devices_has_its_own_queue_and_waits_for_no_other(&library).await;
        the_next_run_of_a_device_is_prepared_while_one_has_it(&library).await;
        a_version_that_is_tried_has_its_turn_and_its_room(&library).await;
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
    // What can not fit is not even tried, and who waits behind it goes on.
    let loaded = workers();
    let voxels = usize::try_from(opened / 4 * 2).unwrap();
    let why = refusal(&pool, "one", voxels).await.expect("it can not fit");
    for part in [
        "the model `one` needs at least",
        &format!("MiB for its graph and {voxels} voxels, and all models together may take"),
        "set inference.memory-mib to more than",
        "or let the rule select fewer images",
    ] {
        assert!(why.contains(part), "{part:?} is not in: {why}");
    }
    assert_eq!(workers(), loaded, "nobody was unloaded for it");
    assert_eq!(asked(&pool, "two").await, Ok(30.0));
    // What could have fitted is ended when it has outgrown the budget; or it answers between two looks, and the next one
    // is refused. Once it is in a process in which others ran before.
    let voxels = usize::try_from(opened / 16 * 2).unwrap();
    let mut why = None;
    for _ in 0..3 {
        why = why.or(refusal(&pool, "one", voxels).await);
    }
    let why = why.expect("it takes more than the budget");
    assert!(why.contains(&format!("{voxels} voxels")), "{why}");
    assert_eq!(asked(&pool, "two").await, Ok(30.0));
    let loaded = workers();
    let again = refusal(&pool, "one", voxels + 4).await;
    assert_eq!(again, Some(why), "it is known by now");
    assert_eq!(workers(), loaded, "the other one stays");
    assert_eq!(asked(&pool, "one").await, Ok(30.0), "a small volume fits");
    drop(pool);

    let folder = tempfile::tempdir().unwrap();
    let pool = start(folder.path(), library, 1 << 20);
    assert!(workers().is_empty(), "none fits");
    let refused = asked(&pool, "one").await.unwrap_err();
    let InferError::Permanent(why) = refused else { panic!("not the next time either: {refused}") };
    for part in [
        "took at least",
        "MiB to open its graph",
        "may take 1: set inference.memory-mib to more than",
    ] {
        assert!(why.contains(part), "{part:?} is not in: {why}");
    }
    assert!(workers().is_empty());
}

/// Why a run on so many voxels is not for this budget, where it is not.
async fn refusal(pool: &Pool, model: &str, voxels: usize) -> Option<String> {
    let large = vec![volume_of(voxels).into()];
    match pool.infer(model, large, Urgency::Routine, Duration::ZERO).await.err()? {
        InferError::Permanent(why) => Some(why),
        InferError::Transient(why) => panic!("not the next time either: {why}"),
    }
}

/// Two devices that are not there stand for two that are: a model whose device is missing runs on the CPU.
async fn who_does_not_fit_beside_a_run_waits_until_it_has_ended(library: &Path) {
    let devices = || vec![Device::Cuda(62), Device::Cuda(63)];
    let folder = tempfile::tempdir().unwrap();
    let pool = start_on(devices(), folder.path(), library, 8 << 30);
    let opened = workers().into_iter().map(peak).max().unwrap();
    assert_eq!(most_at_once(&pool).await, 2, "there is room for both");
    drop(pool);
    let folder = tempfile::tempdir().unwrap();
    let pool = start_on(devices(), folder.path(), library, opened * 3 / 2);
    assert_eq!(most_at_once(&pool).await, 1, "there is room for one");
}

/// Nothing says which model goes where. Of four runs for each, the first has its device when the others come, the last of which is
/// stat; all of one device are done while the other device's process stands still.
async fn each_of_two_devices_has_its_own_queue_and_waits_for_no_other(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let devices = vec![Device::Cuda(62), Device::Cuda(63)];
    let pool = start_on(devices, folder.path(), library, 8 << 30);
    assert_eq!(pool.at_once(), 4, "one on each, and the next one of each");
    let mut processes = workers();
    processes.sort_unstable();
    let [one, two] = processes[..] else { panic!("{processes:?}") };
    signal("STOP");
    let (ended, mut order) = tokio::sync::mpsc::unbounded_channel();
    let mut runs = tokio::task::JoinSet::new();
    for urgency in [Urgency::Routine, Urgency::Routine, Urgency::Routine, Urgency::Stat] {
        for model in ["one", "two"] {
            let (pool, ended) = (pool.clone(), ended.clone());
            runs.spawn(async move {
                let images = vec![volume().into()];
                let answer = pool.infer(model, images, urgency, Duration::ZERO).await;
                ended.send((model, urgency)).unwrap();
                answer.unwrap();
            });
        }
        // So that they come in this order.
        tokio::time::sleep(GRACE / 10).await;
    }
    // Nobody waits for a further one any more, and nothing waits for him.
    let leaves = {
        let pool = pool.clone();
        tokio::spawn(async move { asked(&pool, "one").await })
    };
    tokio::time::sleep(GRACE / 10).await;
    leaves.abort();
    let expected = [Urgency::Routine, Urgency::Stat, Urgency::Routine, Urgency::Routine];
    for (process, model) in [(one, "one"), (two, "two")] {
        let sent = Command::new("kill").args(["-CONT", &process.to_string()]).status();
        assert!(sent.unwrap().success());
        for urgency in expected {
            let next = tokio::time::timeout(Duration::from_secs(60), order.recv()).await;
            assert_eq!(next.unwrap(), Some((model, urgency)));
        }
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

/// The voxels of the next run go to its process while another model's has the device, and it runs behind that.
async fn the_next_run_of_a_device_is_prepared_while_one_has_it(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let written = models(folder.path());
    let manifest = std::fs::read_to_string(written.join("one/model.toml")).unwrap();
    let manifest = manifest
        .replace("slice-row-column", "batch-channel-slice-row-column")
        .replace(&format!("time-out = {TIME_OUT}"), "time-out = 300");
    std::fs::write(written.join("one/model.toml"), manifest).unwrap();
    std::fs::write(written.join("one/model.onnx"), author::slow_graph(&[1, 3, 2001])).unwrap();
    for (device, beside) in [(Device::Cuda(63), true), (Device::Cpu, false)] {
        let pool = start_with(vec![device], &written, library, 8 << 30);
        let before: Vec<(u32, u64)> = workers().into_iter().map(|id| (id, peak(id))).collect();
        let run = |model: &'static str, voxels: usize| {
            let pool = pool.clone();
            Box::pin(async move {
                let images = vec![volume_of(voxels).into()];
                pool.infer(model, images, Urgency::Routine, Duration::ZERO).await.unwrap()
            })
        };
        let mut slow = run("one", 1 << 19);
        tokio::select! {
            biased;
            _ = &mut slow => panic!("so fast it is not"),
            () = std::future::ready(()) => {} // it has the turn
        }
        let (slow, next) = (tokio::spawn(slow), tokio::spawn(run("two", 8 << 20)));
        let mut grew = false;
        while !slow.is_finished() {
            grew |= before.iter().any(|(id, then)| peak(*id) > then + (24 << 20));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ((_, took), (_, next)) = (slow.await.unwrap(), next.await.unwrap());
        println!("on {device} the first one took {took:?}, the next one {next:?}");
        assert_eq!(grew, beside, "on {device}");
    }
}

/// Of processes, while both models have much to do; all of which is done.
async fn most_at_once(pool: &Pool) -> usize {
    let mut runs = tokio::task::JoinSet::new();
    for model in ["one", "two"].repeat(4) {
        let pool = pool.clone();
        runs.spawn(async move { asked(&pool, model).await });
    }
    let mut most = 0;
    loop {
        most = most.max(workers().len());
        match runs.try_join_next() {
            Some(run) => assert_eq!(run.unwrap(), Ok(30.0)),
            None if runs.is_empty() => return most,
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn a_version_that_is_tried_has_its_turn_and_its_room(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let three = another_one(folder.path());
    let pool = start(folder.path(), library, 8 << 30);
    let opened = workers().into_iter().map(peak).max().unwrap();
    assert_eq!(asked(&pool, "one").await, Ok(30.0));
    // It is opened beside a run, and runs behind it.
    signal("STOP");
    let (ended, mut order) = tokio::sync::mpsc::unbounded_channel();
    let running = {
        let (pool, ended) = (pool.clone(), ended.clone());
        tokio::spawn(async move {
            let _ = asked(&pool, "one").await;
            ended.send("one").unwrap();
        })
    };
    tokio::time::sleep(GRACE / 2).await;
    let tried = {
        let (pool, three) = (pool.clone(), three.clone());
        tokio::spawn(async move {
            let tried = pool.try_out(&three, vec![volume().into()]).await;
            ended.send("three").unwrap();
            tried
        })
    };
    running.await.unwrap();
    assert!(tried.await.unwrap().is_ok());
    assert_eq!([order.recv().await, order.recv().await], [Some("one"), Some("three")]);
    assert_eq!(asked(&pool, "three").await, Ok(30.0));
    drop(pool);

    // Others go for it, and nothing stays of what can never fit.
    let folder = tempfile::tempdir().unwrap();
    let three = another_one(folder.path());
    let pool = start(folder.path(), library, opened * 3 / 2);
    assert!(pool.try_out(&three, vec![volume().into()]).await.is_ok());
    assert_eq!(workers().len(), 1, "only one fits");
    assert_eq!(asked(&pool, "three").await, Ok(30.0));
    drop(pool);
    let folder = tempfile::tempdir().unwrap();
    let three = another_one(folder.path());
    let pool = start(folder.path(), library, 1 << 20);
    let refused = pool.try_out(&three, vec![volume().into()]).await.unwrap_err().to_string();
    assert!(refused.contains("may take 1: set inference.memory-mib to more than"), "{refused}");
    let unknown = asked(&pool, "three").await.unwrap_err().to_string();
    assert!(unknown.contains("there is no model `three`"), "{unknown}");
    assert!(workers().is_empty());
}

/// A third model that is like the other two, and not among them.
fn another_one(folder: &Path) -> Arc<Model> {
    let written = models(&folder.join("another"));
    std::fs::rename(written.join("one"), written.join("three")).unwrap();
    let three = Models::one(&written.join("three")).unwrap();
    three.model("three").unwrap().clone()
}

/// In bytes, as the system tells.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
