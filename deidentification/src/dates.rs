//! Dates that are moved (PS3.15 E.3.6): by whole days, so that times of day and the time between any two moments of a patient stay.

use chrono::{Days, NaiveDate};

/// DA or DT moved back; None when it does not begin with a whole date.
pub(crate) fn moved_back(text: &str, days: i64) -> Option<String> {
    let (date, rest) = parted(text)?;
    let moved = date.checked_sub_days(Days::new(days.unsigned_abs()))?;
    written(moved, rest)
}

/// DA or DT moved forward by as much; None when it is none, or does not lie before the day on which its study left:
/// nothing leaves before it is there, so that it was never moved back.
pub(crate) fn moved_forward(text: &str, days: i64, left_on: NaiveDate) -> Option<String> {
    let (date, rest) = parted(text)?;
    let moved = date.checked_add_days(Days::new(days.unsigned_abs()))?;
    written(moved, rest).filter(|_| date < left_on)
}

fn written(date: NaiveDate, rest: &str) -> Option<String> {
    let date = date.format("%Y%m%d").to_string();
    (date.len() == 8).then(|| date + rest)
}

/// The day, and what stands behind it.
fn parted(text: &str) -> Option<(NaiveDate, &str)> {
    let text = text.trim_matches([' ', '\0']);
    // As ACR-NEMA wrote it.
    let (date, rest) = match text.get(..10).filter(|date| date.contains('.')) {
        Some(date) => (date.replace('.', ""), &text[10..]),
        None => (text.get(..8)?.to_string(), &text[8..]),
    };
    let is_time = |byte: u8| byte.is_ascii_digit() || b".+-".contains(&byte);
    if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) || !rest.bytes().all(is_time) {
        return None;
    }
    Some((NaiveDate::parse_from_str(&date, "%Y%m%d").ok()?, rest))
}

/// Whether it is a TM and nothing else.
pub(crate) fn is_time(text: &str) -> bool {
    let text = text.trim_matches([' ', '\0']);
    text.bytes().all(|byte| byte.is_ascii_digit() || b".:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_moves_by_days_and_its_time_stays() {
        for (text, expected) in [
            ("20240301", Some("20240201")),
            ("2024.03.01", Some("20240201")),
            ("20240301101500.123+0100 ", Some("20240201101500.123+0100")),
            ("202403", None),
            ("20241301", None),
            ("20240301 MEIER", None),
            ("äöüäöüäö", None),
        ] {
            assert_eq!(moved_back(text, 29).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_date_from_before_the_day_on_which_its_study_left_moves_forward_again() {
        let left_on = NaiveDate::from_ymd_opt(2024, 2, 15).expect("a day");
        for (text, expected) in [
            ("20240201", Some("20240301")),
            ("20240201235959", Some("20240301235959")),
            ("20240214", Some("20240314")),
            ("20240215", None),
            ("20240301", None),
            ("", None),
        ] {
            assert_eq!(moved_forward(text, 29, left_on).as_deref(), expected, "{text}");
        }
    }
}
