//! The values of many images, each distinct value once: what rules are judged by when there are many of both.

use super::bits::Bits;
use super::evaluate::{SHOWN, shown, some_item_fits};
use super::even::{Slice, Stack, frames, plane};
use super::judge::ImageFacts;
use super::select::{Condition, How, Test};
use super::subject::{Held, Subject};
use super::trace::{Found, found_text};
use gantry_terms::header::{Attribute, Header, Value};
use gantry_terms::uid::Uid;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// The images of one judgement, and what its rules have asked of them so far.
pub(super) struct Columns<'c> {
    images: &'c [ImageFacts<'c>],
    columns: RefCell<HashMap<&'c Subject, Rc<Column>>>,
    frames: OnceCell<Vec<u32>>,
    planes: OnceCell<Vec<Option<&'static str>>>,
    slices: OnceCell<Vec<Result<Slice<'c>, &'static str>>>,
    stacks: RefCell<HashMap<Bits, Result<Rc<Stack>, String>>>,
}

/// The values that one subject has: images with equal values are of one class.
struct Column {
    class_of: Vec<u32>,
    classes: Vec<Vec<Held>>,
    texts: OnceCell<Texts>,
    /// What a trace shows of a set of images: many conditions ask of the same.
    found: RefCell<HashMap<Bits, Rc<Shown>>>,
}

/// The values as a trace shows them. Some classes look alike.
struct Texts {
    sorted: Vec<String>,
    of_class: Vec<usize>,
}

/// The most frequent values, and how many further ones there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) found: Vec<Found>,
    pub(super) more: usize,
}

/// What a condition says of every image; of a combination also what its groups say.
pub(super) struct Answer {
    pub(super) fits: Bits,
    pub(super) groups: Vec<GroupAnswer>,
}

pub(super) struct GroupAnswer {
    pub(super) fits: Bits,
    pub(super) conditions: Vec<Answer>,
}

/// An attribute as a key. Numbers are compared by their bits: it is enough that what is equal here
/// is equal to every rule.
struct Same<'c>(Option<&'c Attribute>);

impl<'c> Columns<'c> {
    pub(super) fn new(images: &'c [ImageFacts<'c>]) -> Self {
        Self {
            images,
            columns: RefCell::default(),
            frames: OnceCell::new(),
            planes: OnceCell::new(),
            slices: OnceCell::new(),
            stacks: RefCell::default(),
        }
    }

    pub(super) fn images(&self) -> &'c [ImageFacts<'c>] {
        self.images
    }

    /// The images of each series, in the order of the first images.
    pub(super) fn series(&self, among: &Bits) -> Vec<(&'c Uid, Bits)> {
        let mut places: HashMap<&Uid, usize> = HashMap::new();
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

    pub(super) fn answer(&self, condition: &'c Condition) -> Answer {
        match &condition.test {
            Test::Value { subject, wanted } => {
                let fits = self.column(subject).fitting(|held| wanted.matches(held));
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
        let column = self.column(sequence);
        let mut known: Vec<Option<bool>> = vec![None; column.classes.len()];
        let classes = column.class_of.iter().zip(self.images);
        Bits::of(classes.map(|(class, image)| {
            let fits = || some_item_fits(sequence, conditions, image);
            *known[*class as usize].get_or_insert_with(fits)
        }))
    }

    fn group(&self, conditions: &'c [Condition]) -> GroupAnswer {
        let conditions: Vec<_> =
            conditions.iter().map(|condition| self.answer(condition)).collect();
        let all = Bits::all(self.images.len());
        let fits = conditions.iter().fold(all, |fits, answer| fits.and(&answer.fits));
        GroupAnswer { fits, conditions }
    }

    fn combined(&self, how: How, groups: &[GroupAnswer]) -> Bits {
        let (none, all) = (Bits::none(self.images.len()), Bits::all(self.images.len()));
        let any = || groups.iter().fold(none, |fits, group| fits.or(&group.fits));
        match how {
            How::Any => any(),
            How::None => all.minus(&any()),
            How::All => groups.iter().fold(all, |fits, group| fits.and(&group.fits)),
        }
    }

    /// What a trace shows of these images.
    pub(super) fn found(&self, subject: &'c Subject, among: &Bits) -> Rc<Shown> {
        let column = self.column(subject);
        if let Some(known) = column.found.borrow().get(among) {
            return known.clone();
        }
        let shown = Rc::new(column.shown(subject, among));
        column.found.borrow_mut().insert(among.clone(), shown.clone());
        shown
    }

    /// How many frames each image has.
    pub(super) fn frames(&self) -> &[u32] {
        self.frames.get_or_init(|| self.images.iter().map(|image| frames(image.header)).collect())
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
        let slices = self.slices.get_or_init(|| self.images.iter().map(Slice::of).collect());
        Stack::of(images.iter().map(|at| &slices[at]))
    }

    fn column(&self, subject: &'c Subject) -> Rc<Column> {
        if let Some(known) = self.columns.borrow().get(subject) {
            return known.clone();
        }
        let column = Rc::new(Column::of(subject, self.images));
        self.columns.borrow_mut().insert(subject, column.clone());
        column
    }
}

impl Shown {
    pub(super) fn text(&self) -> String {
        found_text(&self.found, self.more)
    }
}

impl Column {
    fn of(subject: &Subject, images: &[ImageFacts]) -> Self {
        let (class_of, classes) = match subject {
            Subject::Fact(_) => by_values(subject, images),
            _ => by_attribute(subject, images),
        };
        Self { class_of, classes, texts: OnceCell::new(), found: RefCell::default() }
    }

    fn fitting(&self, fits: impl Fn(&[Held]) -> bool) -> Bits {
        let fits: Vec<bool> = self.classes.iter().map(|held| fits(held)).collect();
        match (fits.iter().any(|fits| *fits), fits.iter().all(|fits| *fits)) {
            (_, true) => Bits::all(self.class_of.len()),
            (false, _) => Bits::none(self.class_of.len()),
            _ => Bits::of(self.class_of.iter().map(|class| fits[*class as usize])),
        }
    }

    fn shown(&self, subject: &Subject, among: &Bits) -> Shown {
        let texts = self.texts.get_or_init(|| Texts::of(subject, &self.classes));
        let mut counts = vec![0; texts.sorted.len()];
        for at in among.iter() {
            counts[texts.of_class[self.class_of[at] as usize]] += 1;
        }
        let mut found: Vec<usize> = (0..counts.len()).filter(|text| counts[*text] > 0).collect();
        let more = found.len().saturating_sub(SHOWN);
        // The texts are in their order: equally frequent ones stay in it.
        found.sort_by_key(|text| std::cmp::Reverse(counts[*text]));
        found.truncate(SHOWN);
        let found = found
            .into_iter()
            .map(|text| Found { value: texts.sorted[text].clone(), images: counts[text] });
        Shown { found: found.collect(), more }
    }
}

impl Texts {
    fn of(subject: &Subject, classes: &[Vec<Held>]) -> Self {
        let texts: Vec<String> = classes.iter().map(|held| shown(subject, held)).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let place = |text: &String| sorted.binary_search(text).unwrap_or_default();
        let of_class = texts.iter().map(place).collect();
        Self { sorted, of_class }
    }
}

/// Each distinct attribute once. Images of one base that do not differ from it there are not looked at.
fn by_attribute(subject: &Subject, images: &[ImageFacts]) -> (Vec<u32>, Vec<Vec<Held>>) {
    let tag = subject.root_tag();
    let mut classes = Classes::default();
    let mut base: Option<(&Header, u32)> = None;
    let mut previous: Option<(Same, u32)> = None;
    let class_of = images.iter().map(|image| {
        let header = image.header;
        let shares = tag.is_some_and(|tag| !header.differs(tag));
        if let Some((_, class)) =
            base.filter(|(base, _)| shares && std::ptr::eq(*base, header.base()))
        {
            return class;
        }
        let attribute = Same(subject.root(header));
        let class = match &previous {
            Some((same, class)) if *same == attribute => *class,
            _ => classes.class(Same(attribute.0), || subject.held(image)),
        };
        previous = Some((attribute, class));
        if shares {
            base = Some((header.base(), class));
        }
        class
    });
    (class_of.collect(), classes.held)
}

/// A fact is made of several attributes, or of none.
fn by_values(subject: &Subject, images: &[ImageFacts]) -> (Vec<u32>, Vec<Vec<Held>>) {
    let mut classes = Classes::default();
    let class_of = images.iter().map(|image| {
        let held = subject.held(image);
        let key: Vec<_> = held
            .iter()
            .map(|held| (held.text.clone(), held.number.map(f64::to_bits), held.is_numeric))
            .collect();
        classes.class(key, || held)
    });
    (class_of.collect(), classes.held)
}

/// Classes by what makes two images alike, and the values of each.
struct Classes<K> {
    known: HashMap<K, u32>,
    held: Vec<Vec<Held>>,
}

impl<K> Default for Classes<K> {
    fn default() -> Self {
        Self { known: HashMap::new(), held: Vec::new() }
    }
}

impl<K: Hash + Eq> Classes<K> {
    fn class(&mut self, key: K, values: impl FnOnce() -> Vec<Held>) -> u32 {
        *self.known.entry(key).or_insert_with(|| {
            self.held.push(values());
            self.held.len() as u32 - 1
        })
    }
}

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(one), Some(other)) => std::ptr::eq(one, other) || same_attribute(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Eq for Same<'_> {}

fn same_attribute(one: &Attribute, other: &Attribute) -> bool {
    let alike = one.vr == other.vr && one.values.len() == other.values.len();
    alike && one.values.iter().zip(&other.values).all(|(one, other)| same_value(one, other))
}

fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one == other,
        (Value::Decimal(one), Value::Decimal(other)) => one.to_bits() == other.to_bits(),
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::Item(one), Value::Item(other)) => {
            one.0.len() == other.0.len()
                && one.0.iter().zip(&other.0).all(|((tag, one), (other_tag, other))| {
                    tag == other_tag && same_attribute(one, other)
                })
        }
        _ => false,
    }
}

impl Hash for Same<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(attribute) = self.0 {
            hash_attribute(attribute, state);
        }
    }
}

fn hash_attribute<H: Hasher>(attribute: &Attribute, state: &mut H) {
    attribute.vr.hash(state);
    for value in &attribute.values {
        match value {
            Value::Integer(number) => number.hash(state),
            Value::Decimal(number) => number.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::Item(item) => {
                for (tag, attribute) in &item.0 {
                    tag.hash(state);
                    hash_attribute(attribute, state);
                }
            }
        }
    }
}
