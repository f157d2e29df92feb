//! De-identification at the border: what goes to a peer that has a profile leaves without the patient, or not at all.

use crate::coerce::{self, CoerceError};
use gantry_deidentification::burned_in;
use gantry_deidentification::deidentify::{self, Kind, Refusal};
use gantry_deidentification::elements::Unreadable;
use gantry_deidentification::home::Study;
use gantry_deidentification::key::{Key, LENGTH};
use gantry_deidentification::profile::Profile;
use gantry_deidentification::seen::Seen;
use gantry_store::error::StoreError;
use gantry_store::pseudonyms::{DeidentifiedStudy, Departure, Pseudonym};
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use rand::RngCore;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// In the data folder.
pub const KEY_FILE: &str = "deidentification.key";

/// Why there is no key; the admin must act. Never repeats what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("others can read it: chmod 600")]
    Readable,
    #[error(
        "it is not a key of {LENGTH} bytes: bring it back from a backup, as another key makes other pseudonyms"
    )]
    NoKey,
    #[error(
        "it is not there, and pseudonyms were made with it: bring it back from a backup; where it is lost for good, \
         `gantry pseudonym --take-key` begins with a new one, and the same patients get other pseudonyms from then on"
    )]
    Lost,
    #[error(
        "it is another one than pseudonyms were made with: bring that one back from a backup; where it is lost for good, \
         `gantry pseudonym --take-key` begins with this one, and the same patients get other pseudonyms from then on"
    )]
    Another,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The key in this folder, by which this store made its pseudonyms: only where it has made none yet, a key is made.
pub async fn known_key(folder: &Path, store: &Store) -> Result<Key, KeyError> {
    let known = store.reader().key_fingerprint().await?;
    if known.is_some() && !folder.join(KEY_FILE).try_exists()? {
        return Err(KeyError::Lost);
    }
    let key = key(folder)?;
    match known {
        Some(known) if known != key.fingerprint() => return Err(KeyError::Another),
        Some(_) => {}
        None => store.know_key(&key.fingerprint(), None).await?,
    }
    Ok(key)
}

/// The key in this folder, which is made where there is none.
pub fn key(folder: &Path) -> Result<Key, KeyError> {
    let path = folder.join(KEY_FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return made(folder, &path),
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Readable);
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    bytes.try_into().map(Key::new).map_err(|_| KeyError::NoKey)
}

/// Whole and on the disk under its name before anything is made of it.
fn made(folder: &Path, path: &Path) -> Result<Key, KeyError> {
    let mut secret = [0; LENGTH];
    rand::rng().fill_bytes(&mut secret);
    let unfinished = path.with_extension("tmp");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()?;
    Ok(Key::new(secret))
}

#[derive(Debug, thiserror::Error)]
enum Unchanged {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Encoded(#[from] CoerceError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// An object that may leave, once it is kept under which names it does.
pub(crate) struct Leaving {
    pub(crate) data_set: Vec<u8>,
    pub(crate) sop_instance: Uid,
    pub(crate) departure: Departure,
}

/// The data set without the patient, and its new SOP Instance UID; or why it does not leave.
pub(crate) fn deidentified(
    data_set: &[u8],
    transfer_syntax: &Uid,
    profile: &Profile,
    key: &Key,
) -> Result<Leaving, String> {
    let mut leaving = None;
    let changed = coerce::within(data_set, transfer_syntax, |bytes, syntax| {
        let done = deidentify::deidentify(bytes, syntax, profile, key)?;
        leaving = Some((done.sop_instance, departure(profile, done.home, done.pseudonyms)));
        Ok::<_, Unchanged>(done.data_set)
    });
    let data_set = changed.map_err(|why| why.to_string())?;
    let (sop_instance, departure) = leaving.ok_or_else(|| Refusal::NoUid.to_string())?;
    Ok(Leaving { data_set, sop_instance, departure })
}

fn departure(
    profile: &Profile,
    home: Study,
    pseudonyms: BTreeMap<(Kind, String), String>,
) -> Departure {
    let Study { uid, original, patient, days, attributes } = home;
    let study = DeidentifiedStudy { pseudonym: uid, study: original, patient, days, attributes };
    let pseudonym = |((kind, pseudonym), original): ((Kind, String), String)| Pseudonym {
        kind: called(kind).into(),
        pseudonym,
        original,
    };
    let pseudonyms = pseudonyms.into_iter().map(pseudonym).collect();
    Departure { profile: profile.name.clone(), study, pseudonyms }
}

fn called(kind: Kind) -> &'static str {
    match kind {
        Kind::Study => "study",
        Kind::Series => "series",
        Kind::Instance => "instance",
        Kind::Uid => "UID",
        Kind::Patient => "patient",
        Kind::AccessionNumber => "accession number",
        Kind::Specimen => "specimen",
    }
}

/// Whether pixels of it are to be made black, for which they must not be compressed.
pub(crate) fn needs_native_pixels(data_set: &[u8], profile: &Profile) -> bool {
    // Compressed pixels stand in data sets of Explicit VR Little Endian (PS3.5 A.4).
    let seen = Seen::of(data_set, coerce::EXPLICIT);
    seen.is_ok_and(|seen| burned_in::needs_native_pixels(&seen, profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_only_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = key(folder.path()).expect("made");
        assert_eq!(key(folder.path()).expect("read"), first);
        let path = folder.path().join(KEY_FILE);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        mode(0o640).expect("set");
        assert!(matches!(key(folder.path()), Err(KeyError::Readable)));
        mode(0o600).expect("set");
        fs::write(&path, b"short").expect("written");
        assert!(matches!(key(folder.path()), Err(KeyError::NoKey)));
    }
}
