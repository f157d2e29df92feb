//! The rules that are and were in force, with their files, and what was refused: so that every decision can be read beside its rules.

use crate::error::StoreError;
use crate::events::{self, Event};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;

/// A set of rules that takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRules {
    pub digest: String,
    /// All files in one, as `rule_sets` keeps it beside decisions.
    pub text: String,
    pub files: Vec<RuleFile>,
    /// How many rules they hold.
    pub rules: u64,
}

/// A file of rules, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// Without its folder.
    pub name: String,
    pub text: String,
}

/// A set of rules as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRules {
    pub digest: String,
    pub at: Moment,
    /// In the order of their names.
    pub files: Vec<RuleFile>,
    /// An earlier version kept one text for all files: a line break at the end of a file may be one too many.
    pub byte_for_byte: bool,
}

/// Why rules were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Start,
    Reload,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadOutcome {
    /// In force from then on.
    Taken,
    /// What lay on disk was broken; the rules before stay in force.
    Refused,
    /// What was refused is gone from the disk, where the rules in force lie again.
    Restored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRow {
    pub at: Moment,
    pub cause: Cause,
    pub outcome: LoadOutcome,
    /// Of the rules that are in force from then on.
    pub digest: String,
    pub rules: u64,
    /// Of what was refused: the first of its problems.
    pub problems: Vec<String>,
    /// How many there are beside those.
    pub more: u64,
}

/// The rules in force, and what is wrong on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesState {
    /// The load that put them into force.
    pub taken: LoadRow,
    /// The refusal that still holds.
    pub refused: Option<LoadRow>,
}

/// Verdicts by their outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    pub runs: u64,
    pub skipped: u64,
}

/// Problems that are kept of one refusal.
const MOST_PROBLEMS: usize = 20;
/// Refusals whose problems are kept; of earlier ones it stays known that they were.
const MOST_REFUSALS: i64 = 1000;

/// Reads an index alone, not the traces.
pub(crate) const DECISIONS: &str = "SELECT rules_digest, count(*) FILTER (WHERE runs) AS runs,
         count(*) FILTER (WHERE NOT runs) AS skipped
     FROM decisions INDEXED BY decisions_by_rules GROUP BY rules_digest";

impl Cause {
    pub const ALL: [Self; 3] = [Self::Start, Self::Reload, Self::Rollback];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "reload",
            Self::Rollback => "rollback",
        }
    }
}

impl LoadOutcome {
    pub const ALL: [Self; 3] = [Self::Taken, Self::Refused, Self::Restored];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Restored => "restored",
        }
    }
}

impl Reader {
    /// The rules with this digest, whenever they were in force.
    pub async fn rule_set(&self, digest: &str) -> Result<Option<KeptRules>, StoreError> {
        let found = sqlx::query("SELECT digest, text, at FROM rule_sets WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let files =
            sqlx::query("SELECT name, text FROM rule_files WHERE digest = $1 ORDER BY name")
                .bind(digest)
                .fetch_all(&self.pool)
                .await?;
        let file = |row| {
            Ok(RuleFile { name: rows::column(row, "name")?, text: rows::column(row, "text")? })
        };
        let mut files = files.iter().map(file).collect::<Result<Vec<_>, StoreError>>()?;
        let text: &str = rows::column(&row, "text")?;
        // Rules without any file have an empty text.
        let byte_for_byte = !files.is_empty() || text.is_empty();
        if !byte_for_byte {
            files = in_parts(text);
        }
        Ok(Some(KeptRules {
            digest: rows::column(&row, "digest")?,
            at: rows::moment(&row, "at")?,
            files,
            byte_for_byte,
        }))
    }

    /// The digests of all kept rules that begin so.
    pub async fn rule_digests(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let found = sqlx::query_scalar(
            "SELECT digest FROM rule_sets WHERE substr(digest, 1, length($1)) = $1 ORDER BY digest",
        );
        Ok(found.bind(prefix).fetch_all(&self.pool).await?)
    }

    /// All that was taken, refused and restored, newest first.
    pub async fn rule_loads(&self) -> Result<Vec<LoadRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM rule_loads ORDER BY id DESC");
        found.fetch_all(&self.pool).await?.iter().map(load_row).collect()
    }

    /// Nothing before the first start of a node that keeps such rows.
    pub async fn rules_state(&self) -> Result<Option<RulesState>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        state(&mut connection).await
    }

    /// How often rules were looked at again since the first start, by what came of it.
    pub async fn rule_reloads(&self, outcome: LoadOutcome) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM rule_loads WHERE cause <> 'start' AND outcome = $1",
        )
        .bind(outcome.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// The verdicts made by each set of rules, skips too.
    pub async fn decision_counts(&self) -> Result<BTreeMap<String, DecisionCounts>, StoreError> {
        let found = sqlx::query(DECISIONS);
        let counts = |row| {
            let (runs, skipped) = (rows::count(row, "runs")?, rows::count(row, "skipped")?);
            Ok((rows::column(row, "rules_digest")?, DecisionCounts { runs, skipped }))
        };
        found.fetch_all(&self.pool).await?.iter().map(counts).collect()
    }
}

impl Store {
    /// Keeps what takes effect, with the event that tells of it. What is in force already is no
    /// news: then nothing is kept and false comes back, unless other files were refused meanwhile.
    pub async fn rules_taken(
        &self,
        new: &NewRules,
        cause: Cause,
        event: Event,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let outcome = match state(&mut transaction).await? {
            Some(now) if now.taken.digest != new.digest => LoadOutcome::Taken,
            Some(now) if now.refused.is_some() => LoadOutcome::Restored,
            Some(_) => return Ok(false),
            None => LoadOutcome::Taken,
        };
        let at = Moment::now();
        keep_set(&mut transaction, new, at).await?;
        let row = LoadRow {
            at,
            cause,
            outcome,
            digest: new.digest.clone(),
            rules: new.rules,
            problems: Vec::new(),
            more: 0,
        };
        insert(&mut transaction, &row).await?;
        events::insert(&mut transaction, &event).await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(true)
    }

    /// Keeps that what lies on disk is broken, while the rules that were taken last stay in force.
    pub async fn rules_refused(&self, problems: &[String], event: Event) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(now) = state(&mut transaction).await? {
            let kept = &problems[..problems.len().min(MOST_PROBLEMS)];
            let row = LoadRow {
                at: Moment::now(),
                cause: Cause::Reload,
                outcome: LoadOutcome::Refused,
                problems: kept.to_vec(),
                more: (problems.len() - kept.len()) as u64,
                ..now.taken
            };
            let id = insert(&mut transaction, &row).await?;
            sqlx::query(
                "UPDATE rule_loads SET problems = '[]' WHERE id <= $1 AND problems <> '[]'",
            )
            .bind(id - MOST_REFUSALS)
            .execute(&mut *transaction)
            .await?;
        }
        events::insert(&mut transaction, &event).await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }
}

async fn keep_set(
    connection: &mut SqliteConnection,
    new: &NewRules,
    at: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rule_sets (digest, text, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(&new.digest)
    .bind(&new.text)
    .bind(at.0)
    .execute(&mut *connection)
    .await?;
    for file in &new.files {
        sqlx::query(
            "INSERT INTO rule_files (digest, name, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(&new.digest)
        .bind(&file.name)
        .bind(&file.text)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, row: &LoadRow) -> Result<i64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO rule_loads (at, cause, outcome, digest, rules, problems, more)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.at.0)
    .bind(row.cause.as_str())
    .bind(row.outcome.as_str())
    .bind(&row.digest)
    .bind(row.rules as i64)
    .bind(rows::to_json(&row.problems)?)
    .bind(row.more as i64)
    .execute(connection)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn state(connection: &mut SqliteConnection) -> Result<Option<RulesState>, StoreError> {
    let taken =
        sqlx::query("SELECT * FROM rule_loads WHERE outcome = 'taken' ORDER BY id DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let Some(taken) = taken.as_ref().map(load_row).transpose()? else { return Ok(None) };
    let last = sqlx::query("SELECT * FROM rule_loads ORDER BY id DESC LIMIT 1");
    let last = last.fetch_optional(connection).await?.as_ref().map(load_row).transpose()?;
    let refused = last.filter(|last| last.outcome == LoadOutcome::Refused);
    Ok(Some(RulesState { taken, refused }))
}

fn load_row(row: &SqliteRow) -> Result<LoadRow, StoreError> {
    let (cause, outcome): (&str, &str) =
        (rows::column(row, "cause")?, rows::column(row, "outcome")?);
    let cause = Cause::ALL.into_iter().find(|known| known.as_str() == cause);
    let outcome = LoadOutcome::ALL.into_iter().find(|known| known.as_str() == outcome);
    Ok(LoadRow {
        at: rows::moment(row, "at")?,
        cause: cause.ok_or(StoreError::Unreadable("cause"))?,
        outcome: outcome.ok_or(StoreError::Unreadable("outcome"))?,
        digest: rows::column(row, "digest")?,
        rules: rows::count(row, "rules")?,
        problems: rows::json(row, "problems")?,
        more: rows::count(row, "more")?,
    })
}

/// The files of a text that holds all of them, each under a line `# ---- NAME ----`.
fn in_parts(text: &str) -> Vec<RuleFile> {
    let mut files: Vec<RuleFile> = Vec::new();
    for line in text.split_inclusive('\n') {
        let name =
            line.trim_end().strip_prefix("# ---- ").and_then(|rest| rest.strip_suffix(" ----"));
        match (name.filter(|name| name.ends_with(".toml")), files.last_mut()) {
            (Some(name), _) => files.push(RuleFile { name: name.into(), text: String::new() }),
            (None, Some(file)) => file.text.push_str(line),
            (None, None) => files.push(RuleFile { name: "rules.toml".into(), text: line.into() }),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_files_is_taken_apart_at_the_lines_that_name_them() {
        let text =
            "# ---- a.toml ----\none\n# ---- cases: not a name ----\n# ---- b.toml ----\ntwo\n";
        let files: Vec<(String, String)> =
            in_parts(text).into_iter().map(|file| (file.name, file.text)).collect();
        let wanted = [("a.toml", "one\n# ---- cases: not a name ----\n"), ("b.toml", "two\n")];
        assert_eq!(files, wanted.map(|(name, text)| (name.to_string(), text.to_string())));
        assert_eq!(in_parts("no name\n")[0].name, "rules.toml");
    }
}
