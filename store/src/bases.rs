//! Lays the headers of a series over a few bases on their way into the index, so that what its images share is kept once.

use crate::header_text::HeaderText;
use crate::index::Entry;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteConnection;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// Bases of one series. Where its images are more different than that, their headers stand for
/// themselves.
const MOST_OF_SERIES: usize = 4;
/// Series whose bases are at hand.
const MOST_SERIES: usize = 64;
/// A longer header is no base: so much the bases at hand may take, each.
const LONGEST: usize = 64 << 10;

/// Bases at hand: those that the index has, for whoever is the only one to write it. What fails to
/// be committed takes all of them with it ([`Self::forget`]).
#[derive(Default)]
pub(crate) struct Bases {
    series: HashMap<Uid, OfSeries>,
    /// Grows with each header: the series that was asked for longest ago goes first.
    clock: u64,
}

struct OfSeries {
    /// The latest is the last.
    bases: Vec<Base>,
    /// The latest header that lay over none of them well.
    stranger: Option<HeaderText>,
    asked_at: u64,
}

struct Base {
    id: i64,
    header: HeaderText,
}

/// What a row holds of a header.
pub(crate) struct Laid<'a> {
    pub(crate) base: Option<i64>,
    pub(crate) header: Cow<'a, str>,
}

impl<'a> Laid<'a> {
    fn whole(header: &'a HeaderText) -> Self {
        Self { base: None, header: Cow::Borrowed(header.as_str()) }
    }
}

impl Bases {
    pub(crate) fn forget(&mut self) {
        self.series.clear();
    }

    /// Of a series of one image, as most are of projection radiographs and of what this node makes,
    /// nothing is shared: `alone`.
    pub(crate) async fn lay<'a>(
        &mut self,
        connection: &mut SqliteConnection,
        entry: &'a Entry,
        alone: bool,
    ) -> Result<Laid<'a>, sqlx::Error> {
        let (header, series) = (&entry.header, &entry.identity.series);
        if header.is_empty() || header.as_str().len() > LONGEST {
            return Ok(Laid::whole(header));
        }
        if !self.series.contains_key(series) {
            if alone {
                return Ok(Laid::whole(header));
            }
            let bases = of_series(connection, series).await?;
            self.make_room();
            self.series.insert(series.clone(), OfSeries { bases, stranger: None, asked_at: 0 });
        }
        let Some(held) = self.series.get_mut(series) else { return Ok(Laid::whole(header)) };
        self.clock += 1;
        held.asked_at = self.clock;
        let best = held.best(header);
        if held.needs_base(header, best.as_ref()) {
            let id = insert(connection, series, header.as_str()).await?;
            held.bases.push(Base { id, header: header.copy() });
            held.stranger = None;
            return Ok(Laid { base: Some(id), header: Cow::Borrowed("{}") });
        }
        Ok(match best.filter(|(_, own)| own.len() * 2 <= header.as_str().len()) {
            Some((base, own)) => Laid { base: Some(base), header: Cow::Owned(own) },
            None => Laid::whole(header),
        })
    }

    fn make_room(&mut self) {
        if self.series.len() < MOST_SERIES {
            return;
        }
        let oldest = self.series.iter().min_by_key(|(_, held)| held.asked_at);
        if let Some(oldest) = oldest.map(|(series, _)| series.clone()) {
            self.series.remove(&oldest);
        }
    }

    /// Bases that nobody uses any more go, when images of the series were replaced or have left it.
    pub(crate) async fn tidy(
        &mut self,
        connection: &mut SqliteConnection,
        series: &BTreeSet<Uid>,
    ) -> Result<(), sqlx::Error> {
        for uid in series {
            let done = sqlx::query(
                "DELETE FROM bases WHERE series = $1 AND NOT EXISTS
                     (SELECT 1 FROM instances WHERE series = $1 AND base = bases.id)",
            )
            .bind(uid.as_str())
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() > 0 {
                self.series.remove(uid);
            }
        }
        Ok(())
    }
}

impl OfSeries {
    /// The base that least is different from, the latest if that is little.
    fn best(&self, header: &HeaderText) -> Option<(i64, String)> {
        let mut best: Option<(i64, String)> = None;
        for base in self.bases.iter().rev() {
            let own = header.over(&base.header);
            let enough = is_small(&own, header);
            if best.as_ref().is_none_or(|(_, least)| own.len() < least.len()) {
                best = Some((base.id, own));
            }
            if enough {
                break;
            }
        }
        best
    }

    /// Of what lies over the others badly the first is a base when it does very badly, and the next
    /// when it is like the one before, as the slices behind a localizer are.
    fn needs_base(&mut self, header: &HeaderText, best: Option<&(i64, String)>) -> bool {
        if self.bases.len() >= MOST_OF_SERIES {
            return false;
        }
        let Some((_, own)) = best else { return true };
        if is_small(own, header) {
            return false;
        }
        let like = |stranger: &HeaderText| header.over(stranger).len() * 2 < own.len();
        let needs =
            own.len() * 2 > header.as_str().len() || self.stranger.as_ref().is_some_and(like);
        if !needs {
            self.stranger = Some(header.copy());
        }
        needs
    }
}

/// Less than a quarter: the images of a CT differ in a fifth of their headers.
fn is_small(own: &str, header: &HeaderText) -> bool {
    own.len() * 4 <= header.as_str().len()
}

async fn of_series(
    connection: &mut SqliteConnection,
    series: &Uid,
) -> Result<Vec<Base>, sqlx::Error> {
    let found: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, header FROM bases WHERE series = $1 ORDER BY id LIMIT $2")
            .bind(series.as_str())
            .bind(MOST_OF_SERIES as i64)
            .fetch_all(connection)
            .await?;
    let base = |(id, text)| Some(Base { id, header: HeaderText::read(text)? });
    Ok(found.into_iter().filter_map(base).collect())
}

async fn insert(
    connection: &mut SqliteConnection,
    series: &Uid,
    header: &str,
) -> Result<i64, sqlx::Error> {
    let done = sqlx::query("INSERT INTO bases (series, header) VALUES ($1, $2)")
        .bind(series.as_str())
        .bind(header)
        .execute(connection)
        .await?;
    Ok(done.last_insert_rowid())
}
