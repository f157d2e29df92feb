//! The images of series as rules look at them: what they share is read once, and of each one only what is different.

use crate::error::StoreError;
use crate::incoming::Identity;
use crate::reader::Reader;
use crate::rows;
use futures_util::TryStreamExt;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Difference, Header, Layered};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::slice;

/// The images of one series in the order of their arrival. One that names another study than the
/// series is of is not among them.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesImages {
    pub series: Uid,
    pub images: Vec<Image>,
    bases: Vec<Header>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    pub identity: Identity,
    /// Length of the Part 10 file.
    pub bytes: u64,
    /// Which base of its series it is laid over; none: the header stands for itself.
    base: Option<usize>,
    header: Difference,
}

impl SeriesImages {
    fn none(series: &Uid) -> Self {
        Self { series: series.clone(), images: Vec::new(), bases: Vec::new() }
    }

    pub fn layered(&self, image: usize) -> Layered<'_> {
        self.header_of(&self.images[image])
    }

    /// Each image with its header, in their order.
    pub fn with_headers(&self) -> impl Iterator<Item = (&Image, Layered<'_>)> {
        self.images.iter().map(|image| (image, self.header_of(image)))
    }

    fn header_of<'a>(&'a self, image: &'a Image) -> Layered<'a> {
        let Difference { own, gone } = &image.header;
        match image.base {
            Some(base) => Layered::over(&self.bases[base], own, gone),
            None => Layered::whole(own),
        }
    }
}

impl Reader {
    /// Those of one series; none when there is no such series.
    pub async fn images(&self, series: &Uid) -> Result<SeriesImages, StoreError> {
        let found = self.images_of_series(slice::from_ref(series)).await?;
        Ok(found.into_iter().next().unwrap_or_else(|| SeriesImages::none(series)))
    }

    /// Those of many series at once, one answer for each, in their order. No series twice.
    pub async fn images_of_series(&self, series: &[Uid]) -> Result<Vec<SeriesImages>, StoreError> {
        let mut snapshot = self.pool.begin().await?;
        let images = images(&mut snapshot, series).await?;
        snapshot.commit().await?;
        Ok(images)
    }

    /// Those of the series of a study, the series in the order of their first arrival.
    pub async fn study_images(&self, study: &Uid) -> Result<Vec<SeriesImages>, StoreError> {
        let mut snapshot = self.pool.begin().await?;
        let series: Vec<String> = sqlx::query_scalar(
            "SELECT uid FROM series WHERE study = $1 ORDER BY first_arrival, uid",
        )
        .bind(study.as_str())
        .fetch_all(&mut *snapshot)
        .await?;
        let series: Result<Vec<Uid>, StoreError> = series.iter().map(|text| uid(text)).collect();
        let images = images(&mut snapshot, &series?).await?;
        snapshot.commit().await?;
        Ok(images)
    }
}

/// Headers and bases of one moment.
async fn images(
    snapshot: &mut SqliteConnection,
    series: &[Uid],
) -> Result<Vec<SeriesImages>, StoreError> {
    let asked = rows::to_json(&series)?;
    let mut reading = Reading::of(series);
    let found: Vec<(i64, String, Option<i64>, Option<String>)> = sqlx::query_as(
        "SELECT asked.key, study, bases.id, header
         FROM json_each($1) AS asked JOIN series ON series.uid = asked.value
             LEFT JOIN bases ON bases.series = series.uid",
    )
    .bind(&asked)
    .fetch_all(&mut *snapshot)
    .await?;
    for (place, study, id, header) in &found {
        reading.series(*place, study, id.zip(header.as_deref()))?;
    }
    // Read while the next ones are looked for.
    let mut lines = sqlx::query(LINES).bind(&asked).fetch(snapshot);
    while let Some(row) = lines.try_next().await? {
        reading.image(rows::column(&row, "line")?)?;
    }
    drop(lines);
    Ok(reading.in_order())
}

/// Between fields: no UID, no title and no header that is written as JSON has control characters.
const FIELDS: char = '\x1F';

/// One text for each image: a column costs more than what is in it.
const LINES: &str = "SELECT concat_ws(char(31), asked.key, sop_instance, sop_class,
         transfer_syntax, instances.calling_ae, instances.called_ae, arrival, origin, bytes,
         ifnull(base, 0), header) AS line
     FROM json_each($1) AS asked CROSS JOIN series ON series.uid = asked.value
         CROSS JOIN instances
             ON instances.series = series.uid AND instances.study = series.study";

/// What was read so far. A place is that of a series among those that were asked for.
struct Reading {
    found: Vec<SeriesImages>,
    studies: HashMap<i64, Uid>,
    /// Where a base is among those of its series.
    bases: HashMap<i64, usize>,
}

impl Reading {
    fn of(series: &[Uid]) -> Self {
        let found = series.iter().map(SeriesImages::none).collect();
        Self { found, studies: HashMap::new(), bases: HashMap::new() }
    }

    /// A series that is there, with one of its bases.
    fn series(
        &mut self,
        place: i64,
        study: &str,
        base: Option<(i64, &str)>,
    ) -> Result<(), StoreError> {
        let series = self.found.get_mut(place as usize).ok_or(StoreError::Unreadable("series"))?;
        if let Some((id, header)) = base {
            series.bases.push(Header::read(header).map_or_else(|| json(header), Ok)?);
            let last = series.bases.len() - 1;
            self.bases.insert(id, last);
        }
        self.studies.insert(place, uid(study)?);
        Ok(())
    }

    /// By arrival; the index hands most series over like that, and sorting there costs more.
    fn in_order(mut self) -> Vec<SeriesImages> {
        for series in &mut self.found {
            series.images.sort_by_key(|image| image.identity.arrival);
        }
        self.found
    }

    fn image(&mut self, line: &str) -> Result<(), StoreError> {
        let mut fields = line.splitn(11, FIELDS);
        let mut field = || fields.next().ok_or(StoreError::Unreadable("header"));
        let place = number(field()?, "series")?;
        let study = self.studies.get(&place).cloned().ok_or(StoreError::Unreadable("study"))?;
        let series = self.found.get_mut(place as usize).ok_or(StoreError::Unreadable("series"))?;
        let before = series.images.last().map(|image| &image.identity);
        let identity = Identity {
            sop_instance: uid(field()?)?,
            sop_class: same(before.map(|before| &before.sop_class), field()?, uid)?,
            transfer_syntax: same(before.map(|before| &before.transfer_syntax), field()?, uid)?,
            series: series.series.clone(),
            study,
            calling_ae: same(before.map(|before| &before.calling_ae), field()?, title)?,
            called_ae: same(before.map(|before| &before.called_ae), field()?, title)?,
            arrival: Moment(number(field()?, "arrival")?),
            origin: rows::origin(field()?)?,
        };
        let bytes = number(field()?, "bytes")?.unsigned_abs();
        let base = match number(field()?, "base")? {
            0 => None,
            id => Some(*self.bases.get(&id).ok_or(StoreError::Unreadable("base"))?),
        };
        let text = field()?;
        let header = Difference::read(text).map_or_else(|| json(text), Ok)?;
        series.images.push(Image { identity, bytes, base, header });
        Ok(())
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("header"))
}

/// Images of a series mostly have the same: then nothing is checked again.
fn same<T: Clone + AsRef<str>>(
    before: Option<&T>,
    text: &str,
    read: fn(&str) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    before
        .filter(|before| before.as_ref() == text)
        .map_or_else(|| read(text), |same| Ok(same.clone()))
}

fn uid(text: &str) -> Result<Uid, StoreError> {
    Uid::parse(text).map_err(|_| StoreError::Unreadable("uid"))
}

fn title(text: &str) -> Result<AeTitle, StoreError> {
    AeTitle::parse(text).map_err(|_| StoreError::Unreadable("title"))
}

fn number(text: &str, name: &'static str) -> Result<i64, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable(name))
}
