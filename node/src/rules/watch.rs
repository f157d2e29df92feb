//! Watches the rules folder of a running node: what is changed and sound takes the place of all rules, what is broken does not.

use super::folder::{OnDisk, is_rolling_back, rolled_back_halfway};
use super::{kept, rollback, short};
use crate::audit::{Audit, code, events};
use crate::models::watch::WorldNow;
use gantry_routing::in_force::InForce;
use gantry_routing::rules::{RuleSet, World};
use gantry_store::error::StoreError;
use gantry_store::events::Event;
use gantry_store::rule_sets::Cause;
use gantry_store::store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Why by looking again and again: docs/decisions/0014.
const EVERY: Duration = Duration::from_secs(2);
/// So many looks in a row must see the same bytes: an editor may be in the middle of writing.
const STEADY: u32 = 2;
/// A file that is gone may be on its way back, when a program takes it away before it writes it anew.
const STEADY_WITHOUT_A_FILE: u32 = 5;

/// So many looks in a row.
const TOO_LONG_FOR_A_ROLLBACK: u32 = 5;

/// What the watch works with.
pub struct Watch {
    pub store: Store,
    pub in_force: InForce,
    pub folder: PathBuf,
    pub world: WorldNow,
    pub audit: Audit,
}

/// What was seen, or why nothing can be.
type Look = Result<OnDisk, String>;

impl Watch {
    /// Runs until told to stop. What was refused is judged again when other models work: it may have named
    /// one of these.
    pub async fn run(self, stop: CancellationToken) {
        let mut judged: Look = Ok(OnDisk::of(&self.in_force.now()));
        let mut refused_in: Option<Arc<World>> = None;
        let mut seen = (judged.clone(), 0);
        let mut halfway = 0;
        loop {
            let look = tokio::select! {
                () = stop.cancelled() => return,
                look = self.look() => look,
            };
            let Some(look) = look else {
                halfway += 1;
                seen.1 = 0;
                self.tell_halfway(halfway);
                continue;
            };
            halfway = 0;
            let times = if seen.0 == look { seen.1 + 1 } else { 1 };
            seen = (look, times);
            let world = self.world.now();
            let stands = refused_in.as_ref().is_none_or(|before| Arc::ptr_eq(before, &world));
            if seen.0 == judged && stands || times < self.wanted(&seen.0) {
                continue;
            }
            match self.act(&seen.0).await {
                Ok(refused) => (judged, refused_in) = (seen.0.clone(), refused),
                Err(error) => {
                    tracing::error!(station = "decide", %error, "changed rules cannot be taken down; trying again");
                }
            }
        }
    }

    /// A folder on a network may take its time; then the node stops without it. Nothing while a rollback
    /// is under way. One that begins and ends within a look is seen by the next.
    async fn look(&self) -> Option<Look> {
        tokio::time::sleep(EVERY).await;
        let folder = self.folder.clone();
        let look = move || {
            let seen = OnDisk::look(&folder);
            (!is_rolling_back(&folder)).then_some(seen)
        };
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_else(|_| Some(Err("the rules folder could not be looked at".into())))
    }

    /// Once, when it takes longer than any rollback.
    fn tell_halfway(&self, looks: u32) {
        if looks == TOO_LONG_FOR_A_ROLLBACK
            && let Some(halfway) = rolled_back_halfway(&self.folder)
        {
            tracing::error!(
                station = "decide",
                "{halfway}; no change of rules is taken until then"
            );
        }
    }

    fn wanted(&self, look: &Look) -> u32 {
        let rules = self.in_force.now();
        let here = |name: String| look.as_ref().is_ok_and(|seen| seen.bytes(&name).is_some());
        let all_here = rules.files().iter().all(|file| here(file.name()));
        if all_here { STEADY } else { STEADY_WITHOUT_A_FILE }
    }

    /// Takes them, or says in what world they were refused.
    async fn act(&self, look: &Look) -> Result<Option<Arc<World>>, StoreError> {
        let _changing = self.world.changing().await;
        let world = self.world.now();
        match self.judge(look, world.clone()).await {
            Ok(rules) => self.take(rules).await.map(|()| None),
            Err(problems) => self.refuse(&problems).await.map(|()| Some(world)),
        }
    }

    /// The rules, or each problem in a line.
    async fn judge(&self, look: &Look, world: Arc<World>) -> Result<RuleSet, Vec<String>> {
        let seen = look.as_ref().map_err(|fault| vec![in_a_line(fault)])?;
        if seen.is_empty() {
            let folder = self.folder.display();
            return Err(vec![format!("{folder} holds no file of rules any more")]);
        }
        let files = seen.texts()?;
        let read = tokio::task::spawn_blocking(move || RuleSet::parse(files, &world)).await;
        match read {
            Ok(Ok(rules)) => Ok(rules),
            Ok(Err(problems)) => Err(problems.iter().map(|problem| problem.in_a_line()).collect()),
            Err(_) => Err(vec!["the rules could not be checked".into()]),
        }
    }

    async fn take(&self, rules: RuleSet) -> Result<(), StoreError> {
        let rules = Arc::new(rules);
        let cause = rollback::cause(&self.store.options().folder, rules.digest(), Cause::Reload);
        let changed = changed(&OnDisk::of(&self.in_force.now()), &OnDisk::of(&rules));
        let (digest, count) = (rules.digest(), rules.rules().len());
        let text = format!("{}: {changed}", in_words(&rules));
        // First the row, then the effect: no decision names rules that nobody can read.
        self.store.rules_taken(&kept(&rules), cause, event("rules taken", text.clone())).await?;
        self.audit
            .tell(|this| events::configured(this, code::SOFTWARE_CONFIGURATION, "rules", &text));
        self.in_force.replace(rules.clone());
        let warnings = rules.warnings().len();
        tracing::info!(
            station = "decide",
            digest,
            rules = count,
            warnings,
            cause = cause.as_str(),
            changed,
            "rules taken"
        );
        rollback::done(&self.store.options().folder);
        Ok(())
    }

    async fn refuse(&self, problems: &[String]) -> Result<(), StoreError> {
        let (first, more) =
            (problems.first().map_or("", String::as_str), problems.len().saturating_sub(1));
        let in_force = self.in_force.now();
        let more_text = if more > 0 { format!(", and {more} more") } else { String::new() };
        let text = format!(
            "changed rules are broken: {first}{more_text}; the last good ones, {}, stay in force",
            short(in_force.digest())
        );
        self.store.rules_refused(problems, event("rules refused", text)).await?;
        for problem in problems {
            tracing::error!(
                station = "decide",
                problem,
                in_force = in_force.digest(),
                "changed rules are broken; the last good ones stay in force"
            );
        }
        Ok(())
    }
}

/// Takes down what a start begins with. No news when it is what was in force before.
pub async fn started(store: &Store, rules: &RuleSet) -> Result<(), StoreError> {
    let cause = rollback::cause(&store.options().folder, rules.digest(), Cause::Start);
    let event = event("rules taken", in_words(rules));
    store.rules_taken(&kept(rules), cause, event).await?;
    rollback::done(&store.options().folder);
    tracing::info!(
        station = "decide",
        digest = rules.digest(),
        rules = rules.rules().len(),
        "rules in force"
    );
    Ok(())
}

fn in_words(rules: &RuleSet) -> String {
    let (count, files) = (rules.rules().len(), rules.files().len());
    format!("{count} rules of {files} files are in force, digest {}", short(rules.digest()))
}

/// Which files are others than before.
fn changed(before: &OnDisk, after: &OnDisk) -> String {
    let of_now = after.names().filter_map(|name| match before.bytes(name) {
        None => Some(format!("{name} is new")),
        Some(bytes) if Some(bytes) != after.bytes(name) => Some(format!("{name} changed")),
        Some(_) => None,
    });
    let gone = before.names().filter(|name| after.bytes(name).is_none());
    let all: Vec<String> = of_now.chain(gone.map(|name| format!("{name} is gone"))).collect();
    if all.is_empty() { "the same files as before".into() } else { all.join(", ") }
}

fn event(kind: &str, text: String) -> Event {
    Event { station: "decide".into(), kind: kind.into(), subject: None, text }
}

fn in_a_line(fault: &str) -> String {
    fault.split("\n  help:").next().unwrap_or(fault).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_names_the_files_that_are_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        let look = || OnDisk::look(folder.path()).expect("read");
        write("a.toml", "1");
        write("b.toml", "1");
        let before = look();
        assert_eq!(changed(&before, &look()), "the same files as before");
        write("a.toml", "2");
        write("c.toml", "1");
        std::fs::remove_file(folder.path().join("b.toml")).expect("removed");
        assert_eq!(changed(&before, &look()), "a.toml changed, c.toml is new, b.toml is gone");
    }
}
