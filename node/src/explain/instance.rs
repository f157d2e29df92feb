//! One image: how it came, and for each rule whether it was selected, or the first line that it does not fit.

use super::{Explainer, when};
use gantry_routing::rules::ConditionTrace;
use gantry_routing::{facts, rules};
use gantry_store::error::StoreError;
use gantry_store::incoming::Origin;
use gantry_store::series::InstanceRow;
use std::sync::Arc;

/// Keys of conditions that are no groups, in the order of the rule.
fn keys_inside(condition: &ConditionTrace) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    let mut rest: Vec<&ConditionTrace> = condition.inner.iter().rev().collect();
    while let Some(next) = rest.pop() {
        rest.extend(next.inner.iter().rev());
        if next.inner.is_empty() && !keys.contains(&&*next.key) {
            keys.push(&next.key);
        }
    }
    keys
}

impl Explainer<'_> {
    pub(super) async fn tell_instance(
        &self,
        text: &mut String,
        row: &InstanceRow,
    ) -> Result<(), StoreError> {
        let identity = &row.identity;
        text.push_str(&format!(
            "instance {}\n  series {}\n  study {}\n  SOP class {}, transfer syntax {}, {} bytes\n",
            identity.sop_instance,
            identity.series,
            identity.study,
            identity.sop_class,
            identity.transfer_syntax,
            row.bytes
        ));
        match identity.origin {
            Origin::Received => text.push_str(&format!(
                "  receive   from {} to {} at {}\n",
                identity.calling_ae,
                identity.called_ae,
                when(identity.arrival)
            )),
            Origin::Made if identity.came_home() => text.push_str(&format!(
                "  receive   came home from {} at {}: no rule ever selects it\n",
                identity.calling_ae,
                when(identity.arrival)
            )),
            Origin::Made => text.push_str(&format!(
                "  compose   made by this node at {}: no rule ever selects it\n",
                when(identity.arrival)
            )),
        }
        self.tell_evicted(text, &identity.sop_instance).await?;
        self.tell_arrival(text, &identity.sop_instance).await?;
        self.tell_image_in_series(text, row).await?;
        self.tell_image_in_study(text, row).await?;
        self.tell_deliveries(text, &self.reader.deliveries_of(&identity.sop_instance).await?)
            .await?;
        Ok(())
    }

    async fn tell_image_in_series(
        &self,
        text: &mut String,
        row: &InstanceRow,
    ) -> Result<(), StoreError> {
        let series = &row.identity.series;
        let decided = self.reader.decisions(series).await?;
        if decided.is_empty() && row.identity.origin == Origin::Received {
            text.push_str(&format!(
                "  decide    nothing was decided for its series yet: gantry explain {series}\n"
            ));
        }
        let images = self.series_images(series, &decided).await?;
        self.tell_image(text, &decided, &images, row);
        let jobs = self.reader.jobs(series).await?;
        let with_it: Vec<_> = jobs
            .into_iter()
            .filter(|job| job.job.selected.contains(&row.identity.sop_instance))
            .collect();
        self.tell_jobs(text, &with_it).await
    }

    async fn tell_image_in_study(
        &self,
        text: &mut String,
        row: &InstanceRow,
    ) -> Result<(), StoreError> {
        let study = &row.identity.study;
        let decided = self.reader.study_decisions(study).await?;
        let images = self.study_images(study, &decided).await?;
        self.tell_image(text, &decided, &images, row);
        let jobs = self.reader.study_jobs(study).await?;
        let with_it: Vec<_> = jobs
            .into_iter()
            .filter(|job| job.job.selected.contains(&row.identity.sop_instance))
            .collect();
        self.tell_jobs(text, &with_it).await
    }

    /// The value that the image has for the key of a condition; of `any`, `all` and `none` the values
    /// for every key inside of it, each once.
    pub(super) fn values_of(
        &self,
        condition: &ConditionTrace,
        row: &InstanceRow,
    ) -> Option<String> {
        let peers = Arc::new(self.config.peers.keys().cloned().collect());
        let image = facts::of_instance(row, &peers);
        if condition.inner.is_empty() {
            return rules::value_of(&condition.key, &image);
        }
        let value = |key| Some(format!("{key} {}", rules::value_of(key, &image)?));
        let values: Vec<String> = keys_inside(condition).into_iter().filter_map(value).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}
