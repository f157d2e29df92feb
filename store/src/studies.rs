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

/// Told once for each study. A series that all images of its own study have left goes over to the
/// other one, as when a correction names another study for each of them.
pub(crate) async fn keep_apart(
    connection: &mut SqliteConnection,
    series: &str,
    study: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO studies (uid, first_arrival)
         SELECT $2, min(arrival) FROM instances WHERE series = $1 AND study = $2
         ON CONFLICT DO NOTHING",
    )
    .bind(series)
    .bind(study)
    .execute(&mut *connection)
    .await?;
    let went_over = sqlx::query(
        "UPDATE series SET study = $2, state = 'receiving',
             revision = revision + (state IN ('complete', 'decided')),
             (instances, first_arrival, last_arrival) =
                 (SELECT count(*), min(arrival), max(arrival)
                  FROM instances WHERE series = $1 AND study = $2)
         WHERE uid = $1 AND instances = 0 AND state <> 'made'",
    )
    .bind(series)
    .bind(study)
    .execute(&mut *connection)
    .await?;
    if went_over.rows_affected() == 1 {
        sqlx::query("DELETE FROM other_studies WHERE series = $1 AND study = $2")
            .bind(series)
            .bind(study)
            .execute(connection)
            .await?;
        return Ok(());
    }
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
