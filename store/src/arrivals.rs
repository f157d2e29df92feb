//! Images that rules may forward as they arrive: read in the order of their rows, judged once each, kept in one transaction with their deliveries.

use crate::decisions::NewForward;
use crate::error::StoreError;
use crate::forwards::Forwards;
use crate::index;
use crate::reader::Reader;
use crate::rows;
use crate::series::{InstanceRow, instance_row};
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::HashSet;

/// How far the images were looked at, by their rows in the index that is open: these only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(i64);

/// An image of a series that receives, which was not judged yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    pub row: InstanceRow,
    digest: Vec<u8>,
}

/// What one set of rules said of images as they arrived.
#[derive(Debug, Clone)]
pub struct NewArrivals {
    pub rules_digest: String,
    pub rules_text: String,
    pub at: Moment,
    pub images: Vec<NewArrival>,
}

#[derive(Debug, Clone)]
pub struct NewArrival {
    pub arrival: Arrival,
    pub verdicts: Vec<ArrivalVerdict>,
    /// Of this image, each with the rule that asks for it.
    pub forward: Vec<(String, NewForward)>,
}

/// What one rule said of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalVerdict {
    pub rule: String,
    pub runs: bool,
    pub reason: String,
}

/// What was said of an image when it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivalRow {
    pub sop_instance: Uid,
    pub rules_digest: String,
    pub verdicts: Vec<ArrivalVerdict>,
    pub at: Moment,
}

const BEGIN: &str = "SELECT ifnull(
         (SELECT min(instances.rowid) - 1 FROM series CROSS JOIN instances
              ON instances.series = series.uid WHERE series.state = 'receiving'),
         ifnull((SELECT max(rowid) FROM instances), 0))";
/// An image of another study than its series is of is never decided with it, and not here either.
const BEHIND: &str = "SELECT instances.rowid AS place, instances.*, bases.header AS base_header
     FROM instances CROSS JOIN series ON series.uid = instances.series
         AND series.study = instances.study AND series.state = 'receiving'
         LEFT JOIN bases ON bases.id = instances.base
     WHERE instances.rowid > $1 AND instances.origin = 'received'
         AND NOT EXISTS (SELECT 1 FROM arrivals
                         WHERE arrivals.sop_instance = instances.sop_instance)
     ORDER BY instances.rowid LIMIT $2";

impl Reader {
    /// In front of the first image of all series that receive: whatever was judged before a kill is
    /// known by its row, and what was not is found from here on.
    pub async fn before_arrivals(&self) -> Result<Place, StoreError> {
        Ok(Place(sqlx::query_scalar(BEGIN).fetch_one(&self.pool).await?))
    }

    /// Up to `limit` images behind the place that are to be judged, and the place to go on from: with
    /// fewer than that, behind all that is in the index.
    pub async fn arrivals_behind(
        &self,
        place: Place,
        limit: u32,
    ) -> Result<(Vec<Arrival>, Place), StoreError> {
        let mut snapshot = self.pool.begin().await?;
        let newest: i64 = sqlx::query_scalar("SELECT ifnull(max(rowid), 0) FROM instances")
            .fetch_one(&mut *snapshot)
            .await?;
        let found = sqlx::query(BEHIND).bind(place.0).bind(limit).fetch_all(&mut *snapshot).await?;
        snapshot.commit().await?;
        let arrivals = found.iter().map(arrival).collect::<Result<Vec<_>, _>>()?;
        let next = match found.last() {
            Some(last) if found.len() == limit as usize => rows::column(last, "place")?,
            _ => newest.max(place.0),
        };
        Ok((arrivals, Place(next)))
    }

    /// Of one image.
    pub async fn arrival(&self, sop_instance: &Uid) -> Result<Option<ArrivalRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM arrivals WHERE sop_instance = $1")
            .bind(sop_instance.as_str())
            .fetch_optional(&self.pool)
            .await?;
        found.as_ref().map(arrival_row).transpose()
    }

    /// Of the images of a series, in the order in which they came.
    pub async fn arrivals(&self, series: &Uid) -> Result<Vec<ArrivalRow>, StoreError> {
        let found = sqlx::query(
            "SELECT arrivals.* FROM instances CROSS JOIN arrivals USING (sop_instance)
             WHERE series = $1 ORDER BY arrival",
        )
        .bind(series.as_str())
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(arrival_row).collect()
    }
}

impl Store {
    /// Keeps what was said and the deliveries that follow from it, or nothing of it. An image that has
    /// other bytes by now, or whose series is complete, is left to the decision on its series; one that
    /// was judged before stays as it was. It is not synced: what a power cut takes is judged once more at the next start.
    pub async fn keep_arrivals(&self, new: &NewArrivals) -> Result<(), StoreError> {
        index::unsynced(&self.shared.write, async |connection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            keep_all(&mut transaction, new).await?;
            Ok::<_, StoreError>(transaction.commit().await?)
        })
        .await?;
        self.shared.progress.ring();
        Ok(())
    }
}

async fn keep_all(connection: &mut SqliteConnection, new: &NewArrivals) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rule_sets (digest, text, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(&new.rules_digest)
    .bind(&new.rules_text)
    .bind(new.at.0)
    .execute(&mut *connection)
    .await?;
    let kept = keep_verdicts(connection, new).await?;
    let mut forwards = Forwards::new("arrival", new.at);
    for (rule, forward) in &asked_of(new, &kept) {
        forwards.add(connection, rule, forward).await?;
    }
    Ok(())
}

const KEEP: &str = "INSERT INTO arrivals (sop_instance, rules_digest, verdicts, at)
     SELECT sop_instance, $2, value ->> 'verdicts', $3
     FROM json_each($1)
         CROSS JOIN instances ON sop_instance = value ->> 'instance'
             AND digest = unhex(value ->> 'digest')
         JOIN series ON series.uid = instances.series
             AND series.study = instances.study AND series.state = 'receiving'
     WHERE true ON CONFLICT DO NOTHING RETURNING sop_instance";

/// The images that it holds for.
async fn keep_verdicts(
    connection: &mut SqliteConnection,
    new: &NewArrivals,
) -> Result<HashSet<String>, StoreError> {
    let told = |image: &NewArrival| {
        let digest: String =
            image.arrival.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let instance = &image.arrival.row.identity.sop_instance;
        let verdicts = rows::to_json(&image.verdicts)?;
        Ok(json!({ "instance": instance, "digest": digest, "verdicts": verdicts }))
    };
    let told = new.images.iter().map(told).collect::<Result<Vec<_>, StoreError>>()?;
    let kept: Vec<String> = sqlx::query_scalar(KEEP)
        .bind(rows::to_json(&told)?)
        .bind(&new.rules_digest)
        .bind(new.at.0)
        .fetch_all(connection)
        .await?;
    Ok(kept.into_iter().collect())
}

/// What the rules ask for these images, in the order of the rules: each peer once with all that goes to it in the same way.
fn asked_of(new: &NewArrivals, kept: &HashSet<String>) -> Vec<(String, NewForward)> {
    let mut asked: Vec<(usize, &str, NewForward)> = Vec::new();
    let is_kept =
        |image: &&NewArrival| kept.contains(image.arrival.row.identity.sop_instance.as_str());
    for image in new.images.iter().filter(is_kept) {
        for (rule, forward) in &image.forward {
            let same = asked.iter_mut().find(|(_, of, other)| {
                of == rule && other.peer == forward.peer && other.changes == forward.changes
            });
            if let Some((_, _, same)) = same {
                same.instances.extend_from_slice(&forward.instances);
                continue;
            }
            // All were judged by the same rules.
            let place = image.verdicts.iter().position(|verdict| verdict.rule == *rule);
            asked.push((place.unwrap_or_default(), rule, forward.clone()));
        }
    }
    asked.sort_by_key(|(place, ..)| *place);
    asked.into_iter().map(|(_, rule, forward)| (rule.to_owned(), forward)).collect()
}

fn arrival(row: &SqliteRow) -> Result<Arrival, StoreError> {
    Ok(Arrival { row: instance_row(row)?, digest: rows::column(row, "digest")? })
}

fn arrival_row(row: &SqliteRow) -> Result<ArrivalRow, StoreError> {
    Ok(ArrivalRow {
        sop_instance: rows::uid(row, "sop_instance")?,
        rules_digest: rows::column(row, "rules_digest")?,
        verdicts: rows::json(row, "verdicts")?,
        at: rows::moment(row, "at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;
    use sqlx::Row;

    /// Both are asked again and again, however much lies in the index.
    #[tokio::test]
    async fn images_that_arrived_are_found_by_their_rows_and_by_the_series_that_receive() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = index::open_to_write(folder.path()).await.expect("an index");
        for query in [BEGIN, BEHIND] {
            let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan = sqlx::query(asked).fetch_all(&index).await.expect("a plan");
            let steps: Vec<&str> = plan.iter().map(|step| step.get("detail")).collect();
            let scans = |step: &&&str| step.starts_with("SCAN") && !step.contains("CONSTANT ROW");
            assert_eq!(steps.iter().find(scans), None, "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP")), "{steps:?}");
        }
    }
}
