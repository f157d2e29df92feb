//! Which studies lie in a segment or below a UID, and how many instances of which class: for the audit trail.

use crate::error::StoreError;
use crate::export::Selector;
use crate::reader::Reader;
use crate::rows;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;

/// Of one study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub study: Uid,
    /// How many instances of each SOP class.
    pub classes: BTreeMap<Uid, u64>,
    /// One of them.
    pub instance: Uid,
}

impl Reader {
    /// What a segment holds, or held until it was evicted.
    pub async fn contents_of_segment(&self, segment: u32) -> Result<Vec<Content>, StoreError> {
        let query = sqlx::query(
            "SELECT study, sop_class, count(*) AS instances, min(sop_instance) AS instance
             FROM instances WHERE segment = $1 GROUP BY study, sop_class ORDER BY study",
        );
        grouped(&query.bind(segment).fetch_all(&self.pool).await?)
    }

    /// What is here of it.
    pub async fn contents(&self, selector: &Selector) -> Result<Vec<Content>, StoreError> {
        let all = "SELECT study, sop_class, count(*) AS instances, min(sop_instance) AS instance
             FROM instances
             WHERE segment NOT IN (SELECT number FROM segments WHERE evicted_at IS NOT NULL)
             GROUP BY study, sop_class ORDER BY study";
        // Series first: the instances of a study have no index of their own.
        let some = "SELECT study, sop_class, count(*) AS instances, min(sop_instance) AS instance
             FROM instances
             WHERE (sop_instance = $1 OR series = $1
                    OR (study = $1 AND series IN
                        (SELECT uid FROM series WHERE study = $1
                         UNION ALL SELECT series FROM other_studies WHERE study = $1)))
                 AND +segment NOT IN (SELECT number FROM segments WHERE evicted_at IS NOT NULL)
             GROUP BY study, sop_class ORDER BY study";
        let query = match selector {
            Selector::All => sqlx::query(all),
            Selector::Uid(uid) => sqlx::query(some).bind(uid.as_str()),
        };
        grouped(&query.fetch_all(&self.pool).await?)
    }
}

/// In the order of the studies.
fn grouped(found: &[sqlx::sqlite::SqliteRow]) -> Result<Vec<Content>, StoreError> {
    let mut contents: Vec<Content> = Vec::new();
    for row in found {
        let study = rows::uid(row, "study")?;
        let (class, count) = (rows::uid(row, "sop_class")?, rows::count(row, "instances")?);
        match contents.last_mut().filter(|last| last.study == study) {
            Some(last) => {
                last.classes.insert(class, count);
            }
            None => contents.push(Content {
                study,
                classes: BTreeMap::from([(class, count)]),
                instance: rows::uid(row, "instance")?,
            }),
        }
    }
    Ok(contents)
}
