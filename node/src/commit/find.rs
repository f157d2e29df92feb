//! As SCU of C-FIND: a peer without storage commitment is asked whether it has what it took (PS3.4 annex C).

use super::{Commit, FAULT, tell};
use crate::audit::events::{self, Somebody};
use crate::config::Peer;
use crate::dimse::find::{self, ImageQuery, Matches, STUDY_ROOT_FIND};
use crate::dimse::requestor::Association;
use crate::dimse::status;
use crate::transcode;
use gantry_routing::wait::sleep_until;
use gantry_store::error::StoreError;
use gantry_store::sought::Sought;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Instances of one turn.
const BATCH: u32 = 500;
/// UIDs of one list: with more of them some archives make their database sweat.
const LIST: usize = 100;

/// How the peer that is asked took it so far.
#[derive(Default)]
struct Manner {
    /// Turns in a row in which something was not answered.
    failures: u32,
    /// Nothing is asked before.
    rests_until: Option<Moment>,
    /// It does not answer for lists of UIDs as for single ones.
    one_by_one: bool,
}

/// What one turn brought to light.
#[derive(Default)]
struct Answers {
    found: Vec<Uid>,
    /// Asked for one by one, and answered to the end without them.
    missing: Vec<Uid>,
    /// In hand when it failed.
    unknown: Vec<Uid>,
    why: Option<String>,
}

/// `title`: who took them; `at`: who is asked.
pub(super) async fn run(commit: Arc<Commit>, title: String, at: Peer, stop: CancellationToken) {
    let mut manner = Manner::default();
    while !stop.is_cancelled() {
        let mut bell = commit.store.bell();
        bell.borrow_and_update();
        let until = match turn(&commit, &title, &at, &mut manner, &stop).await {
            Ok(until) => until,
            Err(error) => {
                tracing::error!(station = "commit", peer = title, %error, "the index cannot be read or written");
                Some(Moment::now().plus(FAULT))
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = bell.changed() => {}
            () = sleep_until(until) => {}
        }
    }
}

/// What is due; when to look again.
async fn turn(
    commit: &Commit,
    title: &str,
    at: &Peer,
    manner: &mut Manner,
    stop: &CancellationToken,
) -> Result<Option<Moment>, StoreError> {
    let (store, now) = (&commit.store, Moment::now());
    let longest = commit.config.deliver.longest_pause;
    // A longer rest is none: the clock was set back since.
    if let Some(until) = manner.rests_until
        && (until > now && until.since(now) <= longest)
    {
        return Ok(Some(until));
    }
    let due = store.next_sought(title).await?;
    if due.is_none_or(|due| due > now) {
        return Ok(due);
    }
    let sought = store.sought(title, now, BATCH).await?;
    let asking = ask(commit, at, manner, &sought);
    let answers = tokio::select! {
        answers = asking => answers,
        () = stop.cancelled() => return Ok(None),
    };
    settle(commit, title, manner, &sought, answers).await?;
    match manner.rests_until {
        Some(until) => Ok(Some(until)),
        None => store.next_sought(title).await,
    }
}

async fn settle(
    commit: &Commit,
    title: &str,
    manner: &mut Manner,
    sought: &[Sought],
    answers: Answers,
) -> Result<(), StoreError> {
    let (store, config, now) = (&commit.store, &commit.config.deliver, Moment::now());
    let Answers { found, missing, unknown, why } = answers;
    if !found.is_empty() {
        let found = store.found(title, &found, now).await?.proven;
        tracing::info!(station = "commit", peer = title, found, "the peer has what it took");
    }
    if !missing.is_empty() {
        let before = sought.iter().filter(|one| missing.contains(&one.sop_instance));
        let before = before.map(|one| one.not_found).max().unwrap_or_default();
        let again = now.plus(crate::deliver::pause(config, before.saturating_add(1)));
        let settled = store.not_found(title, &missing, now, config.find, again).await?;
        tell(store, title, &settled, "it does not find them").await;
    }
    let Some(why) = why else {
        (manner.failures, manner.rests_until) = (0, None);
        return Ok(());
    };
    manner.failures = manner.failures.saturating_add(1);
    let pause = crate::deliver::pause(config, manner.failures);
    tracing::warn!(station = "commit", peer = title, why, "what it took could not be sought");
    // What was in hand comes behind the others, so that one over which a peer falls does not hide them.
    store.not_sought(title, &unknown, &why, now.plus(pause * 2)).await?;
    manner.rests_until = Some(now.plus(pause));
    Ok(())
}

async fn ask(commit: &Commit, at: &Peer, manner: &mut Manner, sought: &[Sought]) -> Answers {
    let mut answers = Answers::default();
    let mut association = match commit.open(at, STUDY_ROOT_FIND, false).await {
        Ok(association) => association,
        Err(why) => {
            answers.unknown = sought.iter().map(|one| one.sop_instance.clone()).collect();
            answers.why = Some(format!("C-FIND: {why}"));
            return answers;
        }
    };
    let of_series = sought.chunk_by(|a, b| (&a.study, &a.series) == (&b.study, &b.series));
    for some in of_series.flat_map(|series| series.chunks(LIST)) {
        let (Some(first), instances) = (some.first(), uids(some)) else { continue };
        let mut asking = Asking { commit, at, association: &mut association, of: first };
        if asking.series(manner, &instances, &mut answers).await.is_err() {
            return answers;
        }
    }
    association.release().await;
    answers
}

fn uids(sought: &[Sought]) -> Vec<Uid> {
    sought.iter().map(|one| one.sop_instance.clone()).collect()
}

/// The association is over.
struct Over;

/// Images of one series over an association.
struct Asking<'a> {
    commit: &'a Commit,
    at: &'a Peer,
    association: &'a mut Association,
    of: &'a Sought,
}

impl Asking<'_> {
    /// As a list first. What a list does not bring is asked for by itself, as some peers do not match lists, or do
    /// not tell all matches.
    async fn series(
        &mut self,
        manner: &mut Manner,
        instances: &[Uid],
        answers: &mut Answers,
    ) -> Result<(), Over> {
        let mut rest = instances.to_vec();
        if rest.len() > 1 && !manner.one_by_one {
            match self.query(&rest, answers).await {
                Err(Over) => {
                    manner.one_by_one = true;
                    return Err(Over);
                }
                Ok(Matches { status: status::SUCCESS, found }) => {
                    rest.retain(|uid| !found.contains(uid));
                    answers.found.extend(found);
                }
                Ok(_) => manner.one_by_one = true,
            }
        }
        for uid in rest {
            let one = std::slice::from_ref(&uid);
            match self.query(one, answers).await? {
                Matches { status: status::SUCCESS, found } if found.is_empty() => {
                    answers.missing.push(uid);
                }
                Matches { status: status::SUCCESS, .. } => {
                    manner.one_by_one |= instances.len() > 1;
                    answers.found.push(uid);
                }
                Matches { status, .. } => {
                    answers.why = Some(format!("C-FIND: {status:04X}: {}", find::meaning(status)));
                    answers.unknown.push(uid);
                }
            }
        }
        Ok(())
    }

    async fn query(&mut self, instances: &[Uid], answers: &mut Answers) -> Result<Matches, Over> {
        let query = ImageQuery { study: &self.of.study, series: &self.of.series, instances };
        let matches = self.association.find_images(&query).await;
        self.tell(&query, matches.as_ref().is_ok_and(|one| one.status == status::SUCCESS));
        matches.map_err(|error| {
            answers.unknown.extend_from_slice(instances);
            answers.why = Some(format!("C-FIND: {error}"));
            Over
        })
    }

    fn tell(&self, query: &ImageQuery<'_>, is_answered: bool) {
        let [syntax, ..] = &transcode::uncompressed()[..] else { return };
        let address = self.association.peer().map(|at| at.ip());
        let to = Somebody { title: self.at.ae_title.to_string(), address };
        self.commit.audit.tell(|this| {
            let identifier = query.identifier(syntax).unwrap_or_default();
            events::queried(this, &to, STUDY_ROOT_FIND, (&identifier, syntax), is_answered)
        });
    }
}
