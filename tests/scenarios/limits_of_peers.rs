//! What a peer may be sent, and when: times of day, an average rate, and a PACS that answers the telephone and says nothing.

use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::instance::Instance;
use kit::modality::send;
use kit::need;
use kit::node::Setup;
use kit::pacs::Pacs;
use kit::phantom::{self};
use kit::ports::{self, wait_until};
use kit::rules::forward;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);
const DAY: u32 = 24 * 60;

/// `between` from so many minutes from now on, by the local clock, until so many.
fn between(from: u32, until: u32) -> String {
    let said = Command::new("date").arg("+%H:%M").output().expect("date starts").stdout;
    let said = String::from_utf8(said).expect("digits");
    let (hour, minute) = said.trim().split_once(':').expect("a time of day");
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let now = number(hour) * 60 + number(minute);
    let at = |ahead: u32| {
        let minute = (now + ahead) % DAY;
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    format!("between = [\"{}-{}\"]", at(from), at(until))
}

#[test]
fn outside_its_times_of_day_a_peer_is_not_called_and_within_them_it_gets_what_waited() {
    let (night, any) = (
        DifficultPacs::up("NIGHT", &[], |_| Manner::Takes),
        DifficultPacs::up("ANY", &[], |_| Manner::Takes),
    );
    let (closed, open) = (between(120, 180), between(DAY - 120, 120));
    let setup = Setup::new().rules("archive.toml", &forward(&["NIGHT", "ANY"])).scanner("CT1");
    let setup = setup.receiver("ANY", any.port).receiver("NIGHT", night.port);
    let mut node = setup.peer_line(&closed).start();
    let chest = phantom::small_chest("at night");
    send("CT1", &node, &chest.instances);
    any.wait_until_taken(chest.instances.len(), PATIENCE);
    let told = node.wait_until_explained(&chest.series, "gets deliveries between", PATIENCE);
    assert!(told.contains("20 instances to NIGHT"), "{told}");
    assert_eq!(night.seen().calls, 0, "not even called");
    wait_until(PATIENCE, || node.status(), "NIGHT: 20 queued, 0 delivered, 0 parked");

    assert!(node.stop().success());
    let config = std::fs::read_to_string(node.config()).expect("the configuration");
    assert!(config.contains(&closed));
    std::fs::write(node.config(), config.replace(&closed, &open)).expect("written");
    node.start();
    night.wait_until_taken(chest.instances.len(), PATIENCE);
    wait_until(PATIENCE, || node.status(), "NIGHT: 0 queued, 20 delivered, 0 parked");
    for image in &chest.instances {
        assert!(night.seen().data_sets.get(&image.sop_instance) == Some(&image.data_set));
    }
}

/// A PACS that notes when it was asked to take each object.
fn timed(ae_title: &str) -> (DifficultPacs, Arc<Mutex<Vec<Instant>>>) {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = times.clone();
    let pacs = DifficultPacs::up(ae_title, &[], move |_| {
        noted.lock().expect("nobody panics with it").push(Instant::now());
        Manner::Takes
    });
    (pacs, times)
}

#[test]
fn a_peer_with_a_rate_gets_no_more_than_that_on_average_and_delays_no_other() {
    const MIB_PER_SECOND: f64 = 1.0;
    let ((slow, slow_times), (fast, fast_times)) = (timed("SLOW"), timed("FAST"));
    let setup = Setup::new().rules("archive.toml", &forward(&["SLOW", "FAST"])).scanner("CT1");
    let setup = setup.receiver("FAST", fast.port).receiver("SLOW", slow.port);
    let node = setup.peer_line(&format!("mib-per-second = {MIB_PER_SECOND:?}")).start();
    let chest = phantom::small_chest("by and by");
    send("CT1", &node, &chest.instances);
    slow.wait_until_taken(chest.instances.len(), PATIENCE);
    let slow_times = slow_times.lock().expect("nobody panics with it").clone();
    let fast_times = fast_times.lock().expect("nobody panics with it").clone();
    assert_eq!((slow_times.len(), fast_times.len()), (20, 20));
    // All but the last are paid for before the last one begins. Noise only makes it longer.
    let sent: usize = chest.instances[..19].iter().map(|image| image.data_set.len()).sum();
    let at_least = sent as f64 / (MIB_PER_SECOND * f64::from(1 << 20));
    let took = slow_times[19].duration_since(slow_times[0]).as_secs_f64();
    assert!(took >= 0.95 * at_least, "{sent} bytes within {took} s");
    assert!(fast_times[19] < slow_times[19], "the other peer had all of them before");
    wait_until(PATIENCE, || node.status(), "SLOW: 0 queued, 20 delivered, 0 parked");
}

/// Takes connections and keeps them, without a word, until it is told to hang up.
struct Silent {
    port: u16,
    calls: Arc<Mutex<Vec<TcpStream>>>,
}

impl Silent {
    fn up() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("an address").port();
        let calls: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = calls.clone();
        std::thread::spawn(move || {
            for call in listener.incoming().map_while(Result::ok) {
                kept.lock().expect("nobody panics with it").push(call);
            }
        });
        Self { port, calls }
    }

    fn calls(&self) -> usize {
        self.calls.lock().expect("nobody panics with it").len()
    }
}

#[test]
fn a_pacs_that_takes_the_call_and_says_nothing_is_one_that_is_away_and_delays_no_other() {
    let Some(()) = need::dcmtk() else { return };
    let (silent, pacs) = (Silent::up(), Pacs::up("PACS"));
    let setup = Setup::new().rules("archive.toml", &forward(&["SILENT", "PACS"])).scanner("CT1");
    let mut node = setup.pacs(&pacs).receiver("SILENT", silent.port).start();
    let chest = phantom::small_chest("silence");
    send("CT1", &node, &chest.instances);
    let received = pacs.wait_for(chest.instances.len(), PATIENCE);
    assert_eq!(received.len(), chest.instances.len());
    let called = ports::wait_for(PATIENCE, || (silent.calls() > 0).then_some(()));
    assert!(called.is_some(), "it was called");
    // After the time for an answer the whole queue waits, no delivery has failed, and it is called again.
    let told = node.wait_until_explained(&chest.series, "the peer was tried", PATIENCE);
    assert!(told.contains("20 instances to SILENT"), "{told}");
    wait_until(PATIENCE, || node.status(), "SILENT: 20 queued, 0 delivered, 0 parked");
    let again = ports::wait_for(PATIENCE, || (silent.calls() > 1).then_some(()));
    assert!(again.is_some(), "it is tried again");

    // A stop of the node does not wait for it.
    assert!(node.stop().success());
    let awake = DifficultPacs::up("SILENT", &[], |_| Manner::Takes);
    let config = std::fs::read_to_string(node.config()).expect("the configuration");
    let (before, after) =
        (format!("127.0.0.1:{}", silent.port), format!("127.0.0.1:{}", awake.port));
    std::fs::write(node.config(), config.replace(&before, &after)).expect("written");
    node.start();
    awake.wait_until_taken(chest.instances.len(), PATIENCE);
    let same =
        |image: &Instance| awake.seen().data_sets.get(&image.sop_instance) == Some(&image.data_set);
    assert!(chest.instances.iter().all(same), "byte for byte");
}
