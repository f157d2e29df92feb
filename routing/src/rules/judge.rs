//! Rules and the images of one series or one study: which they select, whether they run, and why.

use super::bits::Bits;
use super::columns::Columns;
use super::pick::{Pick, Purpose, Skip};
use super::places::Places;
use super::rule::{On, Rule};
use super::seen::Seen;
use super::then::Then;
use super::trace::{ConditionTrace, Fate, Fates};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Layered;
use gantry_terms::uid::Uid;
use std::slice;
use std::sync::Arc;

/// What a rule may know of one image.
#[derive(Debug, Clone, Copy)]
pub struct ImageFacts<'a> {
    pub sop_instance: &'a Uid,
    pub sop_class: &'a Uid,
    pub transfer_syntax: &'a Uid,
    pub calling_ae: &'a AeTitle,
    pub called_ae: &'a AeTitle,
    /// The `[[peer]]` of the configuration that sent it; none for a stranger.
    pub peer: Option<&'a AeTitle>,
    pub series: &'a Uid,
    pub arrived: Arrived,
    pub header: Layered<'a>,
    /// This node made it: no rule selects it, so that results never start a job.
    pub made_here: bool,
}

/// When an image came, by the clock on the hospital's wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Seconds since midnight, local time.
    pub second: u32,
    /// Local time: 0 is Monday.
    pub weekday: u8,
    /// 1 for the first image of its series that came.
    pub order: u32,
}

/// What one rule says of one series, or of one study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub rule: String,
    pub on: On,
    /// Of a rule on instances: some image of the series runs.
    pub runs: bool,
    /// A sentence that begins with `runs: ` or `skipped: ` and holds nothing of the patient.
    pub reason: String,
    /// Of a skipped rule: the facts and keywords that decided, as a case names them
    /// (`skipped: images`).
    pub because: Vec<String>,
    /// One for each selection of the rule; empty when the rule is skipped.
    pub selected: Vec<Selected>,
    /// The same less results of algorithms for which the rule does not ask; empty when its model does not run, or it has none.
    pub for_model: Vec<Selected>,
    /// What became of each image, for each selection of the rule, skipped or not.
    pub fates: Vec<Fates>,
    pub conditions: Vec<ConditionTrace>,
    pub then: Arc<Then>,
}

impl Judgement {
    /// The model that runs.
    pub fn model(&self) -> Option<&str> {
        self.then.run.as_deref().filter(|_| !self.for_model.is_empty())
    }
}

/// The images that a selection took. Of a rule on instances each one stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// As in `[rule.select.NAME]`.
    pub name: Option<String>,
    pub images: Places,
}

/// The key of a rule that another one stopped.
pub(super) const STOPPED: &str = "stopped";

/// What one rule makes of the images that it sees.
struct Outcome<'s, 'c> {
    rule: &'c Rule,
    seen: &'s Seen<'c>,
    picks: Vec<Pick<'c>>,
    /// Where a rule does more with the images than giving them to a model: what the model would get.
    of_model: Option<Vec<Pick<'c>>>,
    /// The rule of its own level whose `stop` ended it.
    stopped_by: Option<&'c str>,
}

/// Judges the images of one series by the rules on instances and on series, in the order of the rules.
pub(super) fn judge<'c>(rules: &'c [Rule], images: &'c [ImageFacts<'c>]) -> Vec<Judgement> {
    let columns = Columns::new(images);
    let received = Seen::received(&columns);
    let rules = rules.iter().filter(|rule| rule.on != On::Study).collect();
    at_one_level(rules, &columns, &received, received.clone())
}

/// Judges one image by the rules that forward as it arrives. Rules with `stop` that look at images or
/// series are asked of it alone.
pub(super) fn judge_arrival<'c>(rules: &'c [Rule], image: &'c ImageFacts<'c>) -> Vec<Judgement> {
    let columns = Columns::new(slice::from_ref(image));
    let received = Seen::received(&columns);
    let mut seen = received.clone();
    for stop in rules.iter().filter(|rule| rule.guards_images()) {
        if let Some(images) = Outcome::of(stop, &columns, &received).taken() {
            seen.stop(&stop.name, images);
        }
    }
    let asked = rules.iter().filter(|rule| rule.then.arrives).collect();
    at_one_level(asked, &columns, &received, seen)
}

/// Judges the images of one study by the rules on studies. They come in the order of their arrival:
/// that of a series' first image is the series' place.
pub(super) fn judge_study<'c>(rules: &'c [Rule], images: &'c [ImageFacts<'c>]) -> Vec<Judgement> {
    let columns = Columns::new(images);
    let received = Seen::received(&columns);
    let on_study: Vec<&Rule> = rules.iter().filter(|rule| rule.on == On::Study).collect();
    let mut seen = received.clone();
    if on_study.iter().any(|rule| !rule.then.stop) {
        for rule in rules.iter().filter(|rule| rule.on != On::Study && rule.then.stop) {
            stop_before(rule, &columns, &received, &mut seen);
        }
    }
    at_one_level(on_study, &columns, &received, seen)
}

/// Takes away what a rule with `stop` on instances or on series keeps from the rules on the study.
fn stop_before<'c>(
    rule: &'c Rule,
    columns: &Columns<'c>,
    received: &Seen<'c>,
    seen: &mut Seen<'c>,
) {
    if rule.on == On::Instance {
        let outcome = Outcome::of(rule, columns, received);
        return outcome.taken().into_iter().for_each(|images| seen.stop(&rule.name, images));
    }
    for (_, images) in columns.series(&received.images) {
        if Outcome::of(rule, columns, &received.part(&images)).runs() {
            seen.stop(&rule.name, &images);
        }
    }
}

/// Rules with `stop` first: they see all that was received, and nothing stops them. Then the others.
fn at_one_level<'c>(
    rules: Vec<&'c Rule>,
    columns: &Columns<'c>,
    received: &Seen<'c>,
    mut seen: Seen<'c>,
) -> Vec<Judgement> {
    let mut judgements: Vec<Option<Judgement>> = rules.iter().map(|_| None).collect();
    let mut stopped_by = None;
    let mut places: Vec<(usize, &Rule)> = rules.into_iter().enumerate().collect();
    for (at, rule) in places.extract_if(.., |(_, rule)| rule.then.stop) {
        let outcome = Outcome::of(rule, columns, received);
        match outcome.taken() {
            Some(images) if rule.on == On::Instance => seen.stop(&rule.name, images),
            _ if outcome.runs() => stopped_by = stopped_by.or(Some(rule.name.as_str())),
            _ => {}
        }
        judgements[at] = Some(outcome.judgement(columns));
    }
    for (at, rule) in places {
        let outcome = Outcome { stopped_by, ..Outcome::of(rule, columns, &seen) };
        judgements[at] = Some(outcome.judgement(columns));
    }
    judgements.into_iter().flatten().collect()
}

impl<'s, 'c> Outcome<'s, 'c> {
    fn of(rule: &'c Rule, columns: &Columns<'c>, seen: &'s Seen<'c>) -> Self {
        let picks = |purpose| {
            let pick = |selection| Pick::of(rule, selection, columns, seen, purpose);
            rule.selections.iter().map(pick).collect::<Vec<_>>()
        };
        let has_model = rule.then.run.is_some();
        let does_more = !rule.then.forward.is_empty() || rule.then.stop;
        let purpose = if has_model && !does_more { Purpose::Model } else { Purpose::Other };
        let of_model = (has_model && does_more).then(|| picks(Purpose::Model));
        Self { rule, seen, picks: picks(purpose), of_model, stopped_by: None }
    }

    fn runs(&self) -> bool {
        let sees_some = !self.seen.images.is_empty();
        sees_some && self.stopped_by.is_none() && self.picks.iter().all(|pick| pick.taken.is_ok())
    }

    /// The images of a rule with one selection, if it runs.
    fn taken(&self) -> Option<&Bits> {
        self.picks.first()?.taken.as_ref().ok().map(|taken| &taken.images)
    }

    fn judgement(self, columns: &Columns<'c>) -> Judgement {
        let skip = self.skip();
        let images = columns.images();
        let selected = if skip.is_none() { taken_by(&self.picks) } else { Vec::new() };
        let for_model = match (&self.rule.then.run, &skip, &self.of_model) {
            (None, ..) | (_, Some(_), _) => Vec::new(),
            (Some(_), None, None) => selected.clone(),
            (Some(_), None, Some(picks)) => taken_by(picks),
        };
        Judgement {
            rule: self.rule.name.clone(),
            on: self.rule.on,
            runs: skip.is_none(),
            selected,
            for_model,
            fates: self.picks.iter().map(|pick| self.fates(pick, images)).collect(),
            conditions: self.picks.iter().flat_map(|pick| pick.traces(columns)).collect(),
            then: self.rule.then.clone(),
            reason: match &skip {
                Some(skip) => format!("skipped: {}", skip.text),
                None => self.reason_to_run(),
            },
            because: skip.map(|skip| skip.because).unwrap_or_default(),
        }
    }

    /// With the whole series or study stopped, no image of it has another fate.
    fn fates(&self, pick: &Pick, images: &[ImageFacts]) -> Fates {
        if self.stopped_by.is_none() {
            return pick.fates(images);
        }
        let fate = |image: &ImageFacts| if image.made_here { Fate::Made } else { Fate::Stopped };
        Fates::of(images.iter().map(fate))
    }

    fn reason_to_run(&self) -> String {
        let picks = self.picks.iter().filter_map(|pick| {
            let told = &pick.taken.as_ref().ok()?.told;
            Some(
                pick.name()
                    .map_or(format!("{told} selected"), |name| format!("{name}: {told} selected")),
            )
        });
        let picks: Vec<String> = picks.collect();
        let stops = match self.rule.on {
            _ if !self.rule.then.stop => "",
            On::Instance => "; stops the rules without stop for them",
            On::Series => "; stops the rules without stop",
            On::Study => "; stops the rules on studies without stop",
        };
        let model = self.told_model();
        format!("runs: {}{stops}{model}{}", picks.join("; "), self.seen.told_stops())
    }

    /// What the model does not get of what is forwarded, and why it does not run.
    fn told_model(&self) -> String {
        let Some(picks) = &self.of_model else { return String::new() };
        let left_out: Vec<String> = picks.iter().filter_map(Pick::told_results).collect();
        if left_out.is_empty() {
            return String::new();
        }
        let told =
            format!("; for the model less what the rule does not ask for: {}", left_out.join(", "));
        match skipped_of(picks) {
            Some(skip) => format!("{told}; the model does not run: {}", skip.text),
            None => told,
        }
    }

    /// Why the rule does not run. What it lacks by itself goes before what stopped it.
    fn skip(&self) -> Option<Skip> {
        if self.seen.images.is_empty() {
            return Some(self.nothing_seen());
        }
        let mut own = skipped_of(&self.picks);
        match (&mut own, self.stopped_by) {
            (None, Some(by)) => {
                return Some(Skip::new(format!("stopped by \"{by}\""), &[STOPPED]));
            }
            (Some(own), Some(by)) => {
                own.text += &format!("; it would be stopped by \"{by}\" too");
                own.because.push(STOPPED.to_string());
            }
            (Some(own), None) => own.text += &self.seen.told_stops(),
            (None, None) => {}
        }
        own
    }

    fn nothing_seen(&self) -> Skip {
        if self.seen.is_stopped() {
            return Skip::new(format!("stopped by {}", self.seen.stoppers()), &[STOPPED]);
        }
        let of = if self.rule.on == On::Study { "study" } else { "series" };
        Skip::new(format!("images: the {of} holds none that was received"), &["images"])
    }
}

/// What each selection took; nothing unless all of them took something.
fn taken_by(picks: &[Pick]) -> Vec<Selected> {
    let selected = picks.iter().map(|pick| {
        let name = pick.name().map(str::to_string);
        Some(Selected { name, images: Places::of(&pick.taken.as_ref().ok()?.images) })
    });
    selected.collect::<Option<_>>().unwrap_or_default()
}

/// Every selection that takes nothing, each with its name.
fn skipped_of(picks: &[Pick]) -> Option<Skip> {
    let mut all: Option<Skip> = None;
    for pick in picks {
        let Err(skip) = &pick.taken else { continue };
        let mut named = skip.clone();
        if let Some(name) = pick.name() {
            named.text = format!("{name}: {}", named.text);
            // `skipped: t1` and `skipped: t1: images` of a case.
            let with_name: Vec<String> =
                named.because.iter().map(|key| format!("{name}: {key}")).collect();
            named.because.insert(0, name.to_string());
            named.because.extend(with_name);
        }
        match &mut all {
            None => all = Some(named),
            Some(all) => {
                all.text += &format!("; {}", named.text);
                let new = named.because.into_iter().filter(|key| !all.because.contains(key));
                let new: Vec<String> = new.collect();
                all.because.extend(new);
            }
        }
    }
    all
}
