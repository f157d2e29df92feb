//! A scanner of the tests: objects of a known kind, different for each number.
#![allow(dead_code)] // Each test file uses some of it.

pub mod archive;
pub mod decider;

use bytes::Bytes;
use gantry_store::error::StoreError;
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::path::Path;
use std::time::Duration;

pub fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID of a test")
}

pub fn instance(series: u32, number: u32) -> Uid {
    uid(&format!("1.2.826.0.1.3680043.9.1.{series}.{number}"))
}

pub fn series(series: u32) -> Uid {
    uid(&format!("1.2.826.0.1.3680043.9.2.{series}"))
}

/// Each series is of a study of its own, unless a test says otherwise.
pub fn study(of_series: u32) -> Uid {
    uid(&format!("1.2.826.0.1.3680043.9.4.{of_series}"))
}

pub fn identity(of_series: u32, number: u32) -> Identity {
    Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: instance(of_series, number),
        series: series(of_series),
        study: study(of_series),
        transfer_syntax: uid("1.2.840.10008.1.2.1"),
        calling_ae: AeTitle::parse("CT1").expect("a title"),
        called_ae: AeTitle::parse("GANTRY").expect("a title"),
        arrival: Moment(1_700_000_000_000_000 + i64::from(number)),
        origin: Origin::Received,
    }
}

/// Some attributes and `pixels` bytes that depend on the seed.
pub fn data_set(number: u32, pixels: usize, seed: u64) -> Vec<u8> {
    let mut bytes = b"\x08\0\x60\0CS\x02\0CT".to_vec();
    let text = format!("{number:<8}");
    bytes.extend_from_slice(b"\x20\0\x13\0IS\x08\0");
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(b"\xe0\x7f\x10\0OW\0\0");
    bytes.extend_from_slice(&(pixels as u32).to_le_bytes());
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    bytes.extend((0..pixels).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    }));
    bytes
}

pub fn image_of(identity: Identity, pixels: usize, seed: u64) -> Incoming {
    let number = identity.arrival.0 as u32 & 0xFFFF;
    let part10 = Bytes::from(part10(&identity, &data_set(number, pixels, seed)));
    Incoming { identity, part10 }
}

/// The image that this number always gives.
pub fn image(of_series: u32, number: u32) -> Incoming {
    let pixels = 1000 + (number as usize % 50) * 400;
    image_of(identity(of_series, number), pixels, u64::from(of_series) << 32 | u64::from(number))
}

/// A process that another test starts holds what this one has open for a moment, until it runs its own
/// program: the lock of a store that was closed too.
pub async fn store(folder: &Path) -> Store {
    let mut tries = 0;
    loop {
        match Store::open(options(folder)).await {
            Err(StoreError::InUse(_)) if tries < 100 => tries += 1,
            opened => return opened.expect("a store"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Small segments, so that tests cross their borders.
pub fn options(folder: &Path) -> StoreOptions {
    StoreOptions { segment_bytes: 1 << 20, ..StoreOptions::new(folder) }
}
