//! What the rules said, in lines: verdict, conditions, and which images were selected and which not and why.

use super::{Explainer, counted, short, when};
use gantry_routing::rules::{ConditionTrace, Fate, Fates, Part};
use gantry_store::decisions::DecisionRow;
use gantry_store::error::StoreError;
use gantry_store::series::InstanceRow;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};

/// Images that are named without `--images`.
const NAMED: usize = 3;

/// The images that each revision was decided on, in the order that fates count by.
pub(super) type Judged = BTreeMap<u32, Vec<Uid>>;

/// A decision as the database has it, read.
struct Told<'a> {
    conditions: Vec<ConditionTrace>,
    /// For each selection; empty in decisions of versions that did not keep them.
    fates: Vec<Fates>,
    images: &'a [Uid],
}

impl<'a> Told<'a> {
    fn read(row: &'a DecisionRow, images: &'a Judged) -> Self {
        Self {
            // What another version kept in another form is told by its verdict alone.
            conditions: serde_json::from_value(row.trace.clone()).unwrap_or_default(),
            fates: serde_json::from_value(row.fates.clone()).unwrap_or_default(),
            images: images.get(&row.revision).map_or(&[], Vec::as_slice),
        }
    }

    /// The select conditions of a selection, in the order that a fate counts by.
    fn conditions_of(&self, selection: usize) -> Vec<&ConditionTrace> {
        let mut names: Vec<Option<&str>> = Vec::new();
        for condition in &self.conditions {
            if !names.contains(&condition.selection.as_deref()) {
                names.push(condition.selection.as_deref());
            }
        }
        let name = names.get(selection).copied().flatten();
        self.conditions
            .iter()
            .filter(|c| {
                c.part == Part::Select && (names.len() < 2 || c.selection.as_deref() == name)
            })
            .collect()
    }

    fn name_of(&self, selection: usize) -> String {
        let first = self.conditions_of(selection).first().and_then(|c| c.selection.clone());
        first.map(|name| format!("{name}: ")).unwrap_or_default()
    }

    /// Why an image was not selected, or that it was.
    fn fate(&self, selection: usize, fate: Fate) -> String {
        match fate {
            Fate::Selected => "selected".into(),
            Fate::Condition(at) => match self.conditions_of(selection).get(usize::from(at)) {
                Some(condition) => {
                    format!("not selected by {} = {}", condition.key, condition.wanted)
                }
                None => "not selected".into(),
            },
            Fate::Made => "not looked at: made by this node".into(),
            Fate::Stopped => "taken away by a rule with stop".into(),
            Fate::OtherSeries => "fits, but another series of the study was taken".into(),
            Fate::Unfit => "fits, but its series lacks what [rule.require] wants".into(),
            Fate::Result => {
                "fits, but is a result of an algorithm, and the rule does not ask for such for its model"
                    .into()
            }
        }
    }
}

impl Explainer<'_> {
    pub(super) async fn series_images(
        &self,
        series: &Uid,
        decided: &[DecisionRow],
    ) -> Result<Judged, StoreError> {
        let mut judged = Judged::new();
        for revision in revisions(decided) {
            let images = self.reader.decided_images(series, revision).await?;
            judged.extend(images.map(|images| (revision, images)));
        }
        Ok(judged)
    }

    pub(super) async fn study_images(
        &self,
        study: &Uid,
        decided: &[DecisionRow],
    ) -> Result<Judged, StoreError> {
        let mut judged = Judged::new();
        for revision in revisions(decided) {
            let images = self.reader.study_decided_images(study, revision).await?;
            judged.extend(images.map(|images| (revision, images)));
        }
        Ok(judged)
    }

    /// With `only`, of the images only these.
    pub(super) fn tell_decisions(
        &self,
        text: &mut String,
        decisions: &[DecisionRow],
        images: &Judged,
        only: Option<&BTreeSet<Uid>>,
    ) {
        for row in decisions {
            let told = Told::read(row, images);
            tell_verdict(text, row);
            for condition in &told.conditions {
                let line = condition.to_string().replace('\n', "\n            ");
                let of = condition.selection.as_ref().map(|name| format!("{name}: "));
                text.push_str(&format!("            {}{line}\n", of.unwrap_or_default()));
            }
            self.tell_images(text, &told, only);
        }
    }

    fn tell_images(&self, text: &mut String, told: &Told, only: Option<&BTreeSet<Uid>>) {
        for (selection, fates) in told.fates.iter().enumerate() {
            let mut by_fate: BTreeMap<String, Vec<&Uid>> = BTreeMap::new();
            for (image, fate) in told.images.iter().zip(fates.iter()) {
                if only.is_none_or(|only| only.contains(image)) {
                    by_fate.entry(told.fate(selection, fate)).or_default().push(image);
                }
            }
            for (fate, images) in by_fate {
                let shown = if self.images { images.len() } else { NAMED.min(images.len()) };
                let names: Vec<&str> = images[..shown].iter().map(|uid| uid.as_str()).collect();
                let more = match images.len() - shown {
                    0 => String::new(),
                    more => format!(", and {more} more (--images names them)"),
                };
                let name = told.name_of(selection);
                let count = counted(images.len(), "image");
                text.push_str(&format!(
                    "            {name}{count} {fate}: {}{more}\n",
                    names.join(", ")
                ));
            }
        }
    }

    /// What each decision made of one image.
    pub(super) fn tell_image(
        &self,
        text: &mut String,
        decisions: &[DecisionRow],
        images: &Judged,
        image: &InstanceRow,
    ) {
        for row in decisions {
            let told = Told::read(row, images);
            let at = told.images.iter().position(|uid| *uid == image.identity.sop_instance);
            tell_verdict(text, row);
            let Some(at) = at else {
                text.push_str(
                    "            this image was not there, or not kept, when it was decided\n",
                );
                continue;
            };
            for (selection, fates) in told.fates.iter().enumerate() {
                let Some(fate) = fates.iter().nth(at) else { continue };
                let mut line = format!(
                    "this image: {}{}",
                    told.name_of(selection),
                    told.fate(selection, fate)
                );
                if let Fate::Condition(condition) = fate {
                    let conditions = told.conditions_of(selection);
                    let found = conditions
                        .get(usize::from(condition))
                        .and_then(|condition| self.values_of(condition, image));
                    line.extend(found.map(|found| format!("; it has {found}")));
                }
                text.push_str(&format!("            {line}\n"));
            }
        }
    }
}

fn revisions(decided: &[DecisionRow]) -> BTreeSet<u32> {
    decided.iter().map(|decision| decision.revision).collect()
}

fn tell_verdict(text: &mut String, row: &DecisionRow) {
    text.push_str(&format!(
        "  decide    \"{}\" (revision {}, on {}, {}, rules {})\n            {}\n",
        row.rule,
        row.revision,
        row.level.text(),
        when(row.at),
        short(&row.rules_digest),
        row.reason
    ));
}
