//! `[retention]`: when what is kept may go. Without it nothing ever does.

use super::span;
use gantry_store::retention::Policy;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenRetention {
    keep_days: Option<f64>,
    watermark_percent: Option<f64>,
}

impl WrittenRetention {
    pub(super) fn mean(&self, problems: &mut Vec<String>) -> Policy {
        let Self { keep_days, watermark_percent } = *self;
        if keep_days.is_none() && watermark_percent.is_none() {
            problems.push(
                "[retention] needs keep-days, watermark-percent or both; without the table nothing \
                 is ever evicted"
                    .into(),
            );
        }
        if keep_days.is_some_and(|days| days <= 0.0) {
            problems.push("retention.keep-days must be more than 0".into());
        }
        if watermark_percent.is_some_and(|percent| !(1.0..=99.0).contains(&percent)) {
            problems.push("retention.watermark-percent must lie between 1 and 99".into());
        }
        let keep = keep_days.map(|days| span(days * 86400.0, "retention.keep-days", problems));
        Policy { keep, watermark_percent }
    }
}
