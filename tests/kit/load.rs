//! Many scanners that send without a pause, and the ledger of what each image was and whether it was acknowledged.

use crate::instance::{Instance, files_below};
use crate::modality::Unanswered;
use crate::node::Node;
use crate::template::{Number, Template};
use crate::wire::Wire;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a scanner tries to reach a node that is away.
const PATIENCE: Duration = Duration::from_secs(120);
const SUCCESS: u16 = 0x0000;

/// What is sent.
#[derive(Clone)]
pub struct Load {
    pub port: u16,
    /// Each is an association of its own, with an AE title from [`calling`].
    pub scanners: u16,
    pub seed: u32,
    /// Rows, columns, and how many of a thousand images are so.
    pub sizes: Vec<(u16, u16, u32)>,
    pub images_of_series: u32,
    pub series_of_study: u32,
}

/// What the scanners and the scenario tell each other while they send.
#[derive(Default)]
pub struct Progress {
    pub acknowledged: AtomicUsize,
    /// Connections that ended before an image was answered.
    pub cut_off: AtomicUsize,
    /// Set by the scenario: no scanner begins a further image.
    pub held: AtomicBool,
    /// Set by the scenario: each scanner ends behind the image at hand.
    pub stop: AtomicBool,
}

/// One image of the ledger.
pub struct Sent {
    pub sop_instance: String,
    pub study: String,
    pub digest: blake3::Hash,
    /// Not so when the connection ended and the scanner did not send it again: it may be kept, but
    /// nobody was told so.
    pub acknowledged: bool,
}

/// The AE title of a scanner, from 1 on.
pub fn calling(scanner: u16) -> String {
    format!("CT{scanner}")
}

/// The seed that GANTRY_SEED gives, or another one each time; printed, so that a run can be repeated.
pub fn seed() -> u32 {
    let named = std::env::var("GANTRY_SEED").ok();
    let seed = named.map(|text| text.parse().expect("GANTRY_SEED is a number below 2^32"));
    let seed = seed.unwrap_or_else(|| rand::rng().random());
    println!("GANTRY_SEED={seed}");
    seed
}

impl Load {
    /// Sends until told to stop, or until every scanner has sent so many images.
    pub fn send(&self, each: u32, progress: &Progress) -> Vec<Sent> {
        std::thread::scope(|scope| {
            let scanners: Vec<_> = (1..=self.scanners)
                .map(|scanner| {
                    scope.spawn(move || Scanner::new(self, scanner).send(each, progress))
                })
                .collect();
            let sent = scanners.into_iter().map(|one| one.join().expect("the scanner ends"));
            sent.flatten().collect()
        })
    }
}

struct Scanner<'a> {
    load: &'a Load,
    scanner: u16,
    templates: Vec<(Template, u32)>,
    chance: StdRng,
    wire: Option<Wire>,
}

impl<'a> Scanner<'a> {
    fn new(load: &'a Load, scanner: u16) -> Self {
        let sizes = load.sizes.iter();
        let templates = sizes.map(|(rows, columns, share)| (Template::ct(*rows, *columns), *share));
        let seed = u64::from(load.seed) << 16 | u64::from(scanner);
        let chance = StdRng::seed_from_u64(seed);
        Self { load, scanner, templates: templates.collect(), chance, wire: None }
    }

    fn send(mut self, each: u32, progress: &Progress) -> Vec<Sent> {
        let mut sent = Vec::new();
        for image in 1..=each {
            while progress.held.load(Ordering::SeqCst) && !progress.stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if progress.stop.load(Ordering::SeqCst) {
                break;
            }
            let series = (image - 1) / self.load.images_of_series + 1;
            let study = (series - 1) / self.load.series_of_study + 1;
            let run = self.load.seed;
            let number = Number { run, scanner: self.scanner, study, series, image };
            sent.push(self.send_one(number, progress));
        }
        if let Some(wire) = self.wire {
            wire.release();
        }
        sent
    }

    /// Until it is acknowledged; one in four that was cut off is given up, as a scanner does that
    /// was switched off.
    fn send_one(&mut self, number: Number, progress: &Progress) -> Sent {
        let which = self.which();
        let sop_instance = number.sop_instance_uid();
        let mut acknowledged = None;
        while acknowledged.is_none() {
            let mut wire = self.wire.take().unwrap_or_else(|| self.reach());
            match wire.store(&sop_instance, self.templates[which].0.image(number)) {
                Ok(status) => {
                    assert_eq!(status, SUCCESS, "{sop_instance} is answered {status:04X}");
                    self.wire = Some(wire);
                    acknowledged = Some(true);
                    progress.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(Unanswered::ConnectionLost) => {
                    progress.cut_off.fetch_add(1, Ordering::SeqCst);
                    acknowledged = self.chance.random_ratio(1, 4).then_some(false);
                }
                Err(Unanswered::NotAccepted) => panic!("CT images are accepted"),
            }
        }
        Sent {
            sop_instance,
            study: number.study_uid(),
            digest: blake3::hash(self.templates[which].0.image(number)),
            acknowledged: acknowledged == Some(true),
        }
    }

    fn which(&mut self) -> usize {
        let mut left = self.chance.random_range(0..1000);
        for (which, (_, share)) in self.templates.iter().enumerate() {
            if left < *share {
                return which;
            }
            left -= share;
        }
        0
    }

    fn reach(&self) -> Wire {
        let since = Instant::now();
        loop {
            let calling = calling(self.scanner);
            match Wire::request(&calling, self.load.port, Template::SOP_CLASS) {
                Ok(wire) => return wire,
                Err(refused) => {
                    assert!(since.elapsed() < PATIENCE, "the node stays away: {refused:?}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

/// What came out of the store, held against the ledger.
#[derive(Debug, Default, PartialEq)]
pub struct Compared {
    pub acknowledged: usize,
    /// Kept, though nobody was told so.
    pub unacknowledged: usize,
    pub missing: Vec<String>,
    pub altered: Vec<String>,
    /// In the store, and never sent.
    pub strange: Vec<String>,
}

/// Exports study after study and compares digests. What was compared is emptied, so that never more
/// than one study lies there twice, and removed at the end: ext4 makes files slowly for some seconds
/// after others were removed.
pub fn compare(node: &Node, sent: &[Sent]) -> Compared {
    let mut studies: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for one in sent {
        studies.entry(&one.study).or_default().push(one);
    }
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let mut compared = Compared::default();
    for (study, sent) in studies {
        compare_study(node, &folder.path().join(study), study, &sent, &mut compared);
    }
    compared
}

fn compare_study(node: &Node, to: &Path, study: &str, sent: &[&Sent], compared: &mut Compared) {
    let said = node.gantry(&["export", study, "--to", &to.to_string_lossy()]);
    let exported = if to.is_dir() { files_below(to) } else { Vec::new() };
    // A study of which nothing was acknowledged may not be there at all.
    assert!(said.success || exported.is_empty(), "{said:?}");
    let mut digests: HashMap<String, blake3::Hash> = HashMap::new();
    for path in exported {
        let instance = Instance::read(&path);
        digests.insert(instance.sop_instance, blake3::hash(&instance.data_set));
        std::fs::File::create(&path).expect("an exported file can be emptied");
    }
    for one in sent {
        let uid = || one.sop_instance.clone();
        match digests.remove(&one.sop_instance) {
            None if one.acknowledged => compared.missing.push(uid()),
            None => {}
            Some(digest) if digest != one.digest => compared.altered.push(uid()),
            Some(_) if one.acknowledged => compared.acknowledged += 1,
            Some(_) => compared.unacknowledged += 1,
        }
    }
    compared.strange.extend(digests.into_keys());
}
