//! What one selection of a rule takes of the images that the rule sees, and why it takes nothing.

use super::bits::Bits;
use super::columns::{Answer, Columns};
use super::judge::ImageFacts;
use super::rule::{On, Rule, Selection, Series};
use super::seen::Seen;
use super::select::Condition;
use super::trace::{ConditionTrace, Fate, Fates};
use gantry_terms::uid::Uid;
use std::rc::Rc;

/// Conditions and series that a reason names.
const NAMED: usize = 3;
/// The key by which a case names that what fits are results of algorithms.
const RESULTS: &str = "results";

pub(super) struct Pick<'c> {
    selection: &'c Selection,
    sieve: Sieve<'c>,
    pub(super) taken: Result<Taken, Skip>,
    /// Fitting images of series that `require` does not want, or that were not taken.
    unfit: Bits,
    other_series: Bits,
    required: Vec<ConditionTrace>,
}

/// The images that a selection takes.
pub(super) struct Taken {
    pub(super) images: Bits,
    /// For a reason: `120 images of series 1.2.3`.
    pub(super) told: String,
}

/// Why a selection takes nothing.
#[derive(Debug, Clone)]
pub(super) struct Skip {
    pub(super) text: String,
    /// The facts and keywords that decided.
    pub(super) because: Vec<String>,
}

/// The images that are left before the first condition and after each one, and, last, without results of algorithms that are
/// not asked for.
struct Sieve<'c> {
    selection: &'c Selection,
    left: Vec<Bits>,
}

/// What the images are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A model: it gets no results of algorithms for which the selection does not ask.
    Model,
    /// To be forwarded, or kept from other rules.
    Other,
}

/// What `require` says of some images.
struct Checked {
    skip: Option<Skip>,
    traces: Vec<ConditionTrace>,
}

/// The selected images of one series.
struct Candidate<'c> {
    series: &'c Uid,
    images: Bits,
    checked: Checked,
}

impl<'c> Pick<'c> {
    pub(super) fn of(
        rule: &Rule,
        selection: &'c Selection,
        columns: &Columns<'c>,
        seen: &Seen,
        purpose: Purpose,
    ) -> Self {
        let answers: Vec<_> =
            selection.conditions.iter().map(|condition| columns.answer(condition)).collect();
        let mut sieve = Sieve::of(selection, &answers, &seen.images);
        if purpose == Purpose::Model {
            sieve.leave_out(&columns.not_asked_for(&selection.conditions, sieve.selected()));
        }
        let none = Bits::none(columns.images().len());
        let mut pick = Self {
            selection,
            taken: Err(Skip::new(String::new(), &[])),
            unfit: none.clone(),
            other_series: none,
            required: Vec::new(),
            sieve,
        };
        match selection.series {
            _ if rule.on != On::Study => pick.take_all(rule.on, columns),
            Series::All => pick.take_all(rule.on, columns),
            _ if pick.sieve.selected().is_empty() => pick.take_all(rule.on, columns),
            choice => pick.take_one_series(choice, columns),
        }
        pick
    }

    /// How many of what fits are left out as results of algorithms.
    pub(super) fn told_results(&self) -> Option<String> {
        self.sieve.told_results()
    }

    pub(super) fn name(&self) -> Option<&'c str> {
        self.selection.name.as_deref()
    }

    /// Whatever fits, if it is as `require` wants it together.
    fn take_all(&mut self, on: On, columns: &Columns<'c>) {
        let checked = self.sieve.check(columns);
        self.required = checked.traces;
        let images = self.sieve.selected();
        self.taken = match checked.skip {
            None => Ok(Taken {
                told: told(on, images, columns, self.sieve.seen()),
                images: images.clone(),
            }),
            Some(skip) => {
                self.unfit = images.clone();
                Err(skip)
            }
        };
    }

    fn take_one_series(&mut self, choice: Series, columns: &Columns<'c>) {
        let candidates = self.candidates(columns);
        let (fit, unfit): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| candidate.checked.skip.is_none());
        let all = |candidates: &[Candidate]| {
            let none = Bits::none(columns.images().len());
            candidates.iter().fold(none, |all, candidate| all.or(&candidate.images))
        };
        self.unfit = all(&unfit);
        let nearest = most(&unfit);
        let chosen = match choice {
            Series::Only => fit.first().filter(|_| fit.len() == 1),
            Series::First => fit.first(),
            Series::Last => fit.last(),
            Series::MostImages | Series::All => most(&fit),
        };
        self.required =
            chosen.or(nearest).map(|one| one.checked.traces.clone()).unwrap_or_default();
        self.required.push(choice.trace(fit.len(), chosen.map(|one| one.images.count())));
        match chosen {
            Some(one) => {
                self.other_series = all(&fit).minus(&one.images);
                let told = format!("{} of series {}", counted(one.images.count()), one.series);
                self.taken = Ok(Taken { images: one.images.clone(), told });
            }
            None => {
                self.unfit = self.sieve.selected().clone();
                self.taken = Err(if fit.is_empty() {
                    none_fits(&unfit)
                } else {
                    several_fit(&fit, self.name())
                });
            }
        }
    }

    fn candidates(&self, columns: &Columns<'c>) -> Vec<Candidate<'c>> {
        let series = columns.series(self.sieve.seen());
        let parts = series.into_iter().map(|(series, images)| {
            let part = self.sieve.within(&images);
            (series, part)
        });
        let parts = parts.filter(|(_, part)| !part.selected().is_empty());
        let candidate = |(series, part): (&'c Uid, Sieve<'c>)| Candidate {
            series,
            images: part.selected().clone(),
            checked: part.check(columns),
        };
        parts.map(candidate).collect()
    }

    /// One for each image that was given, whoever made it.
    pub(super) fn fates(&self, images: &[ImageFacts]) -> Fates {
        let excluded = (0..self.sieve.conditions().len())
            .map(|at| (self.sieve.excluded(at), u16::try_from(at).unwrap_or(u16::MAX)));
        // What comes first holds.
        let mut sets = vec![
            (self.other_series.clone(), Fate::OtherSeries),
            (self.unfit.clone(), Fate::Unfit),
            (self.sieve.selected().clone(), Fate::Selected),
            (self.sieve.results(), Fate::Result),
        ];
        sets.extend(excluded.map(|(images, at)| (images, Fate::Condition(at))));
        let other = |at: usize| if images[at].made_here { Fate::Made } else { Fate::Stopped };
        Fates::by_sets(images.len(), &sets, other)
    }

    pub(super) fn traces(&self, columns: &Columns<'c>) -> Vec<ConditionTrace> {
        let conditions = self.selection.conditions.iter();
        let selects = conditions.zip(&self.sieve.left[1..]).map(|(condition, left)| {
            let trace = columns.trace(condition, self.sieve.seen());
            ConditionTrace { left: Some(left.count()), ..trace }
        });
        let results = self.sieve.results_trace();
        let traces = selects.chain(results).chain(self.required.iter().cloned());
        let name = || self.selection.name.clone();
        traces.map(|trace| ConditionTrace { selection: name(), ..trace }).collect()
    }
}

impl<'c> Sieve<'c> {
    fn of(selection: &'c Selection, answers: &[Rc<Answer>], seen: &Bits) -> Self {
        let mut left = Vec::with_capacity(answers.len() + 1);
        left.push(seen.clone());
        for (at, answer) in answers.iter().enumerate() {
            left.push(left[at].and(&answer.fits));
        }
        left.push(left[answers.len()].clone());
        Self { selection, left }
    }

    /// The last step.
    fn leave_out(&mut self, results: &Bits) {
        let at = self.conditions().len();
        self.left[at + 1] = self.left[at].minus(results);
    }

    /// What fits all conditions and is left out.
    fn results(&self) -> Bits {
        self.excluded(self.conditions().len())
    }

    fn results_trace(&self) -> Option<ConditionTrace> {
        let (left, of) = (self.selected().count(), self.left[self.conditions().len()].count());
        let wanted = "those that the rule asks for, for its model".into();
        let trace = ConditionTrace::select(RESULTS.into(), wanted, left, of);
        (left < of).then_some(ConditionTrace { left: Some(left), ..trace })
    }

    /// How many are left out, in the words of a reason.
    fn told_results(&self) -> Option<String> {
        let count = self.results().count();
        (count > 0).then(|| match count {
            1 => "1 is a result of an algorithm".to_string(),
            _ => format!("{count} are results of algorithms"),
        })
    }

    /// The same for a part of the images.
    fn within(&self, part: &Bits) -> Self {
        let left = self.left.iter().map(|left| left.and(part)).collect();
        Self { selection: self.selection, left }
    }

    fn seen(&self) -> &Bits {
        &self.left[0]
    }

    fn selected(&self) -> &Bits {
        &self.left[self.left.len() - 1]
    }

    fn excluded(&self, at: usize) -> Bits {
        self.left[at].minus(&self.left[at + 1])
    }

    fn conditions(&self) -> &'c [Condition] {
        &self.selection.conditions
    }

    fn check(&self, columns: &Columns<'c>) -> Checked {
        let require = &self.selection.require;
        let selected = self.selected();
        let count = selected.count();
        let facts: Vec<_> =
            require.facts.iter().map(|fact| (fact, fact.check(columns, selected))).collect();
        let skip = self.too_few(columns).or_else(|| self.too_many()).or_else(|| {
            facts.iter().find_map(|(fact, found)| {
                let why = found.as_ref().err()?;
                Some(Skip::new(format!("{}: {why}", fact.key), &[fact.key]))
            })
        });
        let images = require.images.iter().map(|wanted| wanted.trace(count));
        let facts = facts.iter().map(|(fact, found)| fact.trace(found, count));
        Checked { skip, traces: images.chain(facts).collect() }
    }

    /// The decisive condition is the first that leaves fewer images than are wanted; where there were
    /// too few from the start, the one that leaves none.
    fn too_few(&self, columns: &Columns<'c>) -> Option<Skip> {
        let min = self.selection.require.images.as_ref().map(|images| images.min);
        let selected = self.selected().count();
        if selected >= min.unwrap_or(1) {
            return None;
        }
        let enough = min.filter(|min| *min <= self.seen().count()).unwrap_or(1);
        let decisive = (0..self.conditions().len()).find(|at| self.left[at + 1].count() < enough);
        let results = self
            .told_results()
            .map(|told| format!("{told}, and the rule does not ask for such for its model"));
        let Some(min) = min else {
            let Some(at) = decisive else {
                return results
                    .map(|told| Skip::new(format!("{RESULTS}: of what fits {told}"), &[RESULTS]));
            };
            let key = &self.conditions()[at].key;
            let contrast = self.conditions()[at].contrast(columns, &self.left[at]);
            return Some(Skip::new(format!("no image matches {key} ({contrast})"), &[key]));
        };
        let mut because = vec!["images"];
        because.extend(decisive.map(|at| self.conditions()[at].key.as_ref()));
        because.extend(results.as_ref().map(|_| RESULTS));
        let results = results.map(|told| format!("; of what fits {told}")).unwrap_or_default();
        let text = format!("images: {selected} selected, at least {min} wanted");
        Some(Skip::new(text + &results + &self.exclusions(columns, decisive), &because))
    }

    /// Which conditions excluded how many, the decisive one first.
    fn exclusions(&self, columns: &Columns<'c>, decisive: Option<usize>) -> String {
        let others = (0..self.conditions().len()).filter(|at| Some(*at) != decisive);
        let all = decisive.into_iter().chain(others).map(|at| (at, self.excluded(at)));
        let texts =
            all.filter(|(_, excluded)| !excluded.is_empty()).take(NAMED).map(|(at, excluded)| {
                let condition = &self.conditions()[at];
                let contrast = condition.contrast(columns, &excluded);
                format!("; {} excluded {} ({contrast})", condition.key, excluded.count())
            });
        texts.collect()
    }

    fn too_many(&self) -> Option<Skip> {
        let max = self.selection.require.images.as_ref()?.max;
        let selected = self.selected().count();
        let text = format!("images: {selected} selected, at most {max} wanted");
        (selected > max).then(|| Skip::new(text, &["images"]))
    }
}

impl Skip {
    pub(super) fn new(text: String, because: &[&str]) -> Self {
        Self { text, because: because.iter().map(|key| key.to_string()).collect() }
    }
}

/// Of series with equally many images the one whose first image came first.
fn most<'s, 'c>(candidates: &'s [Candidate<'c>]) -> Option<&'s Candidate<'c>> {
    candidates.iter().rev().max_by_key(|candidate| candidate.images.count())
}

fn none_fits(unfit: &[Candidate]) -> Skip {
    let mut because: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    for (candidate, skip) in unfit.iter().filter_map(|one| Some((one, one.checked.skip.as_ref()?)))
    {
        texts.push(format!("series {}: {}", candidate.series, skip.text));
        for key in skip.because.iter().filter(|key| !because.contains(key)).collect::<Vec<_>>() {
            because.push(key.clone());
        }
    }
    Skip { text: named(&texts, "; "), because }
}

fn several_fit(fit: &[Candidate], name: Option<&str>) -> Skip {
    let mut texts: Vec<String> = Vec::new();
    for candidate in fit {
        let images = candidate.images.count();
        texts.push(match texts.is_empty() {
            true => format!("{} with {}", candidate.series, counted(images)),
            false => format!("{} with {images}", candidate.series),
        });
    }
    let key = name.map_or("require.series".to_string(), |name| format!("require.{name}.series"));
    let text = format!(
        "{} series fit, one wanted (series {}); say which by {key}",
        fit.len(),
        named(&texts, ", ")
    );
    Skip::new(text, &["series"])
}

/// The first few of a list, and how many are left out.
fn named(texts: &[String], between: &str) -> String {
    let more = texts.len().saturating_sub(NAMED);
    let mut named: Vec<String> = texts.iter().take(NAMED).cloned().collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(between)
}

fn told(on: On, images: &Bits, columns: &Columns, seen: &Bits) -> String {
    let count = images.count();
    match on {
        On::Instance => format!("{count} of {}", counted(seen.count())),
        On::Series => counted(count),
        On::Study => match columns.series(images).as_slice() {
            [(series, _)] => format!("{} of series {series}", counted(count)),
            several => format!("{} of {} series", counted(count), several.len()),
        },
    }
}

fn counted(images: usize) -> String {
    format!("{images} {}", if images == 1 { "image" } else { "images" })
}
