//! When the memory for objects in hand is taken, others wait, then hear that they shall come back, and all goes on by itself.

use kit::modality::Refused;
use kit::node::Setup;
use kit::ports;
use kit::template::{Number, Template};
use kit::wire::Wire;
use std::io::{self, Read};
use std::sync::mpsc;
use std::time::Duration;

const SCANNERS: [&str; 3] = ["CT1", "CT2", "CT3"];

/// Gives a part at once, and the rest when it is told to.
struct Pausing<'a> {
    bytes: &'a [u8],
    pause_at: usize,
    paused: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Read for Pausing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.len() < self.pause_at {
            self.pause_at = 0;
            let _ = self.paused.send(());
            let _ = self.go_on.recv();
        }
        self.bytes.read(into)
    }
}

fn number(scanner: u16) -> Number {
    Number { run: 1, scanner, study: 1, series: 1, image: 1 }
}

#[test]
fn who_finds_the_memory_taken_is_told_to_come_back_until_it_is_free() {
    let setup = SCANNERS.iter().fold(Setup::new(), |setup, scanner| setup.scanner(scanner));
    let node = setup.listen("memory-mib = 8").start();
    let wire = |scanner: &str| Wire::request(scanner, node.port, Template::SOP_CLASS);
    let (mut first, mut second) = (wire("CT1").expect("accepted"), wire("CT2").expect("accepted"));
    // More than the buffers on the way hold: when it pauses, the node has begun to receive it.
    let mut large = Template::ct(4096, 4096);
    let (paused, has_paused) = mpsc::channel();
    let (go, go_on) = mpsc::channel();
    let slow = std::thread::spawn(move || {
        let number = number(1);
        let bytes = large.image(number);
        let length = bytes.len() as u64;
        let mut source = Pausing { bytes, pause_at: bytes.len() - (2 << 20), paused, go_on };
        let status = first.store_from(&number.sop_instance_uid(), length, &mut source);
        first.release();
        status
    });
    has_paused.recv().expect("the first is in the middle of its object");

    let mut small = Template::ct(64, 64);
    let mut send =
        |wire: &mut Wire| wire.store(&number(2).sop_instance_uid(), small.image(number(2)));
    assert_eq!(send(&mut second), Ok(0xA700), "nothing is free");
    let rejected =
        Err(Refused::Rejected("Transient ServiceProviderPresentation(TemporaryCongestion)".into()));
    assert_eq!(wire("CT3").map(|_| ()), rejected);
    let told = ports::wait_for(Duration::from_secs(10), || {
        let said = node.gantry(&["associations", "--refused"]).out;
        (said.contains("CT3") && said.contains("2/3/1")).then_some(())
    });
    assert!(told.is_some(), "the admin can see it");

    go.send(()).expect("it waits");
    assert_eq!(slow.join().expect("it ends"), Ok(0x0000), "who had begun is not disturbed");
    assert_eq!(send(&mut second), Ok(0x0000));
    second.release();
    let third = ports::wait_for(Duration::from_secs(10), || wire("CT3").ok());
    third.expect("it goes on by itself").release();
    let told = ports::wait_for(Duration::from_secs(10), || {
        let words = "answered A700: the memory for objects in hand is taken";
        node.status().contains(words).then_some(())
    });
    assert!(told.is_some(), "{}", node.status());
}
