//! A series: when it came, what made it complete, what the rules said of it and its study, and what followed.

use super::{Explainer, when};
use gantry_routing::complete::learned::Learned;
use gantry_store::error::StoreError;
use gantry_store::series::{SeriesRow, SeriesState};
use gantry_terms::moment::Moment;

impl Explainer<'_> {
    pub(super) async fn tell_series(
        &self,
        text: &mut String,
        row: &SeriesRow,
    ) -> Result<(), StoreError> {
        text.push_str(&format!("series {}\n  study {}\n", row.uid, row.study));
        text.push_str(&format!(
            "  receive   {} images from {} to {}, the first at {}, the last at {}\n",
            row.instances,
            row.calling_ae,
            row.called_ae,
            when(row.first_arrival),
            when(row.last_arrival)
        ));
        self.tell_evicted(text, &row.uid).await?;
        self.tell_arrivals(text, &row.uid).await?;
        self.tell_completion(text, row).await?;
        let decided = self.reader.decisions(&row.uid).await?;
        let images = self.series_images(&row.uid, &decided).await?;
        self.tell_decisions(text, &decided, &images, None);
        let jobs = self.reader.jobs(&row.uid).await?;
        self.tell_jobs(text, &jobs).await?;
        self.tell_study_of(text, row).await?;
        self.tell_deliveries(text, &self.reader.deliveries(&row.uid).await?).await?;
        Ok(())
    }

    /// What rules on studies said of the study of this series, and of its images there.
    async fn tell_study_of(&self, text: &mut String, row: &SeriesRow) -> Result<(), StoreError> {
        let decided = self.reader.study_decisions(&row.study).await?;
        if decided.is_empty() {
            return Ok(());
        }
        text.push_str(&format!("  of its study {}:\n", row.study));
        let own = self.reader.instances(&row.uid).await?;
        let own = own.into_iter().map(|image| image.identity.sop_instance).collect();
        let images = self.study_images(&row.study, &decided).await?;
        self.tell_decisions(text, &decided, &images, Some(&own));
        let jobs = self.reader.study_jobs(&row.study).await?;
        self.tell_jobs(text, &jobs).await
    }

    /// What made each revision complete, and what the last one waits for.
    async fn tell_completion(&self, text: &mut String, row: &SeriesRow) -> Result<(), StoreError> {
        let completions = self.reader.completions(&row.uid).await?;
        for done in completions.iter().filter(|done| done.revision <= row.revision) {
            let Some(at) = done.at else { continue };
            text.push_str(&format!(
                "  complete  revision {} with {} images at {}: {}\n",
                done.revision,
                done.instances,
                when(at),
                done.reason
            ));
        }
        match row.state {
            SeriesState::Receiving => {
                let waits = completions.iter().find(|wait| {
                    let is_this = wait.revision == row.revision && wait.instances == row.instances;
                    is_this && wait.at.is_none()
                });
                let (due, reason) = match waits {
                    Some(wait) => (wait.due, wait.reason.clone()),
                    None => self.plain_wait(row).await?,
                };
                let due = when(due);
                text.push_str(&format!("  complete  not yet, due at {due}: {reason}\n"));
            }
            SeriesState::Complete => text.push_str("  complete  yes; decide is next\n"),
            SeriesState::Made => text.push_str("  made by this node: nothing is decided for it\n"),
            SeriesState::Decided => {
                text.push_str(&format!("  complete  yes, revision {}\n", row.revision));
            }
        }
        Ok(())
    }

    /// The quiet time, which associations and the numbers of headers may still cut short.
    async fn plain_wait(&self, row: &SeriesRow) -> Result<(Moment, String), StoreError> {
        let learned = Learned::read(self.reader, &row.calling_ae).await?;
        let quiet = self.config.times_for(&row.calling_ae).quiet(&learned.pace, false);
        Ok((row.last_arrival.plus(quiet.wait), quiet.to_string()))
    }
}
