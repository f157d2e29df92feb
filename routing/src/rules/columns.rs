//! What rules ask of the images of one judgement, each question once.

use super::algorithms::{self, Sign};
use super::attributes::Attributes;
use super::bits::Bits;
use super::column::{Column, Shown};
use super::evaluate::some_item_fits;
use super::even::{Order, Slice, Stack, frames, plane};
use super::judge::ImageFacts;
use super::question::Question;
use super::select::{Condition, How, Test};
use super::subject::Subject;
use super::trace::ConditionTrace;
use foldhash::HashMap;
use gantry_terms::uid::Uid;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// The images of one judgement, and what its rules have asked of them so far.
pub(super) struct Columns<'c> {
    images: &'c [ImageFacts<'c>],
    attributes: OnceCell<Attributes<'c>>,
    columns: RefCell<HashMap<&'c Subject, Rc<Column>>>,
    /// By what was asked.
    answers: RefCell<HashMap<usize, Rc<Answer>>>,
    /// What a condition makes of these images.
    traces: RefCell<HashMap<(usize, Bits), ConditionTrace>>,
    frames: OnceCell<Vec<u32>>,
    planes: OnceCell<Vec<Option<&'static str>>>,
    slices: OnceCell<Vec<Result<Slice<'c>, &'static str>>>,
    /// Results of algorithms among them, by their places.
    results: OnceCell<Vec<(usize, Sign)>>,
    /// How all of them lie, where they are slices of one way.
    order: OnceCell<Option<Order>>,
    stacks: RefCell<HashMap<Bits, Result<Rc<Stack>, String>>>,
}

/// What a condition says of every image; of a combination also what its groups say.
pub(super) struct Answer {
    pub(super) fits: Bits,
    pub(super) groups: Vec<Bits>,
}

impl<'c> Columns<'c> {
    pub(super) fn new(images: &'c [ImageFacts<'c>]) -> Self {
        Self {
            images,
            attributes: OnceCell::new(),
            columns: RefCell::default(),
            answers: RefCell::default(),
            traces: RefCell::default(),
            frames: OnceCell::new(),
            planes: OnceCell::new(),
            slices: OnceCell::new(),
            results: OnceCell::new(),
            order: OnceCell::new(),
            stacks: RefCell::default(),
        }
    }

    pub(super) fn images(&self) -> &'c [ImageFacts<'c>] {
        self.images
    }

    /// The images of each series, in the order of the first images.
    pub(super) fn series(&self, among: &Bits) -> Vec<(&'c Uid, Bits)> {
        let mut places: HashMap<&Uid, usize> = HashMap::default();
        let mut series: Vec<(&Uid, Bits)> = Vec::new();
        for at in among.iter() {
            let uid = self.images[at].series;
            let place = *places.entry(uid).or_insert(series.len());
            if place == series.len() {
                series.push((uid, Bits::none(self.images.len())));
            }
            series[place].1.insert(at);
        }
        series
    }

    pub(super) fn answer(&self, condition: &'c Condition) -> Rc<Answer> {
        let asked = condition.question.as_ref().map(Question::id);
        let known = asked.and_then(|asked| self.answers.borrow().get(&asked).cloned());
        known.unwrap_or_else(|| {
            let answer = Rc::new(self.answered(condition));
            if let Some(asked) = asked {
                self.answers.borrow_mut().insert(asked, answer.clone());
            }
            answer
        })
    }

    fn answered(&self, condition: &'c Condition) -> Answer {
        match &condition.test {
            Test::Value { subject, wanted } => {
                let fits = self.column(subject).fitting(wanted);
                Answer { fits, groups: Vec::new() }
            }
            Test::Item { sequence, conditions } => {
                Answer { fits: self.with_item(sequence, conditions), groups: Vec::new() }
            }
            Test::Groups { how, groups } => {
                let groups: Vec<_> = groups.iter().map(|group| self.group(group)).collect();
                Answer { fits: self.combined(*how, &groups), groups }
            }
        }
    }

    /// Images with an item that fits. Each distinct sequence is looked at once.
    fn with_item(&self, sequence: &'c Subject, conditions: &'c [Condition]) -> Bits {
        let fits = |at: usize| some_item_fits(sequence, conditions, &self.images[at]);
        self.column(sequence).fitting_image(fits)
    }

    fn group(&self, conditions: &'c [Condition]) -> Bits {
        let all = Bits::all(self.images.len());
        conditions.iter().fold(all, |fits, condition| fits.and(&self.answer(condition).fits))
    }

    fn combined(&self, how: How, groups: &[Bits]) -> Bits {
        let (none, all) = (Bits::none(self.images.len()), Bits::all(self.images.len()));
        let any = || groups.iter().fold(none, |fits, group| fits.or(group));
        match how {
            How::Any => any(),
            How::None => all.minus(&any()),
            How::All => groups.iter().fold(all, |fits, group| fits.and(group)),
        }
    }

    /// The trace of a condition over these images.
    pub(super) fn trace(&self, condition: &'c Condition, images: &Bits) -> ConditionTrace {
        let key = condition.question.as_ref().map(|asked| (asked.id(), images.clone()));
        let known = key.as_ref().and_then(|key| self.traces.borrow().get(key).cloned());
        known.unwrap_or_else(|| {
            let trace = condition.trace(&self.answer(condition), self, images);
            if let Some(key) = key {
                self.traces.borrow_mut().insert(key, trace.clone());
            }
            trace
        })
    }

    /// What a trace shows of these images.
    pub(super) fn found(&self, subject: &'c Subject, among: &Bits) -> Rc<Shown> {
        self.column(subject).found(subject, among)
    }

    /// How many frames each image has.
    pub(super) fn frames(&self) -> &[u32] {
        self.frames.get_or_init(|| self.images.iter().map(|image| frames(image.header)).collect())
    }

    /// Results of algorithms for which a selection with these lines does not ask.
    pub(super) fn not_asked_for(&self, conditions: &[Condition], among: &Bits) -> Bits {
        let results = self.results.get_or_init(|| {
            let signs = self.images.iter().map(algorithms::sign).enumerate();
            signs.filter_map(|(at, sign)| Some((at, sign?))).collect()
        });
        let mut images = Bits::none(self.images.len());
        for (at, sign) in results.iter().filter(|(at, _)| among.contains(*at)) {
            if !algorithms::asks(conditions, &self.images[*at], *sign) {
                images.insert(*at);
            }
        }
        images
    }

    /// In which plane each image lies.
    pub(super) fn planes(&self) -> &[Option<&'static str>] {
        self.planes.get_or_init(|| self.images.iter().map(|image| plane(image.header)).collect())
    }

    /// How these images lie in space.
    pub(super) fn stack(&self, images: &Bits) -> Result<Rc<Stack>, String> {
        if let Some(known) = self.stacks.borrow().get(images) {
            return known.clone();
        }
        let stack = self.lay(images).map(Rc::new);
        self.stacks.borrow_mut().insert(images.clone(), stack.clone());
        stack
    }

    /// Images of one frame each, or the frames of one image.
    fn lay(&self, images: &Bits) -> Result<Stack, String> {
        let only = images.iter().next().filter(|_| images.count() == 1);
        if let Some(stack) = only.and_then(|at| Stack::of_frames(self.images[at].header)) {
            return stack;
        }
        let frames = self.frames();
        if let Some(frames) = images.iter().map(|at| frames[at]).find(|frames| *frames > 1) {
            return Err(format!(
                "an image of {frames} frames is a stack, and is not the only image"
            ));
        }
        let slices = self.slices.get_or_init(|| Slice::all(self.attributes()));
        match self.order.get_or_init(|| Order::of(slices)) {
            Some(order) => Ok(order.stack(|at| images.contains(at))),
            None => Stack::of(images.iter().map(|at| &slices[at])),
        }
    }

    fn attributes(&self) -> &Attributes<'c> {
        self.attributes.get_or_init(|| Attributes::of(self.images))
    }

    fn column(&self, subject: &'c Subject) -> Rc<Column> {
        if let Some(known) = self.columns.borrow().get(subject) {
            return known.clone();
        }
        let column = Rc::new(Column::of(subject, self.attributes()));
        self.columns.borrow_mut().insert(subject, column.clone());
        column
    }
}
