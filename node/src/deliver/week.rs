//! A virtual week of the queues: a peer that is away for days, one that comes and goes and one that is slow lose and double nothing, and delay no other.

mod simulated;

use super::lane;
use super::queue::Queue;
use crate::config::Config;
use gantry_store::arrivals::{Arrival, NewArrival, NewArrivals};
use gantry_store::clock::Clock;
use gantry_store::decisions::NewForward;
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::{Durability, StoreOptions};
use gantry_store::outbox::DeliveryState;
use gantry_store::outbox::peers::PeerState;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use simulated::{Has, Manner, Simulated};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Deliveries to all peers together, where GANTRY_DELIVERIES names no other number: the whole week is 50000.
const DELIVERIES: usize = 5_000;
const IMAGES_OF_SERIES: usize = 50;
const BEGIN: Moment = Moment(1_800_000_000_000_000);

/// Two that are well, beside the three that are not.
const WELL: [(&str, Manner); 2] = [("WELL1", Manner::Well), ("WELL2", Manner::Well)];
const ALL: [(&str, Manner); 5] = [
    ("AWAY", Manner::Away(HOUR.saturating_mul(30), HOUR.saturating_mul(78))),
    ("FLAPS", Manner::Flaps(Duration::from_secs(10))),
    ("SLOW", Manner::Slow(Duration::from_secs(20))),
    WELL[0],
    WELL[1],
];

/// What came of a week at one peer.
#[derive(Debug)]
struct Outcome {
    peer: String,
    has: Has,
    delivered: usize,
    /// From being queued to being delivered.
    median: Duration,
    longest: Duration,
}

/// Timers stand still, however idle the runtime is, until they are moved.
struct Held(mpsc::Sender<()>);

impl Held {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self(sender)
    }

    fn end(self) {
        let _ = self.0.send(());
    }
}

struct Week<'a> {
    store: Store,
    clock: Clock,
    peers: &'a [(&'a str, Manner)],
    simulated: Simulated,
    queues: Vec<Arc<Queue>>,
}

impl Week<'_> {
    /// Until whatever can happen at this moment has happened.
    async fn rest(&self) {
        let mut quiet = 0;
        while quiet < 20 {
            tokio::task::yield_now().await;
            let rests = self.store.is_at_rest() && !self.simulated.reads();
            quiet = if rests { quiet + 1 } else { 0 };
        }
    }

    /// The index gathers for a while by a timer, unless it is asked to catch up: again for what came since.
    async fn settle(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.store.settled() => return,
                () = tokio::task::yield_now() => {}
            }
        }
    }

    /// A series arrives, and each image of it is queued for every peer at once.
    async fn arrive(&self, series: usize, images: usize) {
        let place = self.store.before_arrivals().await.expect("asked");
        for number in 0..images {
            let incoming = image(series, number, self.clock.now());
            self.simulated.made(&incoming.identity.sop_instance, &incoming.part10);
            self.store.keep(incoming).await.expect("kept");
        }
        self.settle().await;
        let (arrivals, _) = self.store.arrivals_behind(place, 1000).await.expect("asked");
        assert_eq!(arrivals.len(), images);
        let forward = |arrival: &Arrival| {
            let instances = vec![arrival.row.identity.sop_instance.clone()];
            let to = |(peer, _): &(&str, Manner)| {
                let (peer, instances) = (peer.to_string(), instances.clone());
                ("all".into(), NewForward { peer, instances, changes: Changes::default() })
            };
            self.peers.iter().map(to).collect()
        };
        let images = arrivals.into_iter().map(|arrival| NewArrival {
            forward: forward(&arrival),
            verdicts: Vec::new(),
            arrival,
        });
        let new = NewArrivals {
            rules_digest: "r1".into(),
            rules_text: "rules".into(),
            at: self.clock.now(),
            images: images.collect(),
        };
        self.store.keep_arrivals(&new).await.expect("kept");
        let uid = uid(2, series, 0);
        let row = self.store.series(&uid).await.expect("asked").expect("there");
        let complete = self.store.complete_series(&uid, row.revision, row.last_arrival).await;
        assert!(complete.expect("asked"));
    }

    /// When something is to happen next that waits for the clock.
    async fn next(&self) -> Option<Moment> {
        let now = self.clock.now();
        let mut next: Vec<Moment> = Vec::new();
        for queue in &self.queues {
            next.extend(queue.state.borrow().trouble.as_ref().map(|trouble| trouble.retry_at));
            next.extend(self.store.next_due(&queue.peer, now).await.expect("asked"));
        }
        // A probe that is under way says nothing of the next. What a peer is at may be late by the timers' millisecond.
        let waits = next.into_iter().filter(|next| *next > now);
        waits.chain(self.simulated.next().map(|next| next.max(now))).min()
    }

    async fn run(&self, series: usize) {
        let every = WEEK / u32::try_from(series).expect("few series");
        let mut arrived = 0;
        loop {
            self.rest().await;
            let now = self.clock.now();
            let begins = BEGIN.plus(every * arrived as u32);
            if arrived < series && begins <= now {
                self.arrive(arrived, IMAGES_OF_SERIES).await;
                arrived += 1;
                continue;
            }
            let next = self.next().await;
            self.rest().await;
            let next = next.into_iter().chain((arrived < series).then_some(begins)).min();
            let Some(next) = next else { break };
            // Timers have a resolution of a millisecond, and rows are looked at one behind the moment.
            tokio::time::advance(next.since(now) + Duration::from_millis(2)).await;
        }
        assert_eq!(self.store.peers_queued().await.expect("asked"), [] as [String; 0], "stuck");
    }

    async fn outcome(&self, peer: &str) -> Outcome {
        let rows = self.store.outbox(Some(peer), DeliveryState::Delivered, u32::MAX).await;
        let rows = rows.expect("asked");
        let delay = |row: &gantry_store::outbox::DeliveryRow| {
            row.delivered_at.expect("delivered").since(row.queued_at)
        };
        let mut delays: Vec<Duration> = rows.iter().map(delay).collect();
        delays.sort_unstable();
        Outcome {
            peer: peer.into(),
            has: self.simulated.has(peer),
            delivered: rows.len(),
            median: delays[delays.len() / 2],
            longest: delays[delays.len() - 1],
        }
    }
}

fn uid(kind: u32, series: usize, image: usize) -> Uid {
    Uid::parse(&format!("1.2.826.0.1.3680043.9.{kind}.{series}.{image}")).expect("a UID of a test")
}

fn image(series: usize, number: usize, arrival: Moment) -> Incoming {
    let title = AeTitle::parse("CT1").expect("a title");
    let identity = Identity {
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").expect("a UID"),
        sop_instance: uid(1, series, number),
        series: uid(2, series, 0),
        study: uid(3, series, 0),
        transfer_syntax: Uid::parse("1.2.840.10008.1.2.1").expect("a UID"),
        calling_ae: title.clone(),
        called_ae: title,
        arrival,
        origin: Origin::Received,
    };
    let data_set = format!("\x08\0\x60\0CS\x02\0CT\x20\0\x13\0IS\x08\0{number:<8}");
    let part10 = part10(&identity, data_set.as_bytes()).into();
    Incoming { identity, part10 }
}

/// So many instances for each peer, over a week.
async fn week(peers: &[(&str, Manner)], instances: usize) -> Vec<Outcome> {
    let in_memory = Path::new("/dev/shm");
    let folder = match in_memory.is_dir() {
        true => tempfile::tempdir_in(in_memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder");
    let held = Held::new();
    let clock = Clock::of_timers(BEGIN);
    let durability = Durability::Crash;
    let options = StoreOptions { clock, durability, ..StoreOptions::new(folder.path()) };
    let store = Store::open(options).await.expect("a store");
    let of_peer = |(peer, _): &(&str, Manner)| {
        format!("[[peer]]\nae-title = \"{peer}\"\naddress = \"127.0.0.1:1\"\n")
    };
    let written: String = peers.iter().map(of_peer).collect();
    let config = format!("[node]\nae-title = \"G\"\n{written}");
    let config = Arc::new(Config::parse(&config, Path::new("node.toml")).expect("good"));
    let simulated = Simulated::new(clock, peers);
    let stop = CancellationToken::new();
    let (mut lanes, mut queues) = (JoinSet::new(), Vec::new());
    for (peer, _) in peers {
        let known = PeerState::default();
        let queue = Arc::new(Queue::new(peer, config.clone(), store.clone(), known));
        lanes.spawn(lane::run(queue.clone(), simulated.clone(), 0, stop.clone()));
        queues.push(queue);
    }
    let week = Week { store, clock, peers, simulated, queues };
    week.run(instances / IMAGES_OF_SERIES).await;
    let mut outcomes = Vec::new();
    for (peer, _) in peers {
        outcomes.push(week.outcome(peer).await);
    }
    stop.cancel();
    while lanes.join_next().await.is_some() {}
    held.end();
    tokio::time::resume();
    week.store.close().await;
    outcomes
}

#[tokio::test(start_paused = true)]
async fn a_week_with_peers_that_are_away_come_and_go_or_are_slow_loses_and_doubles_nothing() {
    let wanted = std::env::var("GANTRY_DELIVERIES").ok();
    let wanted = wanted.map_or(DELIVERIES, |text| text.parse().expect("a number of deliveries"));
    let instances = wanted / ALL.len() / IMAGES_OF_SERIES * IMAGES_OF_SERIES;
    let all = week(&ALL, instances).await;
    tokio::time::pause();
    let alone = week(&WELL, instances).await;
    println!("{} deliveries: {all:#?}\nwithout the others: {alone:#?}", instances * ALL.len());
    for Outcome { peer, has, delivered, .. } in &all {
        assert_eq!((has.objects, *delivered, has.altered), (instances, instances, 0), "{peer}");
        // Again comes only what the peer had taken when the line broke.
        assert!(has.again <= has.broken, "{peer}: {has:?}");
    }
    let of = |peer: &str| all.iter().find(|outcome| outcome.peer == peer).expect("a peer");
    assert!(of("FLAPS").has.broken > 0, "lines break while objects are on their way");
    assert!(of("AWAY").longest > 36 * HOUR, "what came when it went waited for it");
    assert!(of("SLOW").median > of("WELL1").median * 10);
    for before in &alone {
        let (before, with) = (before.median.as_secs_f64(), of(&before.peer).median.as_secs_f64());
        assert!(
            (with - before).abs() <= 0.1 * before,
            "{with} s beside the others, {before} s alone"
        );
    }
}
