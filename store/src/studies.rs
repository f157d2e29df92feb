//! Images that name a series of another study: they are kept and told of, and never decided or put together with those of the series.

// A Series Instance UID belongs to one study (PS3.3 C.7.3.1). Two studies under one are two patients at the worst.

use crate::events::{self, Event};
use crate::index::Entry;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

/// Which study the series of the entries belong to that are in the index.
pub(crate) async fn of_series<'a>(
    connection: &mut SqliteConnection,
    entries: &'a [Entry],
) -> Result<BTreeMap<&'a str, String>, sqlx::Error> {
    let named: BTreeSet<&str> =
        entries.iter().map(|entry| entry.identity.series.as_str()).collect();
    let mut studies = BTreeMap::new();
    for series in named {
        let study: Option<String> = sqlx::query_scalar("SELECT study FROM series WHERE uid = $1")
            .bind(series)
            .fetch_optional(&mut *connection)
            .await?;
        studies.extend(study.map(|study| (series, study)));
    }
    Ok(studies)
}

/// Counts again, from the images that are there, what a series has of its own study and which others
/// they name; told once for each. A series that all images of its own study have left goes over to
/// the one that came next, as when a correction names another study for each of them.
pub(crate) async fn settle(
    connection: &mut SqliteConnection,
    series: &str,
) -> Result<(), sqlx::Error> {
    let named: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT study, count(*), min(arrival), max(arrival) FROM instances WHERE series = $1
         GROUP BY study ORDER BY min(arrival), study",
    )
    .bind(series)
    .fetch_all(&mut *connection)
    .await?;
    let own: Option<String> =
        sqlx::query_scalar("SELECT study FROM series WHERE uid = $1 AND state <> 'made'")
            .bind(series)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(own) = own else { return Ok(()) };
    let goes_over = named.iter().all(|(study, ..)| *study != own);
    let Some(now) = named.iter().find(|(study, ..)| *study == own).or(named.first()) else {
        return count(connection, series, &(own, 0, 0, 0), false).await;
    };
    count(connection, series, now, goes_over).await?;
    if goes_over {
        close_empty(connection, &own).await?;
    }
    sqlx::query("DELETE FROM other_studies WHERE series = $1 AND study = $2")
        .bind(series)
        .bind(&now.0)
        .execute(&mut *connection)
        .await?;
    for (other, _, first_arrival, _) in named.iter().filter(|(study, ..)| *study != now.0) {
        keep_apart(connection, series, other, *first_arrival).await?;
    }
    Ok(())
}

/// A study that all series have left has nothing to be decided: it would wait for ever.
async fn close_empty(connection: &mut SqliteConnection, study: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE studies SET state = 'decided' WHERE uid = $1 AND state = 'waiting'
             AND NOT EXISTS (SELECT 1 FROM series WHERE series.study = studies.uid
                             AND series.state <> 'made')",
    )
    .bind(study)
    .execute(connection)
    .await?;
    Ok(())
}

/// Study, images, first and last arrival.
async fn count(
    connection: &mut SqliteConnection,
    series: &str,
    (study, instances, first, last): &(String, i64, i64, i64),
    goes_over: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO studies (uid, first_arrival) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(study)
        .bind(first)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE series SET study = $2, instances = $3,
             first_arrival = CASE WHEN $3 > 0 THEN $4 ELSE first_arrival END,
             last_arrival = CASE WHEN $3 > 0 THEN $5 ELSE last_arrival END,
             revision = revision + ($6 AND state IN ('complete', 'decided')),
             state = CASE WHEN $6 THEN 'receiving' ELSE state END
         WHERE uid = $1",
    )
    .bind(series)
    .bind(study)
    .bind(instances)
    .bind(first)
    .bind(last)
    .bind(goes_over)
    .execute(connection)
    .await?;
    Ok(())
}

async fn keep_apart(
    connection: &mut SqliteConnection,
    series: &str,
    study: &str,
    first_arrival: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO studies (uid, first_arrival) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(study)
        .bind(first_arrival)
        .execute(&mut *connection)
        .await?;
    let first = sqlx::query("INSERT INTO other_studies VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(series)
        .bind(study)
        .execute(&mut *connection)
        .await?;
    match first.rows_affected() {
        0 => Ok(()),
        _ => tell(connection, series, study).await,
    }
}

async fn tell(
    connection: &mut SqliteConnection,
    series: &str,
    study: &str,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query("SELECT study, calling_ae FROM series WHERE uid = $1");
    let row = row.bind(series).fetch_one(&mut *connection).await?;
    let (first, peer): (String, String) = (row.try_get("study")?, row.try_get("calling_ae")?);
    tracing::error!(station = "keep", series, first, study, "one series in two studies");
    let text = format!(
        "images of study {study} name the series {series}, which is of study {first} (from {peer}); \
         they are kept and exported, and no rule sees them and nothing forwards them"
    );
    let (station, kind) = ("keep".into(), "two studies".into());
    let subject = Some(series.to_string());
    events::insert(connection, &Event { station, kind, subject, text }).await
}
