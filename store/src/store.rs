//! The store as the node holds it: opened once, asked and fed from everywhere.

use crate::body::{Body, Data};
use crate::claims::{Claim, Claims};
use crate::clock::Clock;
use crate::damage;
use crate::digest::{Digest, Digester};
use crate::disk::{self, Reserve};
use crate::error::{KeepError, StoreError};
use crate::events::Event;
use crate::evict;
use crate::folder::take_folder;
use crate::header;
use crate::header_text::HeaderText;
use crate::incoming::{Identity, Incoming, Origin, Receipt, Received};
use crate::index::{self, Entry};
use crate::indexer;
use crate::known::Known;
use crate::numbers::Numbers;
use crate::options::StoreOptions;
use crate::part10::{part10_head, read_head};
use crate::prepared::{Pace, Prepared};
use crate::progress::Progress;
use crate::reader::{Reader, blocking};
use crate::recent::Recent;
use crate::record;
use crate::recovery;
use crate::reindex;
use crate::seal::Seal;
use crate::segment;
use crate::stream::Stream;
use crate::under::{Over, Under};
use crate::writer::{Open, Waiting, Writer};
use gantry_terms::header::Header;
use gantry_terms::uid::Uid;
use sqlx::SqlitePool;
use std::fmt::Display;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Objects that may wait for the writer, and for the index.
const QUEUED_OBJECTS: usize = 1024;
/// Memory that may wait for the writer, in KiB.
const QUEUED_KIB: u32 = 128 << 10;
/// Headers that may wait for the writer and the index, in KiB. They are small as a rule, and up to
/// some MiB where a peer likes.
const HEADERS_KIB: u32 = 64 << 10;

/// Cheap to clone. Every query of [`Reader`] can be asked here too.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) reader: Reader,
    /// The one connection that writes.
    pub(crate) write: SqlitePool,
    pub(crate) progress: Arc<Progress>,
    /// Whoever writes says so: what is prepared waits.
    pub(crate) pace: Arc<Pace>,
    reserve: Arc<Reserve>,
    /// What every record bears.
    pub(crate) seal: Seal,
    pub(crate) claims: Arc<Claims>,
    pub(crate) known: Known,
    pub(crate) numbers: Arc<Numbers>,
    next_serial: AtomicU64,
    room: Arc<Semaphore>,
    header_room: Arc<Semaphore>,
    /// None once the store is closed.
    running: Mutex<Option<Running>>,
}

/// What takes objects in.
struct Running {
    writer: mpsc::Sender<Waiting>,
    indexer: mpsc::Sender<Entry>,
    writing: thread::JoinHandle<()>,
    indexing: JoinHandle<()>,
    watching: JoinHandle<()>,
    /// Held by the writer as well, so that the folder is free only after its last byte.
    _lock: Arc<File>,
}

impl Store {
    /// Takes the folder for this process alone, migrates the index, cuts a torn tail and brings
    /// the index up to the last record.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let folder = options.folder.clone();
        let lock = blocking(move || {
            let lock = take_folder(&folder)?;
            recovery::remove_leftovers(&folder)?;
            Ok(lock)
        })
        .await?;
        let write = index::open_to_write(&options.folder).await?;
        if let Err(error) = evict::remove_evicted(&options.folder, &write).await {
            // They only take room; retention tries again.
            tracing::error!(station = "retain", %error, "an evicted segment cannot be removed");
        }
        let rebuilding = reindex::rebuilding(&write).await?;
        let recovered = recovery::replay(&options.folder, &write, rebuilding.is_some()).await?;
        if rebuilding == Some(reindex::Why::Lost) {
            recovery::tell_lost_index(&write, &recovered).await?;
        }
        reindex::restore(&write).await?;
        let known = Known::load(&write).await?;
        let recent = Arc::new(Recent::new(options.recent_bytes));
        let reader = Reader::open(&options.folder).await?.with(recent.clone());
        let seal = Seal::of(&options.folder, recovered.next_number)?;
        let open = match recovered.resume {
            // What is looked for in it needs no seal: what bears one goes into another.
            Some((number, end)) if number < seal.first => {
                damage::give_back(&options.folder, number, end);
                None
            }
            Some((number, end)) => {
                let path = segment::path(&options.folder, number);
                Some(Open::resume(&options, number, end).map_err(StoreError::file(path))?)
            }
            None => None,
        };
        let progress = Arc::new(Progress::default());
        let growing = open.as_ref().map(|open| open.number);
        if let Some(growing) = growing {
            segment::tell_growing(&lock, growing);
        }
        let numbers = Arc::new(Numbers::new(recovered.next_number, growing));
        let reserve = Reserve::new(&options.folder, options.reserve_bytes);
        let reserve = Arc::new(reserve.map_err(StoreError::file(&options.folder))?);
        let watching = tokio::spawn(disk::watch(reserve.clone(), write.clone(), progress.clone()));
        let pace = Arc::new(Pace::new());
        let (indexer, entries) = mpsc::channel(QUEUED_OBJECTS);
        let indexing = tokio::spawn(indexer::run(entries, write.clone(), progress.clone()));
        let writer = Writer {
            options: options.clone(),
            numbers: numbers.clone(),
            progress: progress.clone(),
            indexer: indexer.clone(),
            open,
            prepared: Prepared::start(&options, pace.clone()),
            recent,
            lock: lock.clone(),
        };
        let (sender, queue) = mpsc::channel(QUEUED_OBJECTS);
        let writing = thread::Builder::new()
            .name("gantry-keep".into())
            .spawn(move || writer.run(queue))
            .map_err(StoreError::file(&options.folder))?;
        let running = Running { writer: sender, indexer, writing, indexing, watching, _lock: lock };
        let shared = Shared {
            options,
            reader,
            write,
            progress,
            pace,
            reserve,
            seal,
            claims: Arc::default(),
            known,
            numbers,
            next_serial: AtomicU64::new(1),
            room: Arc::new(Semaphore::new(QUEUED_KIB as usize)),
            header_room: Arc::new(Semaphore::new(HEADERS_KIB as usize)),
            running: Mutex::new(Some(running)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads beside a running node, or without one.
    pub async fn open_reader(folder: &Path) -> Result<Reader, StoreError> {
        Reader::open(folder).await
    }

    pub fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    pub fn options(&self) -> &StoreOptions {
        &self.shared.options
    }

    /// By which deliveries are due.
    pub fn clock(&self) -> Clock {
        self.shared.options.clock
    }

    /// Whether nobody asks the index now, nor writes it. Whoever drives a paused clock moves it only then:
    /// what is asked of SQLite is answered by other threads, for which the timers do not wait.
    pub fn is_at_rest(&self) -> bool {
        let rests = |pool: &SqlitePool| pool.num_idle() == pool.size() as usize;
        rests(&self.shared.write) && rests(&self.shared.reader.pool)
    }

    /// Returns when the object is durable, or was before. An object is kept even when its header
    /// cannot be read; then it has an empty one and an event tells.
    pub async fn keep(&self, incoming: Incoming) -> Result<Receipt, KeepError> {
        let shared = &self.shared;
        let Incoming { identity, part10 } = incoming;
        let at = read_head(&part10).map_err(|_| KeepError::NotPart10)?.data_set;
        let (part10_head, data_set) = (part10.slice(..at), part10.slice(at..));
        let digest = Digester::of(&data_set);
        let header = match header::read_header(&part10) {
            Ok(header) => header,
            Err(error) => shared.without_header(&identity.sop_instance, error).await,
        };
        let whole = Whole { identity, header, part10_head: &part10_head, digest };
        self.keep_whole(whole, Data::Shared(data_set)).await
    }

    /// As [`Store::keep`], for what was read and summed up while it arrived.
    pub async fn keep_received(&self, received: Received) -> Result<Receipt, KeepError> {
        let Received { identity, data_set, digest, header } = received;
        let part10_head = part10_head(&identity);
        let whole = Whole { identity, header, part10_head: &part10_head, digest };
        self.keep_whole(whole, Data::Collected(data_set)).await
    }

    async fn keep_whole(&self, whole: Whole<'_>, data: Data) -> Result<Receipt, KeepError> {
        let shared = &self.shared;
        let Whole { mut identity, header, part10_head, digest } = whole;
        if let Some(fault) = shared.refusal(identity.origin) {
            return Err(fault);
        }
        let sop_instance = identity.sop_instance.clone();
        let (claim, over) = match shared.claim(&identity, digest).await? {
            Under::Mine(claim, over) => (claim, over),
            Under::Kept(outcome) => return Ok(Receipt { sop_instance, outcome }),
        };
        over.settle(&mut identity);
        let Over { outcome, keeps_earlier, .. } = over;
        let (least, length) = (data.front(), data.as_slice().len() as u64);
        let front = record::front_of(least, &identity, keeps_earlier, part10_head, length, digest);
        let (head, front) = front.ok_or(KeepError::NotPart10)?;
        let (header, body) = (HeaderText::of(&header), data.behind(front));
        let append = Append { identity, header, keeps_earlier, head, body, claim };
        shared.append(append).await?.await.map_err(|_| KeepError::Closed)??;
        Ok(Receipt { sop_instance, outcome })
    }

    /// For an object that is too large for memory: it goes to a segment of its own.
    pub async fn keep_streamed(&self, identity: Identity) -> Result<Stream, KeepError> {
        if let Some(fault) = self.shared.refusal(identity.origin) {
            return Err(fault);
        }
        self.shared.running(|_| ()).ok_or(KeepError::Closed)?;
        Stream::begin(self.shared.clone(), identity).await
    }

    /// Why nothing can be kept for the moment, when that is so.
    pub fn fault(&self) -> Option<KeepError> {
        self.shared.refusal(Origin::Received)
    }

    /// Returns when everything that was kept so far is in the index.
    pub async fn settled(&self) {
        self.shared.progress.settled().await;
    }

    /// Whether the index follows what is kept closely: within 20 ms instead of 100, at the cost of some of its rate.
    pub fn follow_closely(&self, closely: bool) {
        self.shared.progress.set_watched(closely);
    }

    /// Rings after every committed change. Ask for the bell before you look.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.shared.progress.bell()
    }

    /// Writes and indexes what is on its way, then lets the folder go. Clones that are still held
    /// answer with errors from then on.
    pub async fn close(self) {
        let Some(running) = self.shared.take_running() else { return };
        let Running { writer, indexer, writing, indexing, watching, _lock } = running;
        watching.abort();
        drop((writer, indexer));
        self.shared.progress.want();
        // Neither ends by a panic: both only pass errors on.
        let _ = tokio::task::spawn_blocking(move || writing.join()).await;
        let _ = indexing.await;
        self.shared.progress.end();
        self.shared.reader.pool.close().await;
        self.shared.write.close().await;
    }
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.shared.reader
    }
}

/// What is known of a whole object in memory beside its data set.
struct Whole<'a> {
    identity: Identity,
    header: Header,
    part10_head: &'a [u8],
    digest: Digest,
}

/// A record on its way to the writer.
pub(crate) struct Append {
    pub(crate) identity: Identity,
    pub(crate) header: HeaderText,
    pub(crate) keeps_earlier: bool,
    pub(crate) head: record::Head,
    pub(crate) body: Body,
    pub(crate) claim: Claim,
}

/// Comes when the record is durable, or was not written.
pub(crate) type Answer = oneshot::Receiver<Result<(), KeepError>>;

impl Shared {
    /// Returns when there is room for it in the queue.
    pub(crate) async fn append(&self, append: Append) -> Result<Answer, KeepError> {
        let Append { identity, mut header, keeps_earlier, mut head, mut body, claim } = append;
        record::seal_front(&mut head, body.front(), &self.seal);
        self.make_room(&mut header).await?;
        let kib = (body.length() >> 10).min(QUEUED_KIB as usize) as u32;
        let room = self.room.clone().acquire_many_owned(kib).await;
        let room = room.map_err(|_| KeepError::Closed)?;
        let writer = self.running(|running| running.writer.clone()).ok_or(KeepError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let waiting =
            Waiting { identity, header, keeps_earlier, head, body, claim, answer, _room: room };
        writer.send(waiting).await.map_err(|_| KeepError::Closed)?;
        Ok(answered)
    }

    /// Returns when the header may wait for the index with the others.
    pub(crate) async fn make_room(&self, header: &mut HeaderText) -> Result<(), KeepError> {
        let kib = header.kib().min(HEADERS_KIB);
        let room = match self.header_room.clone().try_acquire_many_owned(kib) {
            Ok(room) => room,
            Err(_) => {
                self.progress.want();
                let room = self.header_room.clone().acquire_many_owned(kib).await;
                room.map_err(|_| KeepError::Closed)?
            }
        };
        header.take(room);
        Ok(())
    }

    /// Why an object of this origin cannot be taken, while that is so.
    fn refusal(&self, origin: Origin) -> Option<KeepError> {
        self.progress.fault().or_else(|| self.scarcity(origin))
    }

    /// Why the disk has no room for an object of this origin, while that is so.
    pub(crate) fn scarcity(&self, origin: Origin) -> Option<KeepError> {
        (origin == Origin::Received).then(|| self.reserve.fault()).flatten()
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Ordering::SeqCst)
    }

    fn running<T>(&self, ask: impl FnOnce(&Running) -> T) -> Option<T> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
    }

    fn take_running(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands a record that is durable to the indexer. Without one the node is going down, and the
    /// next start replays it.
    pub(crate) async fn index(&self, entry: Entry) {
        let indexer = self.running(|running| running.indexer.clone());
        if let Some(indexer) = indexer {
            let _ = indexer.send(entry).await;
        }
    }

    /// The object is kept all the same, and the admin learns why no rule can look at it.
    pub(crate) async fn without_header(&self, sop_instance: &Uid, error: impl Display) -> Header {
        let text = format!("the header cannot be read: {error}");
        self.tell("unreadable header", sop_instance, text).await;
        Header::default()
    }

    pub(crate) async fn tell(&self, kind: &str, subject: &Uid, text: String) {
        let subject = Some(subject.to_string());
        let event = Event { station: "keep".into(), kind: kind.into(), subject, text };
        if let Err(error) = crate::events::add(&self.write, &event).await {
            tracing::error!(station = "keep", kind, %error, "an event could not be noted");
        }
        self.progress.ring();
    }
}
