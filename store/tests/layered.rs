//! Headers that lie over what their series shares: read back whole, whatever became of the images, in little room.

mod modality;

use bytes::Bytes;
use gantry_store::header::{part10, read_header};
use gantry_store::incoming::{Identity, Incoming, Kept};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::reindex::reindex;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::header::{Header, Tag};
use modality::{identity, instance, options, series, store, uid};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

const ROWS: Tag = 0x0028_0010;
const INSTANCE_NUMBER: Tag = 0x0020_0013;
const PATIENT_COMMENTS: Tag = 0x0010_4000;
const IMAGE_TYPE: Tag = 0x0008_0008;

fn text(tag: Tag, vr: &[u8; 2], value: &str) -> Vec<u8> {
    let value = match value.len() % 2 {
        0 => value.to_owned(),
        _ => format!("{value} "),
    };
    let mut bytes = [(tag >> 16) as u16, tag as u16].map(u16::to_le_bytes).concat();
    bytes.extend(vr);
    bytes.extend((value.len() as u16).to_le_bytes());
    bytes.extend(value.as_bytes());
    bytes
}

/// An image as a scanner sends it: a hundred attributes of its series, and a dozen of its own.
fn slice(of_series: u32, number: u32) -> Vec<Vec<u8>> {
    let mut elements = vec![
        text(IMAGE_TYPE, b"CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        text(0x0008_0018, b"UI", instance(of_series, number).as_str()),
        text(0x0008_0032, b"TM", &format!("1011{:02}.{number:03}", number % 60)),
        text(0x0008_0060, b"CS", "CT"),
        text(0x0010_0010, b"PN", "Phantom^Water"),
        text(PATIENT_COMMENTS, b"LT", "{\"a\": \\ [}"),
    ];
    for of_scan in 0..90 {
        let value = format!("value {of_scan} of the scan");
        elements.push(text(0x0018_1000 + of_scan, b"LO", &value));
    }
    elements.extend([
        text(INSTANCE_NUMBER, b"IS", &number.to_string()),
        text(0x0020_0032, b"DS", &format!("-170.5\\-170.5\\{}.25", i64::from(number) - 700)),
        text(0x0020_1041, b"DS", &format!("{}.25", i64::from(number) - 700)),
        text(ROWS, b"DS", "512"),
    ]);
    elements
}

fn incoming(identity: Identity, elements: &[Vec<u8>]) -> Incoming {
    let part10 = Bytes::from(part10(&identity, &elements.concat()));
    Incoming { identity, part10 }
}

fn ct(of_series: u32, number: u32) -> Incoming {
    incoming(identity(of_series, number), &slice(of_series, number))
}

async fn index(folder: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(folder.join("index.db"));
    SqlitePool::connect_with(options).await.expect("the index")
}

/// Series of the bases that there are, and how many rows lie over none.
async fn bases(folder: &Path) -> (Vec<String>, i64) {
    let pool = index(folder).await;
    let bases = sqlx::query_scalar("SELECT series FROM bases ORDER BY id");
    let bases = bases.fetch_all(&pool).await.expect("asked");
    let whole = sqlx::query_scalar("SELECT count(*) FROM instances WHERE base IS NULL");
    let whole = whole.fetch_one(&pool).await.expect("asked");
    pool.close().await;
    (bases, whole)
}

/// Images of a series that may come to the index before another one of it.
const MOST_ALONE: i64 = 1;

async fn keep_all(store: &Store, images: &[Incoming]) {
    let kept = images.iter().map(|image| store.keep(image.clone()));
    for kept in futures_util::future::join_all(kept).await {
        kept.expect("kept");
    }
    store.settled().await;
}

/// Each of the images, asked in every way, has the header of its file, and no other is there.
async fn check(store: &Store, of_series: u32, images: &[&Incoming]) {
    let found = store.images(&series(of_series)).await.expect("asked");
    let whole = store.instances(&series(of_series)).await.expect("asked");
    assert_eq!((found.images.len(), whole.len()), (images.len(), images.len()));
    for (at, (found_image, layered)) in found.with_headers().enumerate() {
        let uid = &found_image.identity.sop_instance;
        let sent = images.iter().find(|image| image.identity.sop_instance == *uid);
        let sent = sent.expect("one that was sent");
        let header = read_header(&sent.part10).unwrap_or_default();
        assert_eq!(found_image.identity, sent.identity);
        assert_eq!(found_image.bytes, sent.part10.len() as u64);
        assert_eq!(layered.to_header(), header, "{uid}");
        assert_eq!(found.layered(at).to_header(), header);
        let mut tags: Vec<Tag> = layered.tags(0, Tag::MAX).collect();
        tags.sort_unstable();
        assert!(tags.iter().eq(header.0.keys()));
        assert!(tags.iter().all(|tag| layered.attribute(*tag) == header.attribute(*tag)));
        assert_eq!((&whole[at].identity, &whole[at].header), (&sent.identity, &header));
        let alone = store.instance(uid).await.expect("asked").expect("there");
        assert_eq!(alone, whole[at]);
    }
}

#[tokio::test]
async fn what_images_of_a_series_share_is_kept_once_and_each_header_is_read_back_whole() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let images: Vec<Incoming> = (0..150).map(|number| ct(1, number)).collect();
    keep_all(&store, &images[..100]).await;
    keep_all(&store, &images[100..]).await;
    keep_all(&store, &[ct(2, 1)]).await;
    check(&store, 1, &images.iter().collect::<Vec<_>>()).await;
    let found = store.images(&series(1)).await.expect("asked");
    let shared = found.with_headers().filter(|(_, header)| !header.differs(0x0018_1010)).count();
    assert_eq!(shared, 150);
    // A series of one image shares with nobody.
    let (of_series, whole) = bases(folder.path()).await;
    assert_eq!(of_series, [series(1).to_string()]);
    assert!((1..=MOST_ALONE + 1).contains(&whole), "{whole}");
    // Behind a start the base is found again.
    store.close().await;
    let store = modality::store(folder.path()).await;
    keep_all(&store, &[ct(1, 200), ct(2, 2)]).await;
    assert_eq!(bases(folder.path()).await.0, [series(1), series(2)].map(|uid| uid.to_string()));
    check(&store, 2, &[&ct(2, 1), &ct(2, 2)]).await;
    store.close().await;
}

#[tokio::test]
async fn a_localizer_before_its_series_costs_a_second_base_and_no_room_in_each_image() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut localizer = slice(1, 0);
    localizer.truncate(70);
    localizer[0] = text(IMAGE_TYPE, b"CS", "ORIGINAL\\PRIMARY\\LOCALIZER");
    let mut images = vec![incoming(identity(1, 0), &localizer)];
    images.extend((1..40).map(|number| ct(1, number)));
    images.push(incoming(identity(1, 41), &localizer));
    // One after the other, as they come from one association.
    for image in &images {
        store.keep(image.clone()).await.expect("kept");
    }
    store.settled().await;
    check(&store, 1, &images.iter().collect::<Vec<_>>()).await;
    let (bases, whole) = bases(folder.path()).await;
    assert!((1..=2).contains(&bases.len()) && whole <= MOST_ALONE, "{bases:?} {whole}");
    // The first slice came before anybody knew that more like it follow.
    let long = own_bytes(folder.path(), "sum(length(header) > 700)").await;
    assert!(long <= 1, "{long}");
    store.close().await;
}

/// Over the rows of all images.
async fn own_bytes(folder: &Path, what: &'static str) -> i64 {
    let pool = index(folder).await;
    let query = sqlx::AssertSqlSafe(format!("SELECT {what} FROM instances"));
    let bytes = sqlx::query_scalar(query).fetch_one(&pool).await.expect("asked");
    pool.close().await;
    bytes
}

#[tokio::test]
async fn an_image_that_lacks_attributes_has_none_of_its_series_in_their_place() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut less = slice(1, 3);
    less.drain(10..30);
    less.remove(5);
    let images = [ct(1, 1), ct(1, 2), incoming(identity(1, 3), &less), ct(1, 4)];
    keep_all(&store, &images).await;
    check(&store, 1, &images.iter().collect::<Vec<_>>()).await;
    let found = store.images(&series(1)).await.expect("asked");
    assert_eq!(found.layered(2).text(PATIENT_COMMENTS), None);
    assert_eq!(found.layered(3).text(PATIENT_COMMENTS), Some("{\"a\": \\ [}"));
    let tags = [PATIENT_COMMENTS, INSTANCE_NUMBER, IMAGE_TYPE];
    let newest = store.newest_header(&series(1), &tags).await.expect("asked").expect("there");
    let there: Vec<Tag> = newest.0.keys().copied().collect();
    assert_eq!(there, [IMAGE_TYPE, PATIENT_COMMENTS, INSTANCE_NUMBER]);
    let behind = store.headers_behind(&series(1), 0, &tags).await.expect("asked");
    let texts: Vec<_> = behind
        .iter()
        .map(|(_, header)| (header.text(INSTANCE_NUMBER), header.text(PATIENT_COMMENTS).is_some()))
        .collect();
    let expected = [("1", true), ("2", true), ("3", false), ("4", true)];
    assert_eq!(texts, expected.map(|(number, comments)| (Some(number), comments)));
    store.close().await;
}

#[tokio::test]
async fn images_that_are_replaced_or_go_to_another_series_leave_no_base_that_nobody_uses() {
    let folder = tempdir().expect("a folder");
    let replacing = StoreOptions { duplicates: Duplicates::Replace, ..options(folder.path()) };
    let store = Store::open(replacing.clone()).await.expect("a store");
    let first: Vec<Incoming> = (0..20).map(|number| ct(1, number)).collect();
    keep_all(&store, &first).await;
    // Corrected one by one: nothing of what they shared is left.
    let corrected = |number: u32, to: u32| {
        let mut elements = slice(1, number);
        elements.drain(6..90);
        for of_scan in 0..60 {
            elements.insert(6, text(0x0018_9000 - of_scan, b"LO", "another value of the scan"));
        }
        let mut identity = identity(1, number);
        identity.series = series(to);
        identity.arrival.0 += 1_000_000;
        incoming(identity, &elements)
    };
    let second: Vec<Incoming> = (0..20).map(|number| corrected(number, 1)).collect();
    for image in &second {
        assert_eq!(store.keep(image.clone()).await.expect("kept").outcome, Kept::Replaced);
        store.settled().await;
    }
    check(&store, 1, &second.iter().collect::<Vec<_>>()).await;
    assert_eq!(bases(folder.path()).await, (vec![series(1).to_string()], 0));
    // And now all of them to another series.
    let third: Vec<Incoming> = (0..20)
        .map(|number| {
            let mut image = corrected(number, 7);
            image.identity.arrival.0 += 1_000_000;
            image
        })
        .map(|image| {
            incoming(
                image.identity.clone(),
                &[text(ROWS, b"DS", "3"), text(PATIENT_COMMENTS, b"LT", "x")],
            )
        })
        .collect();
    keep_all(&store, &third).await;
    check(&store, 1, &[]).await;
    check(&store, 7, &third.iter().collect::<Vec<_>>()).await;
    assert_eq!(bases(folder.path()).await.0, [series(7).to_string()]);
    store.close().await;
    // As the segments tell it alone.
    let report = reindex(folder.path()).await.expect("built again");
    assert_eq!((report.instances, report.problems.len()), (20, 0));
    assert_eq!(bases(folder.path()).await.0, [series(7).to_string()]);
    let store = Store::open(replacing).await.expect("a store");
    check(&store, 7, &third.iter().collect::<Vec<_>>()).await;
    store.close().await;
}

#[tokio::test]
async fn a_base_that_is_gone_is_told_of_and_gives_nobody_half_a_header() {
    let folder = tempdir().expect("a folder");
    let first = store(folder.path()).await;
    let images = [ct(1, 1), ct(1, 2)];
    keep_all(&first, &images).await;
    assert_eq!(verify(&first).await.expect("verified").problems, [""; 0]);
    first.close().await;
    let pool = index(folder.path()).await;
    sqlx::query("DELETE FROM bases").execute(&pool).await.expect("done");
    pool.close().await;
    let second = store(folder.path()).await;
    assert!(second.images(&series(1)).await.is_err());
    let problems = verify(&second).await.expect("verified").problems;
    assert!(matches!(problems.as_slice(), [one] if one.contains("headers share with others")));
    second.close().await;
    reindex(folder.path()).await.expect("built again");
    let third = store(folder.path()).await;
    check(&third, 1, &images.iter().collect::<Vec<_>>()).await;
    third.close().await;
}

#[tokio::test]
async fn images_of_another_study_under_a_series_are_not_among_those_of_it_nor_of_a_study() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut images: Vec<Incoming> = (0..6).map(|number| ct(1, number)).collect();
    for image in &mut images[4..] {
        image.identity.study = uid("1.2.3.99");
    }
    keep_all(&store, &images).await;
    let mut second = [ct(2, 30), ct(2, 31)];
    for image in &mut second {
        image.identity.study = images[0].identity.study.clone();
    }
    keep_all(&store, &second).await;
    check(&store, 1, &images[..4].iter().collect::<Vec<_>>()).await;
    let study = store.study_images(&images[0].identity.study).await.expect("asked");
    let counts: Vec<_> =
        study.iter().map(|found| (found.series.clone(), found.images.len())).collect();
    assert_eq!(counts, [(series(1), 4), (series(2), 2)]);
    assert_eq!(study[1], store.images(&series(2)).await.expect("asked"));
    assert_eq!(store.study_images(&uid("1.2.3.99")).await.expect("asked"), []);
    let asked = [series(2), series(5), series(1)];
    let many = store.images_of_series(&asked).await.expect("asked");
    let counts: Vec<_> =
        many.iter().map(|found| (found.series.clone(), found.images.len())).collect();
    assert_eq!(counts, [(series(2), 2), (series(5), 0), (series(1), 4)]);
    store.close().await;
}

#[tokio::test]
async fn rows_of_an_earlier_version_stand_for_themselves_beside_new_ones() {
    let folder = tempdir().expect("a folder");
    let first = store(folder.path()).await;
    let images: Vec<Incoming> = (0..12).map(|number| ct(1, number)).collect();
    keep_all(&first, &images[..8]).await;
    let headers: Vec<_> = first.instances(&series(1)).await.expect("asked");
    first.close().await;
    let pool = index(folder.path()).await;
    for row in &headers {
        sqlx::query("UPDATE instances SET header = $2, base = NULL WHERE sop_instance = $1")
            .bind(row.identity.sop_instance.as_str())
            .bind(serde_json::to_string(&row.header).expect("JSON"))
            .execute(&pool)
            .await
            .expect("done");
    }
    sqlx::query("DELETE FROM bases").execute(&pool).await.expect("done");
    pool.close().await;
    let store = store(folder.path()).await;
    check(&store, 1, &images[..8].iter().collect::<Vec<_>>()).await;
    keep_all(&store, &images[8..]).await;
    check(&store, 1, &images.iter().collect::<Vec<_>>()).await;
    assert_eq!(bases(folder.path()).await, (vec![series(1).to_string()], 8));
    store.close().await;
}

#[tokio::test]
async fn an_image_without_a_header_that_can_be_read_and_one_that_is_very_long_stand_for_themselves()
{
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut long = slice(1, 3);
    let more = (0..200).map(|n| text(0x0018_A000 + n, b"LO", &"long ".repeat(100)));
    long.splice(97..97, more);
    let images = [
        ct(1, 1),
        incoming(identity(1, 2), &[b"\xff\xfe\xfd".to_vec()]),
        incoming(identity(1, 3), &long),
        ct(1, 4),
    ];
    keep_all(&store, &images).await;
    check(&store, 1, &images.iter().collect::<Vec<_>>()).await;
    assert!((2..=MOST_ALONE + 2).contains(&bases(folder.path()).await.1));
    store.close().await;
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn headers_of_real_files_mixed_in_one_series_are_read_back_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !root.is_dir() {
        println!("skipped: {} is not there", root.display());
        return;
    }
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let (mut number, mut series) = (0, 0);
    for of_one in [
        "ct_chest_A0002_B40f",
        "cxr",
        "mr_t1_j2k",
        "multiframe",
        "non_image",
        "odd",
        "seg_sr",
        "ts",
    ] {
        series += 1;
        let mut images = Vec::new();
        for file in files(&root.join(of_one)) {
            let Ok(bytes) = fs::read(&file) else { continue };
            if bytes.len() > 4 << 20
                || bytes.get(128..132) != Some(b"DICM")
                || read_header(&bytes).is_err()
            {
                continue;
            }
            number += 1;
            images.push(Incoming { identity: identity(series, number), part10: bytes.into() });
        }
        assert!(images.len() > 1, "{of_one}");
        keep_all(&store, &images).await;
        check(&store, series, &images.iter().collect::<Vec<_>>()).await;
    }
    println!("{number} headers of real files");
    store.close().await;
}

#[tokio::test]
async fn the_headers_of_a_ct_take_less_than_two_percent_of_its_pixels() {
    const IMAGES: u32 = 300;
    const PIXELS: i64 = 512 * 512 * 2;
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let images: Vec<Incoming> = (0..IMAGES).map(|number| ct(1, number)).collect();
    keep_all(&store, &images).await;
    check(&store, 1, &images.iter().collect::<Vec<_>>()).await;
    let own = own_bytes(folder.path(), "sum(length(header))").await;
    let pool = index(folder.path()).await;
    let shared: i64 = sqlx::query_scalar("SELECT sum(length(header)) FROM bases")
        .fetch_one(&pool)
        .await
        .expect("asked");
    pool.close().await;
    let (an_image, whole) = ((own + shared) / i64::from(IMAGES), {
        let header: Header = read_header(&images[0].part10).expect("a header");
        serde_json::to_string(&header).expect("JSON").len()
    });
    let percent = 100.0 * an_image as f64 / PIXELS as f64;
    println!(
        "{an_image} bytes of header an image, {percent:.2} % of its pixels; {whole} as a whole"
    );
    assert!(an_image * 50 < PIXELS);
    assert!(an_image * 5 < whole as i64, "most of it is kept once");
    store.close().await;
}
