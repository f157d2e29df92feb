//! Judges what was decided lately by other rules: page by page from the index, on all processors.

use crate::backtest::{Before, Case, Report};
use crate::facts::{self, Peers};
use crate::rules::{On, RuleSet};
use gantry_store::backtest::LatestDecision;
use gantry_store::decisions::Level;
use gantry_store::error::StoreError;
use gantry_store::images::SeriesImages;
use gantry_store::incoming::Origin;
use gantry_store::reader::Reader;
use gantry_store::series::{SeriesRow, SeriesState};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::slice;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The rules to try, and on what.
pub struct Retell {
    pub reader: Reader,
    pub rules: Arc<RuleSet>,
    pub peers: Peers,
    /// How many examples of a change are told.
    pub examples: usize,
}

/// Series that are read at a time.
const PAGE: u32 = 500;
/// Images that are read at a time, but for a series or a study that has more.
const IMAGES: u32 = 10_000;
/// Studies that are read at a time.
const STUDIES: usize = 20;

/// Pages that are judged while the next is read; what they find is joined in their order.
struct Judging {
    report: Report,
    under_way: VecDeque<JoinHandle<Report>>,
    most: usize,
}

impl Judging {
    fn new(examples: usize) -> Self {
        let most = std::thread::available_parallelism().map_or(2, usize::from);
        Self { report: Report::new(examples), under_way: VecDeque::new(), most }
    }

    async fn begin(&mut self, page: impl FnOnce() -> Report + Send + 'static) {
        if self.under_way.len() >= self.most {
            self.join_first().await;
        }
        self.under_way.push_back(tokio::task::spawn_blocking(page));
    }

    async fn join_first(&mut self) {
        let Some(page) = self.under_way.pop_front() else { return };
        match page.await {
            Ok(report) => self.report.join(report),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    async fn end(mut self) -> Report {
        while !self.under_way.is_empty() {
            self.join_first().await;
        }
        self.report
    }
}

impl Retell {
    /// Judges each series that was decided since then, and its study where a rule is on studies.
    /// `told` hears how many series have been read.
    pub async fn run(
        &self,
        since: Moment,
        mut told: impl FnMut(u64),
    ) -> Result<Report, StoreError> {
        let mut judging = Judging::new(self.examples);
        let mut studies: BTreeSet<Uid> = BTreeSet::new();
        let (mut after, mut done, begun) = (None, 0, Moment::now());
        loop {
            let page = self.reader.series_for_backtest(since, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.decided_at, last.series.uid.clone()));
            done += page.len() as u64;
            // What a running node decides meanwhile would come again.
            let until_now = page.into_iter().filter(|decided| decided.decided_at <= begun);
            let (as_decided, grown): (Vec<_>, Vec<_>) = until_now
                .map(|decided| decided.series)
                .partition(|series| series.state == SeriesState::Decided);
            judging.report.left_out += grown.len() as u64;
            studies.extend(as_decided.iter().map(|series| series.study.clone()));
            for series in by_images(as_decided) {
                self.series(&mut judging, &series).await?;
            }
            told(done);
        }
        if self.asks_of_studies().await? {
            self.studies(&mut judging, studies).await?;
        }
        Ok(judging.end().await)
    }

    /// Whether a rule on studies is there, or was.
    async fn asks_of_studies(&self) -> Result<bool, StoreError> {
        let is_there = self.rules.rules().iter().any(|rule| rule.on == On::Study);
        Ok(is_there || self.reader.has_study_decisions().await?)
    }

    async fn series(&self, judging: &mut Judging, series: &[Uid]) -> Result<(), StoreError> {
        let before = self.reader.latest_decisions(series).await?;
        let images = self.reader.images_of_series(series).await?;
        let (rules, peers, examples) = (self.rules.clone(), self.peers.clone(), self.examples);
        judging.begin(move || judge_series(&rules, &peers, &images, &before, examples)).await;
        Ok(())
    }

    async fn studies(
        &self,
        judging: &mut Judging,
        studies: BTreeSet<Uid>,
    ) -> Result<(), StoreError> {
        let asked: Vec<Uid> = studies.into_iter().collect();
        let studies = self.reader.studies_decided(&asked).await?;
        judging.report.left_out += (asked.len() - studies.len()) as u64;
        for page in studies.chunks(STUDIES) {
            let before = self.reader.latest_study_decisions(page).await?;
            let mut of_studies = Vec::with_capacity(page.len());
            for study in page {
                of_studies.push((study.clone(), self.reader.study_images(study).await?));
            }
            let (rules, peers, examples) = (self.rules.clone(), self.peers.clone(), self.examples);
            judging
                .begin(move || judge_studies(&rules, &peers, &of_studies, &before, examples))
                .await;
        }
        Ok(())
    }
}

/// Parts of a page that do not hold too many images together.
fn by_images(page: Vec<SeriesRow>) -> Vec<Vec<Uid>> {
    let mut parts: Vec<Vec<Uid>> = Vec::new();
    let mut room = 0;
    for series in page {
        if series.instances > room {
            parts.push(Vec::new());
            room = IMAGES;
        }
        room = room.saturating_sub(series.instances);
        if let Some(part) = parts.last_mut() {
            part.push(series.uid);
        }
    }
    parts
}

fn judge_series(
    rules: &RuleSet,
    peers: &Peers,
    page: &[SeriesImages],
    before: &BTreeMap<Uid, Vec<LatestDecision>>,
    examples: usize,
) -> Report {
    let mut report = Report::new(examples);
    for series in page {
        let one = slice::from_ref(series);
        let now = rules.judge(&facts::of_series(one, peers));
        let case = case(&series.series, one);
        report.series += 1;
        report.images += case.images as u64;
        report.add(case, &told_before(before.get(&series.series)), &now, &bytes(one));
    }
    report
}

fn judge_studies(
    rules: &RuleSet,
    peers: &Peers,
    page: &[(Uid, Vec<SeriesImages>)],
    before: &BTreeMap<Uid, Vec<LatestDecision>>,
    examples: usize,
) -> Report {
    let mut report = Report::new(examples);
    for (study, series) in page {
        let now = rules.judge_study(&facts::of_series(series, peers));
        report.studies += 1;
        report.add(case(study, series), &told_before(before.get(study)), &now, &bytes(series));
    }
    report
}

fn case<'a>(uid: &'a Uid, series: &[SeriesImages]) -> Case<'a> {
    let images = || {
        let all = series.iter().flat_map(|series| &series.images);
        all.filter(|image| image.identity.origin == Origin::Received)
    };
    let arrival = images().map(|image| image.identity.arrival).max();
    Case { uid, arrival: arrival.unwrap_or(Moment(0)), images: images().count() }
}

/// Lengths of the images, looked for only where something forwards them.
fn bytes(series: &[SeriesImages]) -> impl Fn(&BTreeSet<usize>) -> u64 {
    move |wanted| {
        let images = series.iter().flat_map(|series| &series.images).enumerate();
        images.filter(|(at, _)| wanted.contains(at)).map(|(_, image)| image.bytes).sum()
    }
}

fn told_before(decisions: Option<&Vec<LatestDecision>>) -> Vec<Before> {
    let before = |decision: &LatestDecision| Before {
        rule: decision.rule.clone(),
        on: match decision.level {
            Level::Instance => On::Instance,
            Level::Series => On::Series,
            Level::Study => On::Study,
        },
        runs: decision.runs,
        model: decision.model.clone(),
        send_to: decision.send_to.clone(),
        forwards: decision.forwards.clone(),
        fates: decision.fates.clone(),
    };
    decisions.into_iter().flatten().map(before).collect()
}
