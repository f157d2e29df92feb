//! Results that come home: what a peer made of objects that left here without the patient, as it is called here.

use crate::coerce::{self, CoerceError};
use crate::config::Config;
use crate::dimse::status;
use chrono::{DateTime, NaiveDate};
use gantry_deidentification::home::Study;
use gantry_deidentification::reidentify::{self, Home, Named, Unreturned};
use gantry_store::error::StoreError;
use gantry_store::pseudonyms::DeidentifiedStudy;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(3600);

/// Why a result does not come home. Names nobody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Astray {
    #[error(
        "it names a study that did not leave here under the profile {0}, or so long ago that it is forgotten"
    )]
    UnknownStudy(String),
    #[error(transparent)]
    Unreturned(#[from] Unreturned),
    #[error(transparent)]
    Encoded(#[from] CoerceError),
    #[error("an instance of this UID is here, and did not come home")]
    Known,
    #[error("it is larger than {} MiB: listen.memory-mib gives no more to one object", .0 >> 20)]
    TooLarge(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it was not brought home")]
    Lost,
}

impl Astray {
    /// Status and Error Comment (PS3.4 B.2.3).
    pub(crate) fn answer(&self) -> (u16, &'static str) {
        match self {
            Self::UnknownStudy(_) => (status::UNKNOWN_STUDY, "no study of this UID left here"),
            Self::Unreturned(Unreturned::OtherPatient) => {
                (status::OTHER_PATIENT, "patient and study do not belong together")
            }
            Self::Unreturned(Unreturned::LeftHere) | Self::Known => {
                (status::NO_RESULT, "this instance is no result: it is known here")
            }
            Self::Unreturned(_) | Self::Encoded(_) => {
                (status::CANNOT_UNDERSTAND, "data set cannot be brought home")
            }
            Self::TooLarge(_) => (status::TOO_LARGE, "too large to be brought home"),
            Self::Store(_) | Self::Lost => (status::OUT_OF_RESOURCES, "the node cannot write"),
        }
    }
}

/// The data set as it is called here, by what left under the profile.
pub(crate) async fn home(
    store: &Store,
    profile: &str,
    data_set: Vec<u8>,
    transfer_syntax: &Uid,
) -> Result<Vec<u8>, Astray> {
    let data_set = Arc::new(data_set);
    let (bytes, syntax) = (data_set.clone(), transfer_syntax.clone());
    let looked = tokio::task::spawn_blocking(move || named(&bytes, &syntax)).await;
    let named = looked.map_err(|_| Astray::Lost)??;
    let home = found(store, profile, &named).await?;
    let syntax = transfer_syntax.clone();
    let work = move || {
        coerce::within(&data_set, &syntax, |bytes, syntax| {
            Ok::<_, Astray>(reidentify::reidentify(bytes, syntax, &home)?)
        })
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Astray::Lost)?
}

fn named(data_set: &[u8], transfer_syntax: &Uid) -> Result<Named, Astray> {
    let mut named = Named::default();
    coerce::looked_at(data_set, transfer_syntax, |bytes, syntax| {
        named = Named::of(bytes, syntax)?;
        Ok::<_, Astray>(())
    })?;
    Ok(named)
}

/// Every study that it names has to be known, and be of the one patient.
async fn found(store: &Store, profile: &str, named: &Named) -> Result<Home, Astray> {
    let unknown = || Astray::UnknownStudy(profile.to_owned());
    let reader = store.reader();
    let (study, first_at) =
        reader.deidentified_study(profile, &named.study).await?.ok_or_else(unknown)?;
    for other in named.studies.iter().filter(|other| **other != named.study) {
        let other = reader.deidentified_study(profile, other).await?;
        if other.ok_or_else(unknown)?.0.patient != study.patient {
            return Err(Unreturned::OtherPatient.into());
        }
    }
    let originals = reader.originals(profile, &named.names).await?;
    let DeidentifiedStudy { pseudonym, study, patient, days, attributes } = study;
    let study = Study { uid: pseudonym, original: study, patient, days, attributes };
    Ok(Home { study, left_on: day(first_at), originals })
}

/// Of the moment in this place.
fn day(moment: Moment) -> NaiveDate {
    let utc = DateTime::from_timestamp_micros(moment.0).unwrap_or_default();
    utc.with_timezone(&chrono::Local).date_naive()
}

/// Forgets what left so long ago as profiles say with `forget-days`.
pub(crate) async fn forget(store: Store, config: Arc<Config>, stop: CancellationToken) {
    // Often enough that a short age is kept to.
    let Some(shortest) = config.forgets.values().min() else { return };
    let pause = (*shortest / 100).clamp(SOON, EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        for (profile, span) in &config.forgets {
            match store.forget_pseudonyms(profile, store.clock().now().minus(*span)).await {
                Ok(0) => {}
                Ok(names) => tracing::info!(profile, names, "pseudonyms of long ago are forgotten"),
                Err(error) => tracing::error!(%error, "pseudonyms of long ago cannot be forgotten"),
            }
        }
    }
}
