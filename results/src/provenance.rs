//! Where a result comes from: the node, the rule and the moment, and the UIDs that follow from what made it.

use crate::object::ComposeError;
use crate::source::Source;
use chrono::{DateTime, Datelike, FixedOffset, Local};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::earlier::Earlier;
use gantry_terms::findings::Findings;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

/// The job that a result belongs to.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub station: Station,
    /// Name of the rule that asked for the job.
    pub rule: String,
    /// Digest of the rule set that the rule stood in.
    pub rules_digest: String,
    pub revision: u32,
    /// The revision whose results those of this job take the place of.
    pub earlier: Option<Earlier>,
    /// Content date and time of every object of the job. Taken from the job and not from the
    /// clock, so that a repeat makes the same bytes.
    pub at: Moment,
    /// Results sort behind acquired series: Series Number is 900 + slot.
    pub slot: u16,
}

/// The node as equipment (PS3.3 C.7.5.1) and as observer (PS3.16 TID 1004).
#[derive(Debug, Clone)]
pub struct Station {
    pub name: String,
    pub manufacturer: String,
    pub model_name: String,
    pub serial: String,
    pub version: String,
    /// One for the life of the installation; also the Instance Creator UID.
    pub observer_uid: Uid,
    pub ae_title: AeTitle,
}

/// A moment as DA and TM in one zone (PS3.3 C.12.1.1.8).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stamp {
    pub date: String,
    pub time: String,
    /// `+HHMM` of the zone that date and time are in.
    pub offset: String,
}

impl Provenance {
    /// In the zone that the source declares, else in the local one: one data set has one zone.
    pub(crate) fn stamp(&self, source_offset: Option<&str>) -> Result<Stamp, ComposeError> {
        let utc = DateTime::from_timestamp_micros(self.at.0)
            .filter(|utc| (1..9999).contains(&utc.year()))
            .ok_or_else(|| ComposeError::Mismatch("the moment of the job is no date".into()))?;
        let zone = source_offset.and_then(zone);
        let zone = zone.unwrap_or_else(|| *utc.with_timezone(&Local).offset());
        let local = utc.with_timezone(&zone);
        let minutes = zone.local_minus_utc() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        Ok(Stamp {
            date: local.format("%Y%m%d").to_string(),
            time: local.format("%H%M%S%.6f").to_string(),
            offset: format!("{sign}{hours:02}{minutes:02}"),
        })
    }

    /// The UID that belongs to one thing that this job makes (`kind`, as in `sr` or `sc series`). A node of another AE title with the same
    /// model, rule and images makes others: its objects have other bytes.
    pub(crate) fn uid(&self, kind: &str, source: &Source, findings: &Findings) -> Uid {
        let revision = self.revision.to_string();
        let mut inputs: Vec<&str> =
            source.all_instances().map(|input| input.sop_instance.as_str()).collect();
        inputs.sort_unstable();
        let algorithm = &findings.algorithm;
        let observer = self.station.observer_uid.as_str();
        let made_by =
            [kind, observer, &algorithm.digest, &algorithm.manifest_digest, &self.rule, &revision];
        Uid::derived(&[made_by.as_slice(), &inputs].concat())
    }
}

/// A zone written as PS3.3 C.12.1.1.8 wants it: `+HHMM` or `-HHMM`, from -1200 to +1400.
pub(crate) fn zone(offset: &str) -> Option<FixedOffset> {
    let (sign, digits) = offset.split_at_checked(1)?;
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let total = hours * 60 + minutes;
    match sign {
        "+" if minutes < 60 && total <= 14 * 60 => FixedOffset::east_opt(total * 60),
        "-" if minutes < 60 && (1..=12 * 60).contains(&total) => FixedOffset::west_opt(total * 60),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_times_are_in_the_zone_that_the_source_declares() {
        let job = Provenance {
            station: Station {
                name: "node".into(),
                manufacturer: "maker".into(),
                model_name: "model".into(),
                serial: "1".into(),
                version: "1".into(),
                observer_uid: Uid::derived(&["observer"]),
                ae_title: AeTitle::parse("NODE").expect("a title"),
            },
            rule: "rule".into(),
            rules_digest: "00".into(),
            revision: 1,
            earlier: None,
            at: Moment(1_715_680_200_000_001),
            slot: 0,
        };
        let check = |offset: &str, date: &str, time: &str| {
            let stamp = job.stamp(Some(offset)).expect("a date");
            assert_eq!((stamp.date.as_str(), stamp.time.as_str()), (date, time));
            assert_eq!(stamp.offset, offset);
        };
        check("+0200", "20240514", "115000.000001");
        check("-1000", "20240513", "235000.000001");
        check("+0545", "20240514", "153500.000001");
        let far = Provenance { at: Moment(i64::MAX), ..job };
        assert!(far.stamp(Some("+0000")).is_err());
    }

    #[test]
    fn a_zone_in_another_form_is_no_zone() {
        assert!(
            ["+02:00", "0200", "+2", "+1500", "-1300", "+0275", "-0000", "ß200", ""]
                .iter()
                .all(|offset| zone(offset).is_none())
        );
    }
}
