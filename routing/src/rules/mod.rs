//! The rule language: text in, checked rules out, and their judgement of a series. Pure: no clock, no disk, no network.
//!
//! `rules/README.md` is the language's guide. A file is read in three steps: `tree` (TOML with positions),
//! then one reader a part of the grammar (`rule`, `select`, `require`, `then`, `case`), all of which go on
//! after a fault so that every problem is told at once; then the cases run against the whole set.
//!
//! A judgement (`judge`) lets rules with `stop` say first which images the others see (`seen`). Of those each
//! selection of a rule takes its own (`pick`), by what `columns` says of each condition: the images lie there by
//! the values that they have, so that a condition is asked once of a value however many images have it, and sets
//! of images are `bits`.

mod algorithms;
mod arrives;
mod attributes;
mod between;
mod bits;
mod case;
mod column;
mod columns;
mod date_time;
mod dictionary;
mod evaluate;
mod even;
mod fact;
mod fitting;
mod forward;
mod judge;
mod literal;
mod made_up;
mod made_up_facts;
mod pick;
mod places;
mod problem;
mod question;
mod reader;
mod require;
mod rule;
mod rule_set;
mod same;
mod scale;
mod seen;
mod select;
mod subject;
mod then;
mod trace;
mod tree;
mod value;
mod wanted;

#[cfg(test)]
mod tests;

pub use judge::{Arrived, ImageFacts, Judgement, Selected};
pub use places::Places;
pub use problem::{Problem, Problems};
pub use rule::{On, Rule};
pub use rule_set::{ModelFacts, RuleSet, SourceFile, World};
pub use then::{FAILURE_REPORT, Forward, Priority, Then};
pub use trace::{ConditionTrace, Fate, Fates, Found, Part};
pub use value::value_of;
