//! The values that images have for one subject, each distinct one once.

use super::attributes::Attributes;
use super::bits::Bits;
use super::evaluate::{SHOWN, shown};
use super::judge::ImageFacts;
use super::same::Same;
use super::subject::{Held, Subject};
use super::trace::{Found, found_text};
use super::wanted::Wanted;
use foldhash::HashMap;
use gantry_terms::header::Attribute;
use std::cell::{OnceCell, RefCell};
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

/// The values that one subject has: images with equal values are of one class.
pub(super) struct Column {
    class_of: Vec<u32>,
    classes: Values,
    texts: OnceCell<Texts>,
    /// Of each class its only value on the scale of the subject, NaN where there is none; nothing when
    /// a class has several.
    numbers: OnceCell<Option<Vec<f64>>>,
    /// What a trace shows of a set of images: many conditions ask of the same.
    found: RefCell<HashMap<Bits, Rc<Shown>>>,
}

/// The values of each class, one behind the other: where many are asked, memory is what takes time.
#[derive(Default)]
struct Values {
    held: Vec<Held>,
    /// Behind the last value of each class.
    ends: Vec<usize>,
}

/// The values as a trace shows them. Some classes look alike.
struct Texts {
    sorted: Vec<String>,
    of_class: Vec<usize>,
}

/// The most frequent values, and how many further ones there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) found: Arc<[Found]>,
    pub(super) more: usize,
}

impl Shown {
    pub(super) fn text(&self) -> String {
        found_text(&self.found, self.more)
    }
}

impl Values {
    fn push(&mut self, values: Vec<Held>) {
        self.held.extend(values);
        self.ends.push(self.held.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[Held]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.held[start..*end])
    }
}

impl Column {
    pub(super) fn of(subject: &Subject, attributes: &Attributes) -> Self {
        let (class_of, classes) = match subject {
            Subject::Fact(_) => by_values(subject, attributes.images()),
            _ => by_attribute(subject, attributes),
        };
        Self {
            class_of,
            classes,
            texts: OnceCell::new(),
            numbers: OnceCell::new(),
            found: RefCell::default(),
        }
    }

    /// Images of the classes whose values fit.
    pub(super) fn fitting(&self, wanted: &Wanted) -> Bits {
        let fits: Vec<bool> = match self.within(wanted) {
            Some(fits) => fits,
            None => self.classes.iter().map(|held| wanted.matches(held)).collect(),
        };
        match (fits.iter().any(|fits| *fits), fits.iter().all(|fits| *fits)) {
            (_, true) => Bits::all(self.class_of.len()),
            (false, _) => Bits::none(self.class_of.len()),
            _ => Bits::of(self.class_of.iter().map(|class| fits[*class as usize])),
        }
    }

    /// Of each class whether its only value lies in the range, if nothing else is asked: many rules
    /// ask for ranges of numbers that are different in each image.
    fn within(&self, wanted: &Wanted) -> Option<Vec<bool>> {
        let (scale, range) = wanted.range()?;
        let only = |held: &[Held]| match held {
            [] => Some(f64::NAN),
            [one] => Some(scale.read(one).unwrap_or(f64::NAN)),
            _ => None,
        };
        let numbers = self.numbers.get_or_init(|| self.classes.iter().map(only).collect());
        Some(numbers.as_ref()?.iter().map(|number| range.holds(*number)).collect())
    }

    /// The same of a question that needs an image of the class.
    pub(super) fn fitting_image(&self, fits: impl Fn(usize) -> bool) -> Bits {
        let mut known: Vec<Option<bool>> = vec![None; self.classes.len()];
        let classes = self.class_of.iter().enumerate();
        Bits::of(classes.map(|(at, class)| *known[*class as usize].get_or_insert_with(|| fits(at))))
    }

    /// What a trace shows of these images.
    pub(super) fn found(&self, subject: &Subject, among: &Bits) -> Rc<Shown> {
        if let Some(known) = self.found.borrow().get(among) {
            return known.clone();
        }
        let shown = Rc::new(self.shown(subject, among));
        self.found.borrow_mut().insert(among.clone(), shown.clone());
        shown
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
    fn of(subject: &Subject, classes: &Values) -> Self {
        let texts = classes.iter().map(|held| shown(subject, held)).enumerate();
        let mut texts: Vec<(usize, String)> = texts.collect();
        texts.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
        let mut sorted: Vec<String> = Vec::with_capacity(texts.len());
        let mut of_class = vec![0; texts.len()];
        for (class, text) in texts {
            if sorted.last() != Some(&text) {
                sorted.push(text);
            }
            of_class[class] = sorted.len() - 1;
        }
        Self { sorted, of_class }
    }
}

/// Each distinct attribute once.
fn by_attribute<'c>(subject: &Subject, attributes: &Attributes<'c>) -> (Vec<u32>, Values) {
    let images = attributes.images();
    let roots: Vec<Option<&Attribute>> = match subject.root_tag() {
        Some(tag) => attributes.each(tag).collect(),
        None => images.iter().map(|image| subject.root(image.header)).collect(),
    };
    let mut classes = Classes::default();
    let mut previous: Option<(Same, u32)> = None;
    let class_of = images.iter().zip(roots).map(|(image, root)| {
        let class = match &previous {
            Some((same, class)) if *same == Same(root) => *class,
            _ => classes.class(Same(root), || subject.held_in(root, image)),
        };
        previous = Some((Same(root), class));
        class
    });
    (class_of.collect(), classes.values)
}

/// A fact is made of several attributes, or of none.
fn by_values(subject: &Subject, images: &[ImageFacts]) -> (Vec<u32>, Values) {
    let mut classes = Classes::default();
    let class_of = images.iter().map(|image| {
        let held = subject.held(image);
        let key: Vec<_> = held
            .iter()
            .map(|held| (held.text.clone(), held.number.map(f64::to_bits), held.is_numeric))
            .collect();
        classes.class(key, || held)
    });
    (class_of.collect(), classes.values)
}

/// Classes by what makes two images alike, and the values of each.
struct Classes<K> {
    known: HashMap<K, u32>,
    values: Values,
}

impl<K> Default for Classes<K> {
    fn default() -> Self {
        Self { known: HashMap::default(), values: Values::default() }
    }
}

impl<K: Hash + Eq> Classes<K> {
    fn class(&mut self, key: K, values: impl FnOnce() -> Vec<Held>) -> u32 {
        *self.known.entry(key).or_insert_with(|| {
            self.values.push(values());
            self.values.len() as u32 - 1
        })
    }
}
