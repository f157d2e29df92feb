//! `cargo bench -p gantry-tests --bench ingest`: objects a second, waiting and processor time of the node beside DCMTK and Orthanc, in one interleaved run, and beside what the disk can do.

use kit::load::calling;
use kit::node::{AE_TITLE, Node, Setup};
use kit::ports;
use kit::template::{Number, Template};
use kit::wire::Wire;
use rustix::fs::OFlags;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is sent: rows and columns of each image, how many of them, over how many associations.
struct Load {
    what: &'static str,
    side: u16,
    images: u32,
    associations: u16,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.what, self.associations)
    }
}

const LOADS: [Load; 6] = [
    Load { what: "CT", side: 512, images: 992, associations: 1 },
    Load { what: "CT", side: 512, images: 992, associations: 4 },
    Load { what: "CT", side: 512, images: 992, associations: 16 },
    Load { what: "10 KB", side: 70, images: 3000, associations: 1 },
    Load { what: "10 KB", side: 70, images: 4800, associations: 16 },
    Load { what: "104 MB", side: 7200, images: 2, associations: 1 },
];

/// As shipped.
const SEGMENT_MIB: u32 = 512;

/// The node comes first: as shipped, with `durability = "crash"`, and with `gantry verify` reading
/// beside it all the time.
const PEERS: [&str; 6] =
    ["gantry", "gantry, crash", "gantry, verified", "storescp", "Orthanc", "Orthanc, no sync"];

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
    let there: Vec<&str> = PEERS.into_iter().filter(|peer| is_wanted(peer)).collect();
    println!("medians of {rounds} rounds; p50 and p99 in ms, CPU in ms an object, memory in MB");
    // Deleting just before makes the file system slow: everything stays until the end of a load.
    let mut folders = Vec::new();
    let is_wanted = |load: &&Load| wanted("GANTRY_BENCH_LOADS", &load.to_string());
    for load in LOADS.iter().filter(is_wanted) {
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); there.len()];
        let mut limits = Vec::new();
        for round in 0..rounds {
            for turn in 0..there.len() {
                let which = (turn + round) % there.len();
                runs[which].push(measure(there[which], load, &mut folders));
            }
            limits.push(limits_of_disk(load, &mut folders));
        }
        print(load, &there, &runs, &limits);
        folders.clear();
        assert!(Command::new("sync").status().expect("sync runs").success());
        std::thread::sleep(Duration::from_secs(5));
    }
}

/// Whether a setting names it, among others behind commas; without the setting everything is wanted.
fn wanted(setting: &str, name: &str) -> bool {
    std::env::var(setting).map_or(true, |names| names.split(',').any(|one| one == name))
}

fn is_wanted(peer: &str) -> bool {
    wanted("GANTRY_BENCH_PEERS", peer) && is_there(peer)
}

fn is_there(peer: &str) -> bool {
    let program = match peer {
        _ if peer.starts_with("gantry") => return true,
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
        if peer.starts_with("gantry") {
            let setup = (1..=16).fold(Setup::new(), |setup, n| setup.scanner(&calling(n)));
            let setup = setup.models(folder).quiet_seconds(600.0).segment_mib(SEGMENT_MIB);
            if peer == "gantry, crash" {
                let node = setup.store("durability = \"crash\"").start();
                return Self::Gantry(Box::new(node));
            }
            let node = setup.start();
            wait_until_prepared(&node);
            return Self::Gantry(Box::new(node));
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

/// A node that has been up for some seconds has written its first segment ahead.
fn wait_until_prepared(node: &Node) {
    let next = node.data().join("segments/next.tmp");
    let whole = u64::from(SEGMENT_MIB) << 20;
    let prepared = ports::wait_for(Duration::from_secs(60), || {
        (std::fs::metadata(&next).ok()?.len() >= whole).then_some(())
    });
    assert!(prepared.is_some(), "a segment is prepared; it needs four times its size on the disk");
    std::thread::sleep(Duration::from_millis(500));
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
    // What the servers before left in the page cache is not written beside this one.
    assert!(Command::new("sync").status().expect("sync runs").success());
    let before = processor_time(server.process());
    let (took, mut waits) = match (&server, peer) {
        (Server::Gantry(node), "gantry, verified") => beside_verify(node, load),
        _ => send(server.port(), load),
    };
    // What follows the last answer, as the index does, is work for these objects too.
    std::thread::sleep(Duration::from_millis(300));
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

/// How long all took, and how long each waited for its response, in milliseconds. All messages are
/// encoded before, as one association with this server wants them.
fn send(port: u16, load: &Load) -> (Duration, Vec<f64>) {
    let mut first = associate(1, port);
    let each = load.images / u32::from(load.associations);
    let mut template = Template::ct(load.side, load.side);
    template.image(Number { run: 1, scanner: 0, study: 1, series: 1, image: 0 });
    let messages = (1..=load.associations).map(|scanner| {
        let message = |image| {
            let number = Number { run: 1, scanner, study: 1, series: 1, image };
            first.encode(&number.sop_instance_uid(), template.renumbered(number))
        };
        (scanner, (1..=each).map(message).collect::<Vec<_>>())
    });
    let messages: Vec<_> = messages.collect();
    first.release();
    let begin = Barrier::new(messages.len() + 1);
    std::thread::scope(|scope| {
        let scanners: Vec<_> = messages
            .iter()
            .map(|(scanner, messages)| {
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    let mut wire = associate(*scanner, port);
                    let store = |message: &Vec<u8>| {
                        let since = Instant::now();
                        let status = wire.store_encoded(message);
                        assert_eq!(status.ok(), Some(0), "every object is taken");
                        since.elapsed().as_secs_f64() * 1e3
                    };
                    let waits: Vec<f64> = messages.iter().map(store).collect();
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

/// One `gantry verify` after the other reads all that is kept, as long as the load lasts.
fn beside_verify(node: &Node, load: &Load) -> (Duration, Vec<f64>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let said = node.gantry(&["verify"]);
                assert!(said.success, "{}", said.out);
            }
        });
        let sent = send(node.port, load);
        over.store(true, Ordering::Relaxed);
        reader.join().expect("all is sound");
        sent
    })
}

fn associate(scanner: u16, port: u16) -> Wire {
    let wire = Wire::request(&calling(scanner), port, Template::SOP_CLASS);
    wire.expect("the association is accepted")
}

/// Objects a second that one process reaches on this disk, which does nothing but write and
/// fdatasync as many objects at once as there are associations: appended by way of the page cache,
/// and past it over blocks that are there.
fn limits_of_disk(load: &Load, folders: &mut Vec<Kept>) -> [f64; 2] {
    const BLOCK: usize = 4096;
    let object = usize::from(load.side) * usize::from(load.side) * 2 + 700;
    let associations = usize::from(load.associations);
    // Begins at a border between blocks, and ends at one.
    let length = (object * associations).next_multiple_of(BLOCK);
    let room = vec![7; length + BLOCK];
    let batch = &room[room.as_ptr().align_offset(BLOCK)..][..length];
    let batches = load.images / u32::from(load.associations);
    let folder = TempDir::new().expect("a temporary folder");
    let rate = |direct: bool| {
        let path = folder.path().join(if direct { "over" } else { "append" });
        let flags = if direct { OFlags::DIRECT.bits().cast_signed() } else { 0 };
        if direct {
            let whole = vec![0; length * batches as usize];
            std::fs::write(&path, whole).expect("written");
            assert!(Command::new("sync").status().expect("sync runs").success());
            std::thread::sleep(Duration::from_millis(500));
        }
        let mut options = File::options();
        let opened = options.create(true).truncate(false).write(true).custom_flags(flags);
        let mut file = opened.open(&path).expect("a file that can be written past the page cache");
        let since = Instant::now();
        for _ in 0..batches {
            file.write_all(batch).expect("written");
            file.sync_data().expect("synced");
        }
        f64::from(load.images) / since.elapsed().as_secs_f64()
    };
    let rates = [rate(false), rate(true)];
    folders.push(Kept::Folder(folder));
    rates
}

fn print(load: &Load, peers: &[&str], runs: &[Vec<Run>], limits: &[[f64; 2]]) {
    println!("\n{load}: {} objects, {} associations", load.images, load.associations);
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
    for (which, way) in ["append, fdatasync", "written, direct"].into_iter().enumerate() {
        let limits: Vec<f64> = limits.iter().map(|limits| limits[which]).collect();
        let reached = runs[0].iter().zip(&limits).map(|(run, limit)| run.rate / limit);
        println!(
            "  {way:<17} {:>8.1}/s  gantry reaches {:.2} of it",
            median(&limits),
            median(&reached.collect::<Vec<_>>())
        );
    }
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
