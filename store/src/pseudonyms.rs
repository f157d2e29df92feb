//! What left here without its patient, under which names, and what its results need to come home; kept longer than the images.

use crate::error::StoreError;
use crate::jobs::Priority;
use crate::outbox::{self, NewRows};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So exactly is it known when a name left last: a study of many images writes it once.
const TO_THE_DAY: Duration = Duration::from_secs(86_400);

/// One name that something has outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pseudonym {
    /// `study`, `series`, `instance`, `UID`, `patient`, `accession number` or `specimen`.
    pub kind: String,
    pub pseudonym: String,
    pub original: String,
}

/// A study without its patient, under one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeidentifiedStudy {
    /// Its Study Instance UID (0020,000D) outside.
    pub pseudonym: String,
    pub study: String,
    /// Its Patient ID (0010,0020) outside.
    pub patient: String,
    /// By which its dates went back.
    pub days: i64,
    /// Of patient and study as they are here, by their tags.
    pub attributes: BTreeMap<u32, String>,
}

/// An object that is about to leave.
#[derive(Debug, Clone)]
pub struct Departure {
    pub profile: String,
    pub study: DeidentifiedStudy,
    pub pseudonyms: Vec<Pseudonym>,
}

/// A name that is known, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PseudonymRow {
    pub profile: String,
    pub name: Pseudonym,
    pub first_at: Moment,
    pub last_at: Moment,
}

impl Reader {
    /// What left under this name, or which names this has outside.
    pub async fn pseudonyms(&self, value: &str) -> Result<Vec<PseudonymRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM pseudonyms WHERE pseudonym = $1
             UNION SELECT * FROM pseudonyms WHERE original = $1 ORDER BY profile, kind, pseudonym",
        );
        found.bind(value).fetch_all(&self.pool).await?.iter().map(pseudonym_row).collect()
    }

    /// The study that has this Study Instance UID outside, and when something of it left first.
    pub async fn deidentified_study(
        &self,
        profile: &str,
        pseudonym: &str,
    ) -> Result<Option<(DeidentifiedStudy, Moment)>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM deidentified_studies WHERE pseudonym = $1 AND profile = $2");
        let found = found.bind(pseudonym).bind(profile).fetch_optional(&self.pool).await?;
        let study = |row| Ok((deidentified_study(&row)?, rows::moment(&row, "first_at")?));
        found.map(study).transpose()
    }

    /// Of these names those that something has outside, with what they stand for here.
    pub async fn originals(
        &self,
        profile: &str,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let found = sqlx::query(
            "SELECT pseudonym, original FROM json_each($1) CROSS JOIN pseudonyms
                 ON pseudonym = json_each.value AND profile = $2",
        );
        let found = found.bind(rows::to_json(names)?).bind(profile).fetch_all(&self.pool).await?;
        let both = |row| Ok((rows::column(row, "pseudonym")?, rows::column(row, "original")?));
        found.iter().map(both).collect()
    }

    /// Of the key that pseudonyms are made with; none before the first.
    pub async fn key_fingerprint(&self) -> Result<Option<String>, StoreError> {
        let last = "SELECT fingerprint FROM deidentification_keys ORDER BY id DESC LIMIT 1";
        Ok(sqlx::query_scalar(last).fetch_optional(&self.pool).await?)
    }

    async fn knows(&self, departure: &Departure, now: Moment) -> Result<bool, StoreError> {
        let Departure { profile, study, pseudonyms } = departure;
        let of_today = now.minus(TO_THE_DAY);
        let known = sqlx::query(
            "SELECT * FROM deidentified_studies
             WHERE pseudonym = $1 AND profile = $2 AND last_at > $3",
        );
        let known = known.bind(&study.pseudonym).bind(profile).bind(of_today.0);
        let known = known.fetch_optional(&self.pool).await?;
        if known.as_ref().map(deidentified_study).transpose()?.as_ref() != Some(study) {
            return Ok(false);
        }
        let names: Vec<&str> = pseudonyms.iter().map(|one| one.pseudonym.as_str()).collect();
        let new: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM json_each($1) WHERE NOT EXISTS
                 (SELECT 1 FROM pseudonyms WHERE pseudonym = json_each.value AND profile = $2
                      AND last_at > $3)",
        )
        .bind(rows::to_json(&names)?)
        .bind(profile)
        .bind(of_today.0)
        .fetch_one(&self.pool)
        .await?;
        Ok(new == 0)
    }
}

impl Store {
    /// Returns when it is known for good what the object is called outside: only then it may leave.
    pub async fn keep_departure(&self, departure: &Departure) -> Result<(), StoreError> {
        let now = self.clock().now();
        if self.knows(departure, now).await? {
            return Ok(());
        }
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        add_study(&mut transaction, departure, now).await?;
        for one in &departure.pseudonyms {
            sqlx::query(
                "INSERT INTO pseudonyms (profile, kind, pseudonym, original, first_at, last_at)
                 VALUES ($1, $2, $3, $4, $5, $5)
                 ON CONFLICT (pseudonym, profile) DO UPDATE SET last_at = excluded.last_at
                 WHERE last_at <= $6",
            )
            .bind(&departure.profile)
            .bind(&one.kind)
            .bind(&one.pseudonym)
            .bind(&one.original)
            .bind(now.0)
            .bind(now.minus(TO_THE_DAY).0)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets what left under the profile before this moment and never since; how many names that were.
    pub async fn forget_pseudonyms(
        &self,
        profile: &str,
        before: Moment,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let mut forgotten = 0;
        for of in [
            "DELETE FROM deidentified_studies WHERE profile = $1 AND last_at < $2",
            "DELETE FROM pseudonyms WHERE profile = $1 AND last_at < $2",
        ] {
            let done = sqlx::query(of).bind(profile).bind(before.0);
            forgotten = done.execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(forgotten)
    }

    /// An instance that came home, and is kept, goes on to these peers. Once, however often it comes.
    pub async fn forward_home(
        &self,
        sop_instance: &Uid,
        peers: &[String],
    ) -> Result<(), StoreError> {
        self.settled().await;
        let at = self.clock().now();
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        for peer in peers {
            let (priority, job, changes, asked_on) = (Priority::Routine, None, None, None);
            let sop_instances = &[sop_instance];
            let rows = NewRows { peer, sop_instances, priority, job, at, changes, asked_on };
            outbox::add(&mut transaction, rows).await?;
        }
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// From now on pseudonyms are made with the key of this fingerprint; `by` says who took it, where it is not the first.
    pub async fn know_key(&self, fingerprint: &str, by: Option<&str>) -> Result<(), StoreError> {
        let known = "INSERT INTO deidentification_keys (fingerprint, at, by) VALUES ($1, $2, $3)";
        let known = sqlx::query(known).bind(fingerprint).bind(self.clock().now().0).bind(by);
        known.execute(&self.shared.write).await?;
        Ok(())
    }
}

/// A patient whose data was put right since is the one that results come home to.
async fn add_study(
    connection: &mut SqliteConnection,
    departure: &Departure,
    now: Moment,
) -> Result<(), StoreError> {
    let DeidentifiedStudy { pseudonym, study, patient, days, attributes } = &departure.study;
    sqlx::query(
        "INSERT INTO deidentified_studies
             (profile, pseudonym, study, patient, days, attributes, first_at, last_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (pseudonym, profile) DO UPDATE SET patient = excluded.patient,
             days = excluded.days, attributes = excluded.attributes, last_at = excluded.last_at",
    )
    .bind(&departure.profile)
    .bind(pseudonym)
    .bind(study)
    .bind(patient)
    .bind(days)
    .bind(rows::to_json(attributes)?)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

fn deidentified_study(row: &SqliteRow) -> Result<DeidentifiedStudy, StoreError> {
    Ok(DeidentifiedStudy {
        pseudonym: rows::column(row, "pseudonym")?,
        study: rows::column(row, "study")?,
        patient: rows::column(row, "patient")?,
        days: rows::column(row, "days")?,
        attributes: rows::json(row, "attributes")?,
    })
}

fn pseudonym_row(row: &SqliteRow) -> Result<PseudonymRow, StoreError> {
    Ok(PseudonymRow {
        profile: rows::column(row, "profile")?,
        name: Pseudonym {
            kind: rows::column(row, "kind")?,
            pseudonym: rows::column(row, "pseudonym")?,
            original: rows::column(row, "original")?,
        },
        first_at: rows::moment(row, "first_at")?,
        last_at: rows::moment(row, "last_at")?,
    })
}
