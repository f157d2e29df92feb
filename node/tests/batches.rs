//! Jobs on films that wait at the same time are one run, and what happens to that run happens to none of them.

#[path = "../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::films_together;
use gantry_inference::batch::Seat;
use gantry_inference::engine::{EngineOptions, InferError};
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions, Told, Urgency};
use gantry_inference::runtime::find_library;
use gantry_terms::film::Film;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any run, so that who waits for others has them.
const PATIENT: &str = "[batching]\nmost = 8\nwait-ms = 10000";
const SIDE: usize = 28;

fn film(side: usize, number: usize) -> Vec<Images> {
    let uid = |text: &str| Uid::parse(text).unwrap();
    let pixel = |at: usize| ((at * 37 + number * 101) % 256) as f32 / 255.0;
    let film = Film {
        frames: 1,
        channels: 1,
        rows: side,
        columns: side,
        pixels: (0..side * side).map(pixel).collect(),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.1"),
        sop_instance: uid("1.2.3"),
        pixel_spacing: None,
        patient_spacing: None,
    };
    vec![film.into()]
}

fn pool(folder: &Path, library: &Path, side: usize, batching: &str, memory: u64) -> Pool {
    let models = films_together(side, batching).write(folder);
    let options = PoolOptions {
        program: env!("CARGO_BIN_EXE_gantry").into(),
        engine: EngineOptions {
            library: Some(library.into()),
            threads: Some(1),
            ..EngineOptions::default()
        },
        devices: vec![gantry_inference::device::Device::Cpu],
        memory,
        ageing: Duration::from_secs(1800),
        grace: Duration::from_secs(60),
    };
    Pool::start(Arc::new(Models::load(&models).unwrap()), options).unwrap()
}

/// All at once, told in their order.
async fn at_once(pool: &Pool, films: Vec<Vec<Images>>) -> Vec<Result<Told, InferError>> {
    let ask = |film| {
        let pool = pool.clone();
        tokio::spawn(async move {
            pool.infer_together("tiny", film, Urgency::Routine, Duration::ZERO).await
        })
    };
    let asked: Vec<_> = films.into_iter().map(ask).collect();
    let mut told = Vec::new();
    for one in asked {
        told.push(one.await.unwrap());
    }
    told
}

fn number(told: &Told) -> f64 {
    told.findings.groups[0].measurements[0].value.unwrap()
}

async fn alone(pool: &Pool, film: Vec<Images>) -> f64 {
    let (findings, _) = pool.infer("tiny", film, Urgency::Routine, Duration::ZERO).await.unwrap();
    findings.groups[0].measurements[0].value.unwrap()
}

fn seats(told: &[Result<Told, InferError>]) -> Vec<Seat> {
    let mut seats: Vec<Seat> = told.iter().map(|told| told.as_ref().unwrap().seat).collect();
    seats.sort_by_key(|seat| (seat.of, seat.at));
    seats
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

fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill").arg(signal).arg(process.to_string()).status();
    assert!(sent.unwrap().success());
}

/// What a run takes with large pages changes by the moment. Where somebody has set these, no worker asks for them.
const SMALL_PAGES: [(&str, &str); 3] = [
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0:glibc.malloc.arena_max=1"),
    ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "0"),
    ("MIMALLOC_PURGE_DELAY", "0"),
];
/// This test once more, for what is measured.
const MEASURED: &str = "GANTRY_TEST_MEASURED";

/// One test: it looks at all processes that it has started.
#[test]
fn films_that_wait_at_the_same_time_are_one_run_and_none_fails_for_another() {
    let Ok(library) = find_library(None) else {
        println!("skipped: no ONNX Runtime; set ORT_DYLIB_PATH or run make once");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if std::env::var_os(MEASURED).is_some() {
        runtime.block_on(a_batch_that_does_not_fit_becomes_smaller_ones(&library));
        return;
    }
    let measured = Command::new(std::env::current_exe().unwrap())
        .args([
            "films_that_wait_at_the_same_time_are_one_run_and_none_fails_for_another",
            "--exact",
        ])
        .env(MEASURED, "1")
        .envs(SMALL_PAGES)
        .status();
    assert!(measured.unwrap().success(), "a batch that does not fit");
    runtime.block_on(async {
        eight_are_one_run(&library).await;
        who_is_urgent_or_by_himself_waits_for_nobody(&library).await;
        who_is_urgent_goes_between_the_halves_of_a_batch_that_failed(&library).await;
    });
}

async fn eight_are_one_run(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(folder.path(), library, SIDE, PATIENT, 8 << 30);
    let films: Vec<_> = (0..8).map(|number| film(SIDE, number)).collect();
    let told = at_once(&pool, films.clone()).await;
    let eight: Vec<Seat> = (0..8).map(|at| Seat { at, of: 8 }).collect();
    assert_eq!(seats(&told), eight);
    for (film, told) in films.iter().zip(&told) {
        let told = told.as_ref().unwrap();
        let alone = alone(&pool, film.clone()).await;
        assert!((number(told) - alone).abs() < 1e-4, "{} %, alone {alone} %", number(told));
        // As it is made again: to the bit.
        let again = pool.infer_again("tiny", film.clone(), Urgency::Routine, told.seat).await;
        let again = again.map(|told| told.findings);
        let again = again.unwrap().groups[0].measurements[0].value.unwrap();
        assert_eq!(number(told), again, "{:?}", told.seat);
    }

    // What they run in ends under all of them: each is tried again, in halves, and has its answer.
    for worker in workers() {
        signal("-ABRT", worker);
    }
    let after = at_once(&pool, films.clone()).await;
    for (told, after) in told.iter().zip(&after) {
        let (told, after) = (told.as_ref().unwrap(), after.as_ref().unwrap());
        assert!((number(told) - number(after)).abs() < 1e-4);
        assert_eq!(after.seat.of, 4, "halves");
    }

    // One who leaves takes nobody along.
    let leaving = pool.clone();
    let first = films[0].clone();
    let leader = tokio::spawn(async move {
        leaving.infer_together("tiny", first, Urgency::Routine, Duration::ZERO).await
    });
    tokio::task::yield_now().await;
    let others = {
        let (pool, films) = (pool.clone(), films[4..].to_vec());
        tokio::spawn(async move { at_once(&pool, films).await })
    };
    leader.abort();
    assert!(others.await.unwrap().iter().all(Result::is_ok));
}

async fn who_is_urgent_or_by_himself_waits_for_nobody(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    // Whoever waited for others here would wait until the test is given up.
    let pool = pool(folder.path(), library, SIDE, PATIENT, 8 << 30);
    let urgent = pool.infer_together("tiny", film(SIDE, 1), Urgency::Stat, Duration::ZERO);
    let asked = tokio::time::timeout(Duration::from_secs(9), urgent).await;
    assert_eq!(asked.expect("it waits for others").unwrap().seat, Seat::ALONE);
    let folder = tempfile::tempdir().unwrap();
    let batching = "[batching]\nmost = 8\nwait-ms = 5";
    let pool = self::pool(folder.path(), library, SIDE, batching, 8 << 30);
    let told = at_once(&pool, vec![film(SIDE, 1)]).await;
    assert_eq!(seats(&told), [Seat::ALONE], "nobody else came in time");
}

async fn who_is_urgent_goes_between_the_halves_of_a_batch_that_failed(library: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(folder.path(), library, SIDE, PATIENT, 8 << 30);
    let [worker] = workers()[..] else { panic!("{:?}", workers()) };
    signal("-STOP", worker);
    let mut films = {
        let (pool, films) = (pool.clone(), (0..8).map(|number| film(SIDE, number)).collect());
        tokio::spawn(async move { at_once(&pool, films).await })
    };
    // Their run begins when all of them are there, and cannot end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut urgent = {
        let pool = pool.clone();
        tokio::spawn(async move {
            pool.infer_together("tiny", film(SIDE, 9), Urgency::Stat, Duration::ZERO).await
        })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    signal("-KILL", worker);
    tokio::select! {
        biased;
        told = &mut urgent => assert_eq!(told.unwrap().unwrap().seat, Seat::ALONE),
        _ = &mut films => panic!("all halves went before the urgent film"),
    }
    let told = films.await.unwrap();
    assert!(told.iter().all(|told| told.as_ref().is_ok_and(|told| told.seat.of == 4)), "halves");
}

/// In bytes, as the system tells.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

async fn a_batch_that_does_not_fit_becomes_smaller_ones(library: &Path) {
    let side = 2048;
    let folder = tempfile::tempdir().unwrap();
    let all_fit = pool(folder.path(), library, side, PATIENT, 8 << 30);
    let expected = alone(&all_fit, film(side, 0)).await;
    let one = workers().into_iter().map(peak).max().unwrap();
    let told = at_once(&all_fit, (0..8).map(|_| film(side, 0)).collect()).await;
    assert!(told.iter().all(|told| told.as_ref().unwrap().seat.of == 8));
    let eight = workers().into_iter().map(peak).max().unwrap();
    drop(all_fit);
    let budget = one + (eight - one) / 2;
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(folder.path(), library, side, PATIENT, budget);
    for round in 0..3 {
        let told = at_once(&pool, (0..8).map(|_| film(side, 0)).collect()).await;
        for told in &told {
            let told = told.as_ref().unwrap();
            assert!(
                (number(told) - expected).abs() < 1e-4,
                "{} %, alone {expected} %",
                number(told)
            );
            assert!(round == 0 || told.seat.of < 8, "round {round}: {:?}", told.seat);
        }
    }
    assert!(workers().into_iter().all(|worker| peak(worker) <= budget), "within the budget");
}
