//! What a manifest says of its choices: a question each, and classes that answer it.

use super::super::written::{Inputs, Written, WrittenChoice};
use super::super::{Activation, ChoiceOutput, Tell, Told};
use super::Check;
use gantry_terms::code::Code;
use std::collections::BTreeSet;

/// More are no question that a reader answers.
const MOST_CLASSES: usize = 256;

impl Check<'_> {
    /// What choices say beside each other, and of the input.
    pub(super) fn questions(&mut self, written: &Written<Inputs>) {
        let mut asked = BTreeSet::new();
        for choice in &written.choices {
            let Code { value, scheme, .. } = choice.question.get_ref();
            let first = asked.insert((choice.group.get_ref(), value, scheme));
            let text = "a choice above answers this question for this group already";
            self.require(first, choice.question.span(), text);
        }
        let frames = written.input.iter().filter_map(|(_, input)| input.frames.as_ref());
        let apart = frames.into_iter().all(|frames| frames.get_ref().tell == Tell::Each);
        for choice in &written.choices {
            let text =
                "answers to several frames are no one answer: tell = \"each\" in [input.frames]";
            self.require(apart, choice.key.span(), text);
        }
    }

    pub(super) fn choice(&mut self, written: WrittenChoice) -> ChoiceOutput {
        let alone = *written.activation.get_ref() == Activation::Sigmoid;
        let text = "one of the classes is the answer, they are not there each by itself: \"softmax\", or \"none\" \
                    where the graph gives probabilities; a [[classification]] for each says which of them are there";
        self.require(!alone, written.activation.span(), text);
        let below = written.undetermined_below.as_ref();
        if let Some(below) = below {
            let fits = (0.0..=1.0).contains(below.get_ref());
            self.require(fits, below.span(), "a probability is from 0 to 1");
        }
        let undetermined_below = below.map_or(0.0, |below| *below.get_ref());
        let span = written.classes.span();
        let classes = written.classes.into_inner();
        let fits = (2..=MOST_CLASSES).contains(&classes.len());
        self.require(fits, span, &format!("a choice is among 2 to {MOST_CLASSES} classes"));
        let mut named = BTreeSet::new();
        for class in &classes {
            let Code { value, scheme, .. } = class.get_ref();
            let first = named.insert((value.clone(), scheme.clone()));
            self.require(first, class.span(), "this is a class above already");
        }
        let told = match (written.concept, written.unit) {
            (Some(concept), Some(unit)) => {
                let scale = self.scale_of(&unit);
                Some(Told { concept: self.code(concept), unit: self.code(unit), scale })
            }
            (None, None) => None,
            (Some(alone), None) | (None, Some(alone)) => {
                let text = "a probability is told with `concept` and `unit`: both, or neither";
                self.fault(alone.span(), text);
                None
            }
        };
        ChoiceOutput {
            key: self.key(&written.key),
            group: written.group.into_inner(),
            question: self.code(written.question),
            classes: classes.into_iter().map(|class| self.code(class)).collect(),
            tensor: self.text("tensor", &written.tensor, 255),
            activation: written.activation.into_inner(),
            undetermined_below,
            told,
        }
    }
}
