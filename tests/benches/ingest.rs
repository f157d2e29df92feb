//! `cargo bench -p gantry-tests --bench ingest`: objects a second, waiting and processor time of the node beside DCMTK and Orthanc, in one interleaved run, and beside what the disk can do.

use kit::load::calling;
use kit::node::{AE_TITLE, Node, Setup};
use kit::ports;
use kit::template::{Number, Template};
use kit::wire::Wire;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is sent: rows and columns of each image, how many of them, over how many associations.
struct Load {
    what: &'static str,
    side: u16,
    images: u32,
    associations: u16,
}

const LOADS: [Load; 6] = [
    Load { what: "CT 512 x 512", side: 512, images: 400, associations: 1 },
    Load { what: "CT 512 x 512", side: 512, images: 400, associations: 4 },
    Load { what: "CT 512 x 512", side: 512, images: 400, associations: 16 },
    Load { what: "10 KB", side: 70, images: 3000, associations: 1 },
    Load { what: "10 KB", side: 70, images: 4800, associations: 16 },
    Load { what: "one of 104 MB", side: 7200, images: 2, associations: 1 },
];

const PEERS: [&str; 4] = ["gantry", "storescp", "Orthanc", "Orthanc, no sync"];

/// One run of one load.
#[derive(Clone, Copy)]
struct Run {
    rate: f64,
    /// Milliseconds from the first byte of a request to its response: the middle one, and the one
    /// that a hundredth exceed.
    middle: f64,
    p99: f64,
    /// Processor time of the server for each object, in milliseconds.
    processor: f64,
    /// The most that the server held in memory, in MB.
    memory: f64,
}

fn main() {
    let rounds = std::env::var("GANTRY_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: usize = rounds.unwrap_or(3);
    let there: Vec<&str> = PEERS.into_iter().filter(|peer| is_there(peer)).collect();
    println!("medians of {rounds} rounds; p50 and p99 in ms, CPU in ms an object, memory in MB");
    // Deleting just before makes the file system slow: everything stays until the end.
    let mut folders = Vec::new();
    for load in &LOADS {
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); there.len()];
        let mut limits = Vec::new();
        for round in 0..rounds {
            for turn in 0..there.len() {
                let which = (turn + round) % there.len();
                runs[which].push(measure(there[which], load, &mut folders));
            }
            limits.push(limit(load, &mut folders));
        }
        print(load, &there, &runs, median(&limits));
    }
}

fn is_there(peer: &str) -> bool {
    let program = match peer {
        "gantry" => return true,
        "storescp" => "storescp",
        _ => "Orthanc",
    };
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: {program} is not installed");
    }
    there
}

/// A server that is started anew, with an empty folder.
enum Server {
    Gantry(Box<Node>),
    Other { process: Child, port: u16 },
}

impl Server {
    fn start(peer: &str, folder: &Path) -> Self {
        if peer == "gantry" {
            let setup = (1..=16).fold(Setup::new(), |setup, n| setup.scanner(&calling(n)));
            return Self::Gantry(Box::new(setup.models(folder).quiet_seconds(600.0).start()));
        }
        let port = ports::free();
        let process = match peer {
            "storescp" => storescp(folder, port),
            _ => orthanc(folder, port, peer == "Orthanc"),
        };
        let up = ports::wait_for(Duration::from_secs(60), || {
            ports::somebody_listens(port).then_some(())
        });
        assert!(up.is_some(), "{peer} does not listen");
        Self::Other { process, port }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Gantry(node) => node.port,
            Self::Other { port, .. } => *port,
        }
    }

    fn process(&self) -> u32 {
        match self {
            Self::Gantry(node) => node.process_id(),
            Self::Other { process, .. } => process.id(),
        }
    }

    /// Gantry's folder is kept by whoever keeps the node.
    fn stop(self) -> Option<Box<Node>> {
        match self {
            Self::Gantry(mut node) => {
                assert!(node.stop().success());
                Some(node)
            }
            Self::Other { mut process, .. } => {
                process.kill().expect("it runs");
                process.wait().expect("it ends");
                None
            }
        }
    }
}

/// As shipped, but for TCP_NODELAY: without it each response waits for a delayed acknowledgement.
fn storescp(folder: &Path, port: u16) -> Child {
    let mut command = Command::new("storescp");
    command.args(["--accept-all", "--aetitle", AE_TITLE, "--output-directory"]);
    command.arg(folder).arg(port.to_string()).env("TCP_NODELAY", "1");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("storescp starts")
}

fn orthanc(folder: &Path, port: u16, sync: bool) -> Child {
    let config = serde_json::json!({
        "Name": "BENCH", "StorageDirectory": folder, "IndexDirectory": folder,
        "DicomAet": AE_TITLE, "DicomPort": port, "DicomAlwaysAllowStore": true,
        "HttpServerEnabled": false, "SyncStorageArea": sync, "Plugins": [],
    });
    let path = folder.join("orthanc.json");
    std::fs::write(&path, config.to_string()).expect("a fresh folder can be written");
    let mut command = Command::new("Orthanc");
    command.arg(path).env("TCP_NODELAY", "1").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("Orthanc starts")
}

enum Kept {
    Node(#[allow(dead_code)] Box<Node>),
    Folder(#[allow(dead_code)] TempDir),
}

fn measure(peer: &str, load: &Load, folders: &mut Vec<Kept>) -> Run {
    let folder = TempDir::new().expect("a temporary folder");
    let server = Server::start(peer, folder.path());
    let before = processor_time(server.process());
    let (took, mut waits) = send(server.port(), load);
    let processor = processor_time(server.process()) - before;
    let memory = peak_memory(server.process());
    folders.extend(server.stop().map(Kept::Node));
    folders.push(Kept::Folder(folder));
    waits.sort_by(f64::total_cmp);
    let sent = waits.len() as f64;
    Run {
        rate: sent / took.as_secs_f64(),
        middle: waits[waits.len() / 2],
        p99: waits[(waits.len() * 99 / 100).min(waits.len() - 1)],
        processor: processor / sent,
        memory,
    }
}

/// How long all took, and how long each waited for its response, in milliseconds.
fn send(port: u16, load: &Load) -> (Duration, Vec<f64>) {
    let begin = Barrier::new(usize::from(load.associations) + 1);
    let each = load.images / u32::from(load.associations);
    std::thread::scope(|scope| {
        let scanners: Vec<_> = (1..=load.associations)
            .map(|scanner| {
                let begin = &begin;
                scope.spawn(move || {
                    let mut template = Template::ct(load.side, load.side);
                    let number = |image| Number { run: 1, scanner, study: 1, series: 1, image };
                    template.image(number(0));
                    begin.wait();
                    let calling = calling(scanner);
                    let mut wire = Wire::request(&calling, port, Template::SOP_CLASS)
                        .expect("the association is accepted");
                    let store = |image| {
                        let number = number(image);
                        let image = template.renumbered(number);
                        let since = Instant::now();
                        let status = wire.store(&number.sop_instance_uid(), image);
                        assert_eq!(status.ok(), Some(0), "every object is taken");
                        since.elapsed().as_secs_f64() * 1e3
                    };
                    let waits: Vec<f64> = (1..=each).map(store).collect();
                    wire.release();
                    waits
                })
            })
            .collect();
        begin.wait();
        let since = Instant::now();
        let waits = scanners.into_iter().flat_map(|one| one.join().expect("a scanner ends"));
        let waits = waits.collect();
        (since.elapsed(), waits)
    })
}

/// Bytes a second that a plain append and fdatasync reach on this disk with as many objects a sync
/// as there are associations: what no durable receiver can exceed in the same way.
fn limit(load: &Load, folders: &mut Vec<Kept>) -> f64 {
    let folder = TempDir::new().expect("a temporary folder");
    let mut file = File::create(folder.path().join("plain")).expect("a file");
    let image = vec![7; usize::from(load.side) * usize::from(load.side) * 2 + 700];
    let since = Instant::now();
    let mut written = 0;
    while written < load.images {
        for _ in 0..load.associations {
            file.write_all(&image).expect("written");
            written += 1;
        }
        file.sync_data().expect("synced");
    }
    let rate = f64::from(written) / since.elapsed().as_secs_f64();
    folders.push(Kept::Folder(folder));
    rate
}

fn print(load: &Load, peers: &[&str], runs: &[Vec<Run>], limit: f64) {
    let Load { what, associations, images, .. } = load;
    println!("\n{what}, {images} objects, {associations} associations");
    let of = |runs: &[Run], figure: fn(&Run) -> f64| {
        median(&runs.iter().map(figure).collect::<Vec<_>>())
    };
    for (peer, mine) in peers.iter().zip(runs) {
        // Round by round, so that the machine's mood is the same for both.
        let ratios: Vec<f64> = runs[0].iter().zip(mine).map(|(g, p)| g.rate / p.rate).collect();
        println!(
            "  {peer:<17} {:>8.1}/s  p50 {:>7.2}  p99 {:>7.2}  CPU {:>7.3}  memory {:>5.0}  gantry is {:.2} x",
            of(mine, |run| run.rate),
            of(mine, |run| run.middle),
            of(mine, |run| run.p99),
            of(mine, |run| run.processor),
            of(mine, |run| run.memory),
            median(&ratios)
        );
    }
    println!(
        "  append, fdatasync {limit:>8.1}/s  gantry reaches {:.2} of it",
        of(&runs[0], |run| run.rate) / limit
    );
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Of a process, in milliseconds: fields 14 and 15 of proc(5)'s stat, in hundredths of a second.
fn processor_time(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let behind_name = stat.rsplit_once(')').expect("its name stands in brackets").1;
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() * 10.0
}

fn peak_memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    let kib = line.split_whitespace().next().expect("a number");
    kib.parse::<f64>().expect("a number") / 1024.0
}
