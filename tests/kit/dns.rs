//! Name servers: dnsmasq with a zone of the scenario, one that is silent, and one that talks nonsense.

use crate::{need, ports};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// All names of the scenarios lie in it.
pub const DOMAIN: &str = "hospital.test";
/// Of every record, in seconds; nothing that was written differently changes sooner.
pub const TTL: u64 = 1;

/// dnsmasq, which knows its zone and asks nobody.
pub struct NameServer {
    pub port: u16,
    process: Option<Child>,
}

impl NameServer {
    /// Lines as of a zone: `host pacs-a 127.0.0.1`, `srv PACS pacs-a 104 10 60`, `txt PACS AET=PACS`.
    pub fn up(zone: &[String]) -> Self {
        let mut server = Self { port: ports::free(), process: None };
        server.come_up(zone);
        server
    }

    /// On the port that it had before.
    pub fn come_up(&mut self, zone: &[String]) {
        self.go_down();
        let mut command = Command::new("dnsmasq");
        command
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
            .args(["--pid-file=", "--listen-address=127.0.0.1", "--bind-interfaces"])
            .args([format!("--port={}", self.port), format!("--local=/{DOMAIN}/")])
            .arg(format!("--local-ttl={TTL}"))
            .args(zone.iter().map(|line| option(line)));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("dnsmasq starts"));
        let up = ports::wait_for(Duration::from_secs(20), || {
            ports::somebody_listens(self.port).then_some(())
        });
        assert!(up.is_some(), "dnsmasq does not listen on port {}", self.port);
    }

    pub fn go_down(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// For a configuration.
    pub fn config(&self) -> String {
        config(self.port)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.go_down();
    }
}

/// `[dns]` with a name server on this port, which believes an answer as long as it says.
pub fn config(port: u16) -> String {
    format!(
        "\n[dns]\ndomains = [\"{DOMAIN}\"]\nservers = [\"127.0.0.1:{port}\"]\nshortest-seconds = 0.5\n"
    )
}

/// What dnsmasq calls it.
fn option(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["host", name, address] => format!("--host-record={name}.{DOMAIN},{address}"),
        ["srv", instance, host, port, priority, weight] => format!(
            "--srv-host={instance}._dicom._tcp.{DOMAIN},{host}.{DOMAIN},{port},{priority},{weight}"
        ),
        ["tls", instance, host, port] => {
            format!("--srv-host={instance}._dicom-tls._tcp.{DOMAIN},{host}.{DOMAIN},{port}")
        }
        ["alias", name, host] => format!("--cname={name}.{DOMAIN},{host}.{DOMAIN}"),
        // Without a target dnsmasq writes the root: out of service.
        ["gone", instance] => format!("--srv-host={instance}._dicom._tcp.{DOMAIN}"),
        ["txt", instance, text] => format!("--txt-record={instance}._dicom._tcp.{DOMAIN},{text}"),
        _ => panic!("{line:?} is no line of a zone"),
    }
}

/// dnsmasq itself.
pub fn dnsmasq() -> Option<()> {
    let mut version = Command::new("dnsmasq");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let there = version.status().is_ok_and(|status| status.success());
    if !there {
        need::skipped("dnsmasq is not installed (Debian: dnsmasq-base)");
    }
    there.then_some(())
}

/// Takes every question and answers none.
pub struct Silent {
    pub port: u16,
    _socket: UdpSocket,
}

impl Silent {
    pub fn up() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let port = socket.local_addr().expect("an address").port();
        Self { port, _socket: socket }
    }
}

/// Answers every question with bytes by chance, most of them behind the identifier and the question that were asked.
pub struct Babbling {
    pub port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Babbling {
    pub fn up(seed: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("it can be set");
        let port = socket.local_addr().expect("an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || babble(&socket, &stopped, seed));
        Self { port, stop, thread: Some(thread) }
    }

    /// How many answers it gave.
    pub fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("it only talks")
    }
}

fn babble(socket: &UdpSocket, stop: &AtomicBool, seed: u64) -> u64 {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut question, mut answers) = ([0; 1500], 0);
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
        for _ in 0..4 {
            let mut answer = question[..length].to_vec();
            match random.random_range(0..4) {
                // A response with counts and records by chance.
                0 => {
                    answer[2] |= 0x80;
                    let more: Vec<u8> =
                        (0..random.random_range(0..400)).map(|_| random.random()).collect();
                    answer.extend(more);
                    answer[6..12].iter_mut().for_each(|byte| *byte = random.random_range(0..3));
                }
                // Some bytes of it changed.
                1 => {
                    answer[2] |= 0x80;
                    for _ in 0..8 {
                        let at = random.random_range(2..answer.len());
                        answer[at] = random.random();
                    }
                }
                // A name that points at itself where a record should be.
                2 => {
                    answer[2] |= 0x80;
                    answer[7] = 1;
                    answer.truncate(12 + question[12..length].len());
                    let at = answer.len() as u16 | 0xC000;
                    answer.extend(at.to_be_bytes());
                    answer.extend([0, 33, 0, 1, 0, 0, 0, 9, 0, 40, 1, 2, 3]);
                }
                _ => answer = (0..random.random_range(0..64)).map(|_| random.random()).collect(),
            }
            answers += u64::from(socket.send_to(&answer, from).is_ok());
        }
    }
    answers
}
