//! A worker as the node sees it: started, asked, ended.

use super::frame::{read_head, write_head};
use super::{Answered, Asked, OnDevice, Opened, Step, Task, Told};
use crate::device::Device;
use crate::engine::{Answer, EngineOptions, Found, InferError};
use crate::models::Model;
use gantry_terms::images::Images;
use std::io::{self, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zerocopy::IntoBytes;

/// A graph of 2 GiB on a slow disk takes a part of that; what takes longer hangs.
const OPENS_WITHIN: Duration = Duration::from_secs(300);

/// Why a worker does not start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotOpened {
    /// The machine lacks what models need.
    #[error("{0}")]
    NoRuntime(String),
    /// The author of the model must act.
    #[error("{0}")]
    Faulty(String),
    /// May work later: no memory, no processes.
    #[error("{0}")]
    NotNow(String),
    /// All models together may take less: who runs the node must act.
    #[error("{0}")]
    TooLarge(String),
}

/// How often a look is taken at how much a process takes.
pub const LOOK: Duration = Duration::from_millis(20);
/// Between the first two looks whether a process has ended.
const FIRST_PAUSE: Duration = Duration::from_micros(200);

/// One process that has opened one model.
#[derive(Debug)]
pub struct Worker {
    node: UnixStream,
    process: Process,
    on: (Device, Option<String>),
    on_device: OnDevice,
}

/// A handle to end a process by, while others wait for what it says. Nobody holds the child for longer than a look takes, so that
/// who only looks never waits for its end.
#[derive(Debug, Clone)]
pub struct Process {
    child: Arc<Mutex<Child>>,
    id: u32,
}

impl Process {
    fn new(child: Child) -> Self {
        let id = child.id();
        Self { child: Arc::new(Mutex::new(child)), id }
    }

    /// At once. It holds nothing that anybody else needs.
    pub fn kill(&self) {
        // It has ended already where this fails.
        let _ = self.child().kill();
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most memory that it ever took, in bytes, as far as the system tells (proc(5), VmHWM).
    pub fn peak_memory(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.id);
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
    }

    /// By itself, for want of its device: one that crashed is told of when it is asked.
    pub fn has_ended(&self) -> bool {
        let ended = self.child().try_wait().ok().flatten();
        ended.is_some_and(|status| status.success())
    }

    fn ended(&self) -> io::Result<ExitStatus> {
        self.child().kill()?;
        self.wait()
    }

    /// Until it has ended, by looks that get rarer.
    fn wait(&self) -> io::Result<ExitStatus> {
        let mut pause = FIRST_PAUSE;
        loop {
            // Given back before the pause.
            let ended = self.child().try_wait()?;
            if let Some(status) = ended {
                return Ok(status);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LOOK);
        }
    }
}

impl Worker {
    /// Starts `program worker` and waits until the model is open. Meanwhile `goes_on` is told how many bytes the
    /// process has taken; where it says no, the process is ended.
    pub fn start(
        program: &Path,
        model: &Model,
        options: &EngineOptions,
        pages: Pages,
        goes_on: impl Fn(u64) -> bool + Send,
    ) -> Result<Self, NotOpened> {
        let not_now = |error: io::Error| {
            NotOpened::NotNow(format!("no process for the model `{}`: {error}", model.name))
        };
        let (node, worker) = UnixStream::pair().map_err(not_now)?;
        let child = with_pages(&mut Command::new(program), pages)
            .arg0("gantry")
            .arg("worker")
            .stdin(Stdio::from(OwnedFd::from(worker)))
            .stdout(Stdio::null())
            // Ctrl-C at a terminal is for the node, which waits for what is running.
            .process_group(0)
            .spawn()
            .map_err(not_now)?;
        let process = Process::new(child);
        let on_device = OnDevice::default();
        let mut worker = Self { node, process, on: (Device::Cpu, None), on_device };
        let task = Task {
            folder: folder_of(model),
            library: options.library.clone(),
            threads: options.threads,
            device: options.device,
            tensorrt: options.tensorrt,
            device_memory: options.device_memory,
            digest: model.digest.clone(),
            manifest_digest: model.manifest_digest.clone(),
        };
        let process = worker.process();
        let opened = watched(&process, goes_on, || {
            worker.node.set_read_timeout(Some(OPENS_WITHIN))?;
            write_head(&mut worker.node, &task)?;
            read_head(&mut worker.node)
        });
        let opened =
            opened.map_err(|error| NotOpened::NotNow(worker.why_not_opened(model, &error)))?;
        // From here on the model's own time-out counts.
        worker.node.set_read_timeout(None).map_err(not_now)?;
        match opened {
            Opened::Ready(device, why, on_device) => {
                (worker.on, worker.on_device) = ((device, why), on_device);
                Ok(worker)
            }
            Opened::NoRuntime(text) => Err(NotOpened::NoRuntime(text)),
            Opened::Faulty(text) => Err(NotOpened::Faulty(text)),
        }
    }

    /// What it runs on, and why it is not what was asked for.
    pub fn device(&self) -> (Device, Option<&str>) {
        (self.on.0, self.on.1.as_deref())
    }

    /// As it said last.
    pub fn on_device(&self) -> OnDevice {
        self.on_device
    }

    pub fn process(&self) -> Process {
        self.process.clone()
    }

    /// Blocks until there is an answer for each of the batch. Else the process ended, or made no sense and
    /// was ended: the reason, and it is of no use afterwards. Where others have the device, too, `enter` is called when this run
    /// wants it, and what comes back is dropped when it has left; none: nobody wants the answer any more.
    pub fn ask<T>(
        &mut self,
        model: &Model,
        batch: &[Vec<Images>],
        enter: Option<impl FnOnce() -> Option<T>>,
    ) -> Result<Vec<Answer>, String> {
        self.talk(batch, enter).map_err(|_| self.how_it_ended(model, "ran"))
    }

    fn talk<T>(
        &mut self,
        batch: &[Vec<Images>],
        enter: Option<impl FnOnce() -> Option<T>>,
    ) -> io::Result<Vec<Answer>> {
        let asked = Asked { batch: batch.to_vec(), shares: enter.is_some() };
        write_head(&mut self.node, &Told::Asked(asked))?;
        for images in batch.iter().flatten() {
            self.node.write_all(images.numbers().as_bytes())?;
        }
        let mut from = BufReader::new(&self.node);
        if let Some(enter) = enter {
            said(&mut from, &Step::Wants)?;
            let held = enter().ok_or_else(|| io::Error::other("nobody waits"))?;
            write_head(&mut &self.node, &Told::Go)?;
            said(&mut from, &Step::Left)?;
            drop(held);
        }
        let answers = batch.iter().map(|images| answer(&mut from, images));
        let answers = answers.collect::<io::Result<_>>()?;
        self.on_device = read_head(&mut from)?;
        Ok(answers)
    }

    fn why_not_opened(&self, model: &Model, error: &io::Error) -> String {
        let ended = self.how_it_ended(model, "opened its graph");
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
                "the model `{}` did not open within {} s, and its process was ended",
                model.name,
                OPENS_WITHIN.as_secs()
            ),
            _ => ended,
        }
    }

    /// As in "ended while it ran (signal: 6)".
    fn how_it_ended(&self, model: &Model, what: &str) -> String {
        let how = match self.process.ended() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        format!("the process of the model `{}` ended while it {what} ({how})", model.name)
    }
}

impl Drop for Worker {
    /// It has nothing to finish; waited for, so that it does not stay in the table of processes.
    fn drop(&mut self) {
        let _ = self.process.ended();
    }
}

/// Does `work` here while another thread looks at what the process takes.
fn watched<T>(
    process: &Process,
    goes_on: impl Fn(u64) -> bool + Send,
    work: impl FnOnce() -> T,
) -> T {
    let (finished, working) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while working.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if !goes_on(process.peak_memory().unwrap_or(0)) {
                    process.kill();
                    return;
                }
            }
        });
        // Dropped when the work returns or panics: either way the looks end.
        let _finished = finished;
        work()
    })
}

fn said(from: &mut impl io::Read, expected: &Step) -> io::Result<()> {
    let step: Step = read_head(from)?;
    match step == *expected {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "not what comes next")),
    }
}

pub(super) fn answer(from: &mut impl io::Read, images: &[Images]) -> io::Result<Answer> {
    Ok(match read_head(from)? {
        Answered::Transient(text) => Err(InferError::Transient(text)),
        Answered::Permanent(text) => Err(InferError::Permanent(text)),
        Answered::Found(mut findings, seat, on) => {
            let places = images.first().map_or(0, Images::places);
            for mask in &mut findings.masks {
                mask.voxels = vec![0; places];
                from.read_exact(&mut mask.voxels)?;
                let mut follow = [0];
                from.read_exact(&mut follow)?;
                if follow != [0] {
                    mask.probabilities = vec![0; places];
                    from.read_exact(&mut mask.probabilities)?;
                }
            }
            let voxels = images.first().map_or(0, Images::count);
            for image in &mut findings.derived {
                image.values = vec![0.0; voxels];
                from.read_exact(image.values.as_mut_bytes())?;
            }
            Ok(Found { findings: *findings, seat, on })
        }
    })
}

/// For the allocators of ONNX Runtime (glibc's) and of this program (mimalloc): memory comes in pages of 2 MiB, where
/// the system has them for who asks, and what one run has freed the next one takes. Most of what it costs to
/// take voxels over is to be given new pages for them, and a loaded model is counted with the most that it ever
/// took in any case. What the admin says of these stays.
const MEMORY: [(&str, &str); 3] = [
    (
        "GLIBC_TUNABLES",
        "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:\
         glibc.malloc.mmap_threshold=1099511627776:glibc.malloc.trim_threshold=1099511627776",
    ),
    ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1"),
    ("MIMALLOC_PURGE_DELAY", "-1"),
];

/// Memory is asked for as it is needed, and given back.
const LEAN_MEMORY: [(&str, &str); 3] = [
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0:glibc.malloc.arena_max=1"),
    ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "0"),
    ("MIMALLOC_PURGE_DELAY", "0"),
];

/// What a process has its memory in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Faster, and kept from run to run; but a page of 2 MiB counts as a whole where a part of it is used.
    Large,
    /// As little as it needs.
    Small,
}

fn with_pages(command: &mut Command, pages: Pages) -> &mut Command {
    let memory = match pages {
        Pages::Large => MEMORY,
        Pages::Small => LEAN_MEMORY,
    };
    command.envs(memory.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()))
}

fn folder_of(model: &Model) -> PathBuf {
    model.graph.parent().map(Path::to_path_buf).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_at_a_process_does_not_wait_until_it_has_ended() {
        let sleeps = Command::new("sleep").arg("30").spawn().unwrap();
        let process = Process::new(sleeps);
        let waiting = std::thread::spawn({
            let process = process.clone();
            move || process.wait()
        });
        // Whoever waits has begun to by then, or begins while somebody looks.
        std::thread::sleep(2 * LOOK);
        assert!(!process.has_ended());
        assert!(process.peak_memory().is_some());
        assert!(!waiting.is_finished(), "it still sleeps");
        process.kill();
        let status = waiting.join().unwrap().unwrap();
        assert_eq!(status.to_string(), "signal: 9 (SIGKILL)");
        assert!(!process.has_ended(), "not by itself");
    }
}
