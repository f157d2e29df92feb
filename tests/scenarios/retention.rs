//! Retention in a real node: what a PACS has goes, what it has not stays and is told of, and no kill in between loses anything.

use kit::instance::{Instance, files_below};
use kit::load;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::template::{Number, Template};
use kit::wire::Wire;
use kit::{need, ports};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);
/// What the node's log says of each segment, before its mark is durable.
const EVICTED: &str = "a segment is evicted";
const KILLS: u32 = 20;
/// Of half a megabyte: about thirty of them are a segment.
const IMAGES: u32 = 40;
/// Of which one in so many is for a PACS that is away.
const HELD: u32 = 10;

const RULES: &str = r#"
[[rule]]
name = "archive"
on = "series"

[rule.select]
Modality = "CT"
ConvolutionKernel = "NONE"

[rule.then]
forward = ["PACS"]

[[rule]]
name = "second archive"
on = "series"

[rule.select]
Modality = "CT"
ConvolutionKernel = "HELD"

[rule.then]
forward = ["SECOND"]
"#;

struct Hospital {
    node: Node,
    pacs: Pacs,
    second: Pacs,
    /// An empty one, without which the node does not start.
    _models: TempDir,
    template: Template,
    run: u32,
    /// By their SOP Instance UIDs; the digests of their data sets.
    sent: HashMap<String, blake3::Hash>,
}

impl Hospital {
    /// What arrived a second ago may go. Nobody is at the second archive.
    fn open() -> Self {
        let models = TempDir::new().expect("a temporary folder");
        let (pacs, second) = (Pacs::up("PACS"), Pacs::down("SECOND"));
        let setup = Setup::new().rules("archive.toml", RULES).models(models.path());
        let setup = setup.scanner("CT1").pacs(&pacs).pacs(&second).segment_mib(16);
        let node = setup.quiet_seconds(0.3).retention("keep-days = 0.00001").start();
        let template = Template::ct(512, 512);
        let (run, sent) = (load::seed(), HashMap::new());
        Self { node, pacs, second, _models: models, template, run, sent }
    }

    fn image(&mut self, batch: u32, image: u32) -> (Number, Vec<u8>) {
        let held = u32::from(image.is_multiple_of(HELD));
        let series = 2 * batch + held;
        let number =
            Number { run: self.run, scanner: 1, study: 1, series, image: batch * IMAGES + image };
        let mut data_set = self.template.image(number).to_vec();
        if held == 1 {
            let kernel = data_set.windows(4).position(|bytes| bytes == b"NONE");
            let kernel = kernel.expect("a convolution kernel");
            data_set[kernel..kernel + 4].copy_from_slice(b"HELD");
        }
        (number, data_set)
    }

    fn send(&mut self, batch: u32) {
        let mut wire = Wire::request("CT1", self.node.port, Template::SOP_CLASS).expect("accepted");
        for image in 0..IMAGES {
            let (number, data_set) = self.image(batch, image);
            let sop_instance = number.sop_instance_uid();
            assert_eq!(wire.store(&sop_instance, &data_set), Ok(0x0000), "{}", self.node.log());
            self.sent.insert(sop_instance, blake3::hash(&data_set));
        }
        wire.release();
    }

    fn wait_for_status(&self, word: &str) {
        let said = || Some(self.node.status()).filter(|said| said.contains(word));
        assert!(
            ports::wait_for(PATIENCE, said).is_some(),
            "{word:?} is not in:\n{}",
            self.node.status()
        );
    }

    /// Waits until nothing more may go.
    fn wait_until_done(&self) {
        let plan = || self.node.gantry(&["retention", "--dry-run"]);
        let done = || (!plan().out.contains(" goes")).then_some(());
        assert!(ports::wait_for(PATIENCE, done).is_some(), "{:?}", plan());
    }

    /// By their SOP Instance UIDs, those that are kept, each as it was sent.
    fn kept(&self) -> Vec<String> {
        self.node.wait_until_indexed();
        let folder = TempDir::new().expect("a temporary folder");
        let to = folder.path().join("out");
        let said = self.node.gantry(&["export", "all", "--to", &to.to_string_lossy()]);
        assert!(said.success, "{said:?}");
        let verified = self.node.gantry(&["verify"]);
        assert!(verified.success, "{verified:?}");
        self.as_sent(files_below(&to).iter().map(|path| Instance::read(path)))
    }

    /// What an archive has, each as it was sent.
    fn archived(&self, pacs: &Pacs) -> Vec<String> {
        self.as_sent(pacs.received().iter().map(|file| Instance::read(&file.path)))
    }

    fn as_sent(&self, instances: impl Iterator<Item = Instance>) -> Vec<String> {
        let checked = instances.map(|one| {
            assert_eq!(self.sent[&one.sop_instance], blake3::hash(&one.data_set), "altered");
            one.sop_instance
        });
        checked.collect()
    }
}

#[test]
fn what_the_archives_have_goes_and_everything_else_outlives_kills_in_between() {
    let Some(()) = need::dcmtk() else { return };
    let mut hospital = Hospital::open();
    let mut chance = StdRng::seed_from_u64(hospital.run.into());
    for batch in 1..=KILLS {
        let before = hospital.node.log().len();
        hospital.send(batch);
        // The moment is what is random here: at any time, or while a segment is taken away.
        if chance.random_ratio(1, 2) {
            std::thread::sleep(Duration::from_secs_f64(chance.random_range(0.0..2.5)));
        } else {
            let begun = || hospital.node.log()[before..].contains(EVICTED).then_some(());
            ports::wait_for(Duration::from_secs(4), begun);
            std::thread::sleep(Duration::from_secs_f64(chance.random_range(0.0..0.02)));
        }
        hospital.node.kill9();
        hospital.node.start();
    }
    hospital.wait_for_status("PACS: 0 queued");
    hospital.wait_until_done();
    let kept = hospital.kept();
    let archived = hospital.archived(&hospital.pacs);
    let mut held = 0;
    for batch in 1..=KILLS {
        for image in 0..IMAGES {
            let (number, _) = hospital.image(batch, image);
            let uid = number.sop_instance_uid();
            let is_held = image.is_multiple_of(HELD);
            held += usize::from(is_held);
            let safe = kept.contains(&uid) || (!is_held && archived.contains(&uid));
            assert!(safe, "batch {batch}, image {image} is nowhere");
        }
    }
    let evicted = hospital.sent.len() - kept.len();
    println!("{} sent, {evicted} evicted, {held} needed", hospital.sent.len());
    let of_archived = hospital.sent.len() - held;
    assert!(evicted > of_archived / 2, "only {evicted} of {of_archived} were evicted");
    let log = hospital.node.log();
    let mut evictions = log.lines().filter(|line| line.contains(EVICTED));
    assert!(evictions.any(|line| !line.contains("carried=0")), "nothing was carried forward");

    // What is needed is named; when the second archive has come back it goes as well.
    hospital.second.come_up();
    hospital.wait_for_status("SECOND: 0 queued");
    assert_eq!(hospital.archived(&hospital.second).len(), held);
    hospital.wait_until_done();
    let plan = hospital.node.gantry(&["retention", "--dry-run"]);
    assert!(plan.success && !plan.out.contains("stays"), "{plan:?}");
    hospital.kept();
}

#[test]
fn what_no_archive_has_stays_is_told_of_and_goes_when_one_has_it() {
    let Some(()) = need::dcmtk() else { return };
    let mut hospital = Hospital::open();
    hospital.pacs.go_down();
    hospital.send(1);
    hospital.send(2);
    hospital.wait_for_status("to deliver to PACS");
    let status = hospital.node.status();
    let series = hospital.image(1, 1).0.series_uid();
    for words in ["should go and may not", "retain    0.9 s are kept", series.as_str()] {
        assert!(status.contains(words), "{words:?} is not in:\n{status}");
    }
    let plan = hospital.node.gantry(&["retention", "--dry-run"]);
    assert!(plan.success && plan.out.contains("segment 1 ("), "{plan:?}");
    assert!(plan.out.contains("stays: more than half of it is still needed"), "{plan:?}");
    let beside = hospital.node.gantry(&["retention"]);
    assert!(!beside.success && beside.err.contains("does this by itself"), "{beside:?}");
    assert_eq!(hospital.kept().len(), hospital.sent.len());

    hospital.pacs.come_up();
    hospital.wait_for_status("PACS: 0 queued");
    hospital.wait_for_status("last evicted: segment");
    hospital.wait_until_done();
    let said = hospital.node.explain(&series);
    assert!(said.contains("evicted by retention"), "{said}");
    // What is evicted is kept anew when it comes again. Which images that are is chance: those that were not yet
    // at the archive were carried into the segment that stays open.
    let kept = hospital.kept();
    let images: Vec<_> = (1..IMAGES).map(|image| hospital.image(1, image)).collect();
    let evicted = |(number, _): &(Number, _)| !kept.contains(&number.sop_instance_uid());
    let (number, data_set) = images.into_iter().find(evicted).expect("an evicted image");
    let uid = number.sop_instance_uid();
    let folder = TempDir::new().expect("a temporary folder");
    let to = folder.path().to_string_lossy().into_owned();
    let said = hospital.node.gantry(&["export", &uid, "--to", &to]);
    assert!(!said.success && said.out.contains("evicted by retention"), "{said:?}");
    let mut wire = Wire::request("CT1", hospital.node.port, Template::SOP_CLASS).expect("accepted");
    assert_eq!(wire.store(&uid, &data_set), Ok(0x0000));
    wire.release();
    assert!(hospital.kept().contains(&uid));
    assert!(hospital.node.stop().success());
    let round = hospital.node.gantry(&["retention"]);
    assert!(round.success && round.out.contains("segments evicted"), "{round:?}");
}
