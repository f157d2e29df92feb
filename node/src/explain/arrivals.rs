//! What the rules that forward images as they arrive said, before the series was complete.

use super::{Explainer, counted, short, when};
use gantry_store::error::StoreError;
use gantry_terms::uid::Uid;

/// What one rule said of the images of a series so far.
struct Told<'a> {
    rule: &'a str,
    rules_digest: &'a str,
    ran: usize,
    of: usize,
    /// Why the first image that it did not take was skipped.
    skipped: Option<&'a str>,
}

impl Explainer<'_> {
    /// A line for each rule and each set of rules that it was of.
    pub(super) async fn tell_arrivals(
        &self,
        text: &mut String,
        series: &Uid,
    ) -> Result<(), StoreError> {
        let rows = self.reader.arrivals(series).await?;
        let mut all: Vec<Told> = Vec::new();
        for row in &rows {
            for verdict in &row.verdicts {
                let of_rule = |told: &&mut Told| {
                    told.rule == verdict.rule && told.rules_digest == row.rules_digest
                };
                let skipped = Some(verdict.reason.as_str()).filter(|_| !verdict.runs);
                match all.iter_mut().find(of_rule) {
                    Some(told) => {
                        told.ran += usize::from(verdict.runs);
                        told.of += 1;
                        told.skipped = told.skipped.or(skipped);
                    }
                    None => all.push(Told {
                        rule: &verdict.rule,
                        rules_digest: &row.rules_digest,
                        ran: usize::from(verdict.runs),
                        of: 1,
                        skipped,
                    }),
                }
            }
        }
        for told in all {
            let of = counted(told.of, "image");
            let skipped = told
                .skipped
                .map(|why| format!("; one of the others was {why}"))
                .unwrap_or_default();
            text.push_str(&format!(
                "  decide    on arrival, rules {}: \"{}\" took {} of {of}{skipped}\n",
                short(told.rules_digest),
                told.rule,
                told.ran,
            ));
        }
        Ok(())
    }

    pub(super) async fn tell_arrival(
        &self,
        text: &mut String,
        sop_instance: &Uid,
    ) -> Result<(), StoreError> {
        let Some(row) = self.reader.arrival(sop_instance).await? else { return Ok(()) };
        for verdict in &row.verdicts {
            text.push_str(&format!(
                "  decide    on arrival at {}, rules {}: \"{}\" {}\n",
                when(row.at),
                short(&row.rules_digest),
                verdict.rule,
                verdict.reason
            ));
        }
        Ok(())
    }
}
