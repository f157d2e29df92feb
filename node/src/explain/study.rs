//! A study: its series in a line each with what ran on them, and what rules on studies said of it.

use super::{Explainer, when};
use gantry_store::decisions::DecisionRow;
use gantry_store::error::StoreError;
use gantry_store::series::{SeriesRow, SeriesState};
use gantry_store::study::{StudyRow, StudyState};

impl Explainer<'_> {
    pub(super) async fn tell_study(
        &self,
        text: &mut String,
        row: &StudyRow,
    ) -> Result<(), StoreError> {
        text.push_str(&format!("study {}\n", row.uid));
        let series = self.reader.series_of_study(&row.uid).await?;
        let images: u32 = series.iter().map(|series| series.instances).sum();
        text.push_str(&format!(
            "  receive   {images} images in {} series, the first at {}, the last at {}\n",
            series.len(),
            when(row.first_arrival),
            when(row.last_arrival)
        ));
        self.tell_evicted(text, &row.uid).await?;
        for series in &series {
            self.tell_series_of_study(text, series).await?;
        }
        self.tell_study_state(text, row, &series);
        let decided = self.reader.study_decisions(&row.uid).await?;
        let images = self.study_images(&row.uid, &decided).await?;
        self.tell_decisions(text, &decided, &images, None);
        let jobs = self.reader.study_jobs(&row.uid).await?;
        self.tell_jobs(text, &jobs).await?;
        self.tell_deliveries(text, &self.reader.study_deliveries(&row.uid).await?).await?;
        Ok(())
    }

    /// One line, and one for each rule that ran in its last revision.
    async fn tell_series_of_study(
        &self,
        text: &mut String,
        row: &SeriesRow,
    ) -> Result<(), StoreError> {
        let state = match row.state {
            SeriesState::Receiving => "receiving",
            SeriesState::Complete => "complete, decide is next",
            SeriesState::Decided => "decided",
            SeriesState::Made => "made by this node",
        };
        text.push_str(&format!("  series    {} with {} images: {state}\n", row.uid, row.instances));
        let decisions = self.reader.decisions(&row.uid).await?;
        let last = |decision: &&DecisionRow| decision.revision == row.revision;
        let (runs, skips): (Vec<_>, Vec<_>) =
            decisions.iter().filter(last).partition(|decision| decision.runs);
        for decision in &runs {
            text.push_str(&format!("            \"{}\" {}\n", decision.rule, decision.reason));
        }
        if !skips.is_empty() {
            text.push_str(&format!(
                "            {} rules skipped it: gantry explain {}\n",
                skips.len(),
                row.uid
            ));
        }
        Ok(())
    }

    fn tell_study_state(&self, text: &mut String, row: &StudyRow, series: &[SeriesRow]) {
        let on_their_way = series
            .iter()
            .filter(|series| matches!(series.state, SeriesState::Receiving | SeriesState::Complete))
            .count();
        let due = row.last_arrival.plus(self.config.complete.study_quiet);
        text.push_str(&match row.state {
            StudyState::Decided => format!("  complete  yes, revision {}\n", row.revision),
            StudyState::Waiting if on_their_way > 0 => format!(
                "  complete  not yet: {on_their_way} of its series are on their way; rules on studies \
                 are asked when none is\n"
            ),
            StudyState::Waiting => format!(
                "  complete  not yet, due at {}: {} seconds without an image \
                 (complete.study-quiet-seconds)\n",
                when(due),
                self.config.complete.study_quiet.as_secs_f64()
            ),
        });
    }
}
