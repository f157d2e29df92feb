//! Date-times as far as they are written (PS3.5 6.2, VR DT): `2026` is the whole year, `20260131` a day.

use super::tree::{Node, Toml};

/// The time from `first` to before `end`, in microseconds by the clock where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateTime {
    first: i64,
    end: i64,
    /// Microseconds that the clock is ahead of UTC, if it says so.
    offset: Option<i64>,
}

pub(super) const EXAMPLE: &str =
    "a date-time such as 2026-01-31T07:30:00 or \"20260131073000\" (or its beginning, \"202601\")";
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl DateTime {
    /// Reads `YYYY[MM[DD[HH[MM[SS[.F]]]]]][+ZZXX]`.
    pub(super) fn read(text: &str) -> Option<DateTime> {
        let (clock, offset) = match text.rfind(['+', '-']) {
            Some(at) => (text.get(..at)?, Some(offset(text.get(at..)?)?)),
            None => (text, None),
        };
        let (whole, fraction) = match clock.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (clock, None),
        };
        let complete = whole.len() == 14;
        let known_length = matches!(whole.len(), 4 | 6 | 8 | 10 | 12 | 14);
        if !known_length || !digits(whole) || (fraction.is_some() && !complete) {
            return None;
        }
        let part = |at: usize| whole.get(at..at + 2).and_then(|part| part.parse::<i64>().ok());
        let year: i64 = whole.get(..4)?.parse().ok()?;
        let (month, day) = (part(4).unwrap_or(1), part(6).unwrap_or(1));
        if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
            return None;
        }
        let (hour, minute, second) = (part(8), part(10), part(12));
        if hour > Some(23) || minute > Some(59) || second > Some(60) {
            return None;
        }
        let of_day = (hour.unwrap_or(0) * 60 + minute.unwrap_or(0)) * 60 + second.unwrap_or(0);
        let first = days(year, month, day) * DAY + of_day * SECOND;
        let (first, length) = match (fraction, whole.len()) {
            (Some(fraction), _) => {
                let (more, length) = microseconds(fraction)?;
                (first + more, length)
            }
            (None, 4) => (first, (days(year + 1, 1, 1) - days(year, 1, 1)) * DAY),
            (None, 6) => (first, days_of(year, month) * DAY),
            (None, 8) => (first, DAY),
            (None, 10) => (first, 3600 * SECOND),
            (None, 12) => (first, 60 * SECOND),
            (None, _) => (first, SECOND),
        };
        Some(DateTime { first, end: first + length, offset })
    }

    /// The value that a rule writes.
    pub(super) fn literal(node: &Node) -> Option<DateTime> {
        Self::read(&as_dicom(node)?)
    }

    /// Whether all of this time lies in the other one; none when only a part does.
    pub(super) fn is(self, wanted: DateTime) -> Option<bool> {
        if self.begins_in_or_after(wanted) && self.ends_in_or_before(wanted) {
            return Some(true);
        }
        let ahead = self.ahead_of(wanted);
        let apart = self.end - ahead <= wanted.first || self.first - ahead >= wanted.end;
        apart.then_some(false)
    }

    pub(super) fn begins_in_or_after(self, min: DateTime) -> bool {
        self.first - self.ahead_of(min) >= min.first
    }

    pub(super) fn ends_in_or_before(self, max: DateTime) -> bool {
        self.end - self.ahead_of(max) <= max.end
    }

    pub(super) fn is_before(self, other: DateTime) -> bool {
        self.end - self.ahead_of(other) <= other.first
    }

    /// By how much the clock of one is ahead of the other's; both show the hospital's time unless
    /// both say something else.
    fn ahead_of(self, other: DateTime) -> i64 {
        self.offset.zip(other.offset).map_or(0, |(own, other)| own - other)
    }
}

/// As DICOM writes it.
pub(super) fn as_dicom(node: &Node) -> Option<String> {
    match &node.value {
        Toml::Text(text) => Some(text.trim().to_string()),
        Toml::Moment(moment) if moment.date.is_some() => {
            let text = moment.to_string().replace('Z', "+00:00");
            let (date, time) = text.split_once('T').unwrap_or((&text, ""));
            let zone = time.find(['+', '-']).unwrap_or(time.len());
            let (clock, zone) = time.split_at(zone);
            // DICOM has six digits behind the point, TOML up to nine.
            let clock: String = clock.chars().filter(|c| *c != ':').take(13).collect();
            Some(format!("{}{clock}{}", date.replace('-', ""), zone.replace(':', "")))
        }
        _ => None,
    }
}

/// Microseconds of `+ZZXX`: a clock is at most 12 hours behind and 14 hours ahead.
fn offset(text: &str) -> Option<i64> {
    let (sign, number) = text.split_at_checked(1)?;
    if number.len() != 4 || !digits(number) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    let minutes = (number / 100 * 60 + number % 100) * if sign == "-" { -1 } else { 1 };
    let exists = number % 100 < 60 && (-12 * 60..=14 * 60).contains(&minutes);
    exists.then_some(minutes * 60 * SECOND)
}

/// One to six digits behind the point, and how long the time is that they stand for.
fn microseconds(fraction: &str) -> Option<(i64, i64)> {
    let length = 10_i64.checked_pow(6_usize.checked_sub(fraction.len())?.try_into().ok()?)?;
    let number = fraction.parse::<i64>().ok().filter(|_| digits(fraction))?;
    Some((number * length, length))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn days_of(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next_year, next, 1) - days(year, month, 1)
}

/// Days since 1970-01-01 of the Gregorian calendar, which counts its years from March on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DateTime {
        DateTime::read(text).unwrap_or_else(|| panic!("{text} is a date-time"))
    }

    #[test]
    fn a_date_time_is_as_long_as_it_is_written_exactly() {
        assert_eq!(read("1970").end, 365 * DAY);
        assert_eq!(read("20240229").first, 19_782 * DAY);
        let length = |text: &str| read(text).end - read(text).first;
        assert_eq!(length("202402"), 29 * DAY);
        assert_eq!(length("2026013107"), 3600 * SECOND);
        assert_eq!(length("20260131073000.25"), 10_000);
        assert_eq!(read("20260131073000.25").first - read("20260131073000").first, 250_000);
    }

    #[test]
    fn what_no_clock_shows_is_no_date_time() {
        for text in [
            "",
            "20",
            "202613",
            "20260230",
            "2026013124",
            "202601310760",
            "2026.5",
            "20260131073000.1234567",
            "20260131073000.",
            "2026+9900",
            "2026+01",
            "20é6",
            "2026+",
        ] {
            assert_eq!(DateTime::read(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_count_where_both_have_one() {
        let is = |a: &str, b: &str| read(a).is(read(b));
        assert_eq!(is("20260131073000+0100", "20260131063000+0000"), Some(true));
        assert_eq!(is("20260131073000+0100", "20260131073000+0000"), Some(false));
        assert_eq!(is("20260131073000+0100", "20260131073000"), Some(true));
        assert_eq!(is("20260131", "2026"), Some(true));
        assert_eq!(is("2026", "20260131"), None);
        assert_eq!(is("2025", "20260131"), Some(false));
    }
}
