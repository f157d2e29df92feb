//! How long it takes to judge a series of 1,000 images by 200 rules, traces included: from headers at hand, and from the index.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use bytes::Bytes;
use gantry_routing::facts::{self, Peers};
use gantry_routing::rules::{Arrived, ImageFacts, ModelFacts, RuleSet, SourceFile, World};
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Tag, Value};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::hint::black_box;
use std::path::Path;
use std::slice;
use std::time::{Duration, Instant};

const IMAGES: usize = 1000;
const RULES: usize = 200;
const ROUNDS: usize = 301;
/// In the index: one after the other is read, so that none of them lies at hand.
const SERIES: usize = 10;
/// Of each rule: five lines of `[rule.select]`, one of them with three conditions in two groups.
const CONDITIONS: usize = 7;

/// The header of a CT image: what a series shares, and what is different from image to image.
struct Image {
    uid: Uid,
    whole: Header,
    own: Header,
}

fn text(vr: &str, text: &str) -> Attribute {
    let values = text.split('\\').map(|text| Value::Text(text.into())).collect();
    Attribute { vr: vr.into(), values }
}

/// About as many attributes as a scanner sends.
fn shared() -> Header {
    let mut header = Header::default();
    for (tag, vr, value) in [
        (0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"),
        (0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        (0x0008_0020, "DA", "20260301"),
        (0x0008_0060, "CS", "CT"),
        (0x0008_0070, "LO", "SIEMENS"),
        (0x0008_0080, "LO", "Hospital"),
        (0x0008_1010, "SH", "CT2"),
        (0x0008_1030, "LO", "Thorax native"),
        (0x0008_103E, "LO", "Lung 1.0 B60f"),
        (0x0008_1090, "LO", "SOMATOM Force"),
        (0x0010_0020, "LO", "4711"),
        (0x0010_0040, "CS", "F"),
        (0x0010_1010, "AS", "063Y"),
        (0x0018_0015, "CS", "CHEST"),
        (0x0018_0050, "DS", "1"),
        (0x0018_0060, "DS", "120"),
        (0x0018_1030, "LO", "Thorax^Routine"),
        (0x0018_1210, "SH", "B60f"),
        (0x0018_5100, "CS", "HFS"),
        (0x0020_000D, "UI", "1.2.3"),
        (0x0020_000E, "UI", "1.2.3.4"),
        (0x0020_0011, "IS", "4"),
        (0x0020_0037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x0020_0052, "UI", "1.2.3.5"),
        (0x0028_0030, "DS", "0.7\\0.7"),
    ] {
        header.0.insert(tag, text(vr, value));
    }
    for tag in (0x0018_9300..0x0018_9350).step_by(2) {
        header.0.insert(tag, text("DS", "12.5"));
    }
    header
}

fn image(number: usize, shared: &Header) -> Image {
    let uid = Uid::derived(&["image", &number.to_string()]);
    let mut own = Header::default();
    let place = number as f64 - 500.0;
    for (tag, vr, value) in [
        (0x0008_0018, "UI", uid.to_string()),
        (0x0008_0032, "TM", format!("10{:02}{:02}.5", number / 60, number % 60)),
        (0x0018_1151, "IS", (200 + number % 40).to_string()),
        (0x0020_0013, "IS", (number + 1).to_string()),
        (0x0020_0032, "DS", format!("-180\\-180\\{place}")),
        (0x0020_1041, "DS", place.to_string()),
    ] {
        own.0.insert(tag, text(vr, &value));
    }
    let mut whole = shared.clone();
    whole.0.extend(own.0.clone());
    Image { uid, whole, own }
}

/// Rules as a hospital has them: for most series most of them do not apply, a fifth run here.
fn rules() -> String {
    let kinds =
        [("CT", "CHEST"), ("CT", "HEAD"), ("MR", "BRAIN"), ("CT", "ABDOMEN"), ("DX", "CHEST")];
    let rules = (0..RULES).map(|number| {
        let (modality, part) = kinds[number % kinds.len()];
        let (low, least) = (number / 5, 20 + number % 50);
        format!(
            "[[rule]]\nname = \"rule {number}\"\n[rule.select]\nModality = \"{modality}\"\n\
             ImageType = {{ lacks = [\"LOCALIZER\", \"SECONDARY\"] }}\n\
             any = [{{ BodyPartExamined = [\"{part}\", \"WHOLEBODY\"], SliceThickness = {{ max = 3 }} }}, \
             {{ SeriesDescription = {{ like = [\"*{part}*\", \"*lung*\", \"*thorax {number}*\"] }} }}]\n\
             ConvolutionKernel = {{ regex = \"^[BI][3-7][0-9]f?$\" }}\n\
             InstanceNumber = {{ min = {low} }}\n\
             [rule.require]\nimages = {{ min = {least} }}\nspacing = \"even\"\n\
             [rule.then]\nrun = \"model\"\nsend = {{ to = [\"PACS\"], as = [\"structured-report\"] }}\n"
        )
    });
    rules.collect()
}

fn parsed() -> RuleSet {
    let results = vec!["structured-report".to_string()];
    let world = World {
        models: vec![ModelFacts {
            name: "model".into(),
            inputs: vec!["input".into()],
            results,
            places: false,
        }],
        peers: vec!["PACS".into()],
        senders: vec!["CT2".into()],
        ..World::default()
    };
    let file = SourceFile { path: "rules/bench.toml".into(), text: rules() };
    RuleSet::parse(vec![file], &world).expect("the rules are good")
}

fn main() {
    let rules = parsed();
    let shared = shared();
    let images: Vec<Image> = (0..IMAGES).map(|number| image(number, &shared)).collect();
    let gone: &[Tag] = &[];
    measure("a base and differences", &rules, &images, |image| {
        Layered::over(&shared, &image.own, gone)
    });
    measure("whole headers", &rules, &images, |image| Layered::whole(&image.whole));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(from_index(&rules, &images));
}

/// What the decider does until the verdicts are there.
async fn from_index(rules: &RuleSet, images: &[Image]) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let store = kept(folder.path(), images).await;
    let peers = Peers::default();
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        let series = store.images(&series(round % SERIES)).await.expect("asked");
        let read = begin.elapsed();
        let facts = facts::of_series(slice::from_ref(&series), &peers);
        let laid_out = begin.elapsed();
        black_box(rules.judge(&facts));
        let judged = begin.elapsed();
        assert_eq!(facts.len(), IMAGES);
        let parts = [read, laid_out - read, judged - laid_out, judged];
        times.iter_mut().zip(parts).for_each(|(times, part)| times.push(part));
    }
    store.close().await;
    println!("from the index, {IMAGES} images, {RULES} rules:");
    for (what, times) in ["read", "facts", "judged", "all of it"].iter().zip(times) {
        println!("  {what}: {}", told(times));
    }
}

async fn kept(folder: &Path, images: &[Image]) -> Store {
    let store = Store::open(StoreOptions::new(folder)).await.expect("a store");
    for of_series in 0..SERIES {
        for image in images {
            store.keep(incoming(of_series, image)).await.expect("kept");
        }
    }
    store.settled().await;
    store
}

fn series(number: usize) -> Uid {
    Uid::derived(&["series", &number.to_string()])
}

fn incoming(of_series: usize, image: &Image) -> Incoming {
    let (uid, title) = (|text: &str| Uid::parse(text).expect("a UID"), AeTitle::parse("CT2"));
    let title = title.expect("a title");
    let identity = Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: Uid::derived(&[image.uid.as_str(), &of_series.to_string()]),
        series: series(of_series),
        study: Uid::derived(&["study", &of_series.to_string()]),
        transfer_syntax: uid("1.2.840.10008.1.2.1"),
        calling_ae: title.clone(),
        called_ae: title,
        arrival: Moment::now(),
        origin: Origin::Received,
    };
    Incoming { part10: Bytes::from(part10(&identity, &data_set(&image.whole))), identity }
}

/// In Explicit VR Little Endian; all values are short texts.
fn data_set(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, attribute) in &header.0 {
        let texts = attribute.values.iter().map(|value| match value {
            Value::Text(text) => text.as_str(),
            _ => unreachable!("all of it is text"),
        });
        let mut text = texts.collect::<Vec<&str>>().join("\\");
        if text.len() % 2 == 1 {
            text.push(if &*attribute.vr == "UI" { '\0' } else { ' ' });
        }
        bytes.extend(((tag >> 16) as u16).to_le_bytes());
        bytes.extend((*tag as u16).to_le_bytes());
        bytes.extend(attribute.vr.as_bytes());
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    format!("median {:.2} ms ({:.2} to {:.2})", ms(ROUNDS / 2), ms(0), ms(ROUNDS - 1))
}

fn measure<'i>(
    what: &str,
    rules: &RuleSet,
    images: &'i [Image],
    header: impl Fn(&'i Image) -> Layered<'i>,
) {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let (class, syntax) = (uid("1.2.840.10008.5.1.4.1.1.2"), uid("1.2.840.10008.1.2.1"));
    let (series, title) = (uid("1.2.3.4"), AeTitle::parse("CT2").expect("a title"));
    let facts = images.iter().zip(1..).map(|(image, order)| ImageFacts {
        sop_instance: &image.uid,
        sop_class: &class,
        transfer_syntax: &syntax,
        calling_ae: &title,
        called_ae: &title,
        peer: None,
        series: &series,
        arrived: Arrived { second: 36_000 + order, weekday: 2, order },
        header: header(image),
        made_here: false,
    });
    let facts: Vec<ImageFacts> = facts.collect();
    let runs = rules.judge(&facts).iter().filter(|judgement| judgement.runs).count();
    let times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            black_box(rules.judge(black_box(&facts)));
            begin.elapsed()
        })
        .collect();
    let all: f64 = times.iter().map(Duration::as_secs_f64).sum();
    let answers = (IMAGES * RULES * CONDITIONS * ROUNDS) as f64 / all;
    println!(
        "{what}: {IMAGES} images, {RULES} rules ({runs} run): {}, {:.0} million answers a second",
        told(times),
        answers / 1e6,
    );
}
