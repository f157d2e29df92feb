//! Values that have an order: numbers, dates, times, ages.

use super::dictionary::Kind;
use super::subject::Held;
use super::tree::{Node, Toml};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Number,
    Date,
    Time,
    Age,
}

/// Days in a year, month and week, so that 18 years are as long as 216 months.
const DAYS: [(u8, f64); 4] = [(b'Y', 365.25), (b'M', 365.25 / 12.0), (b'W', 7.0), (b'D', 1.0)];

impl Scale {
    /// The scale on which `min` and `max` of such an attribute lie.
    pub(super) fn of(kind: Kind) -> Option<Scale> {
        match kind {
            Kind::Number | Kind::Count | Kind::Any => Some(Scale::Number),
            Kind::Date => Some(Scale::Date),
            Kind::Time | Kind::Clock => Some(Scale::Time),
            Kind::Age => Some(Scale::Age),
            _ => None,
        }
    }

    /// The scale on which a value that a rule writes is compared; none for text.
    pub(super) fn of_value(kind: Kind, node: &Node) -> Option<Scale> {
        match (kind, &node.value) {
            (Kind::Any, Toml::Integer(_) | Toml::Float(_)) => Some(Scale::Number),
            (Kind::Any, _) => None,
            _ => Scale::of(kind),
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Scale::Number => Kind::Number,
            Scale::Date => Kind::Date,
            Scale::Time => Kind::Time,
            Scale::Age => Kind::Age,
        }
    }

    pub(super) fn example(self) -> &'static str {
        match self {
            Scale::Number => "a number",
            Scale::Date => "a date such as 2026-01-31 or \"20260131\"",
            Scale::Time => "a time such as 07:30:00 or \"073000\"",
            Scale::Age => "an age such as \"018Y\" (Y, M, W or D)",
        }
    }

    /// The value of an image on this scale; none when it breaks its VR.
    pub(super) fn read(self, held: &Held) -> Option<f64> {
        match self {
            Scale::Number => held.number,
            Scale::Date => date(&held.text),
            Scale::Time => time(&held.text),
            Scale::Age => age(&held.text),
        }
    }

    /// The value that a rule writes, on this scale.
    pub(super) fn literal(self, node: &Node) -> Option<f64> {
        match (self, &node.value) {
            (Scale::Number, Toml::Integer(number)) => Some(*number as f64),
            (Scale::Number, Toml::Float(number)) => Some(*number).filter(|n| n.is_finite()),
            (Scale::Date, Toml::Text(text)) => date(text.trim()),
            (Scale::Time, Toml::Text(text)) => time(text.trim()),
            (Scale::Age, Toml::Text(text)) => age(text.trim()),
            (Scale::Date, Toml::Moment(moment)) => match (moment.date, moment.time) {
                (Some(d), None) => Some(day(d.year.into(), d.month.into(), d.day.into())),
                _ => None,
            },
            (Scale::Time, Toml::Moment(moment)) => match (moment.date, moment.time) {
                (None, Some(_)) => time(&moment.to_string()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `YYYYMMDD`, and `YYYY.MM.DD` of the time before DICOM (PS3.5 6.2, VR DA).
fn date(text: &str) -> Option<f64> {
    let digits = match text.as_bytes() {
        [_, _, _, _, b'.', _, _, b'.', _, _] => text.replace('.', ""),
        _ => text.to_string(),
    };
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    let (year, month, day_of_month) = (number / 10_000, number / 100 % 100, number % 100);
    let exists = (1..=12).contains(&month) && (1..=31).contains(&day_of_month);
    exists.then(|| day(year, month, day_of_month))
}

/// Not a count of days, but in the same order.
fn day(year: u32, month: u32, day: u32) -> f64 {
    f64::from(year * 10_000 + month * 100 + day)
}

/// Seconds since midnight of `HH[MM[SS[.F]]]`, with or without colons (PS3.5 6.2, VR TM).
fn time(text: &str) -> Option<f64> {
    let text = text.replace(':', "");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !matches!(whole.len(), 2 | 4 | 6) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0.0), |part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    let exists = hours < 24.0 && minutes < 60.0 && seconds <= 60.0;
    exists.then_some(hours * 3600.0 + minutes * 60.0 + seconds + fraction)
}

pub(super) fn is_time(text: &str) -> bool {
    time(text).is_some()
}

/// Days of `nnnY`, `nnnM`, `nnnW`, `nnnD` (PS3.5 6.2, VR AS); scanners leave out zeros.
fn age(text: &str) -> Option<f64> {
    let (unit, number) = text.as_bytes().split_last()?;
    let (_, days) = DAYS.iter().find(|(letter, _)| letter == unit)?;
    if number.is_empty() || number.len() > 3 || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some(number * days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_ages_are_read_as_the_standard_and_its_forerunner_write_them() {
        assert_eq!(date("20070425"), date("2007.04.25"));
        assert!(
            date("20071301").is_none() && date("2007").is_none() && date("2007042\u{e9}").is_none()
        );
        assert_eq!(time("07"), Some(25_200.0));
        assert_eq!(time("0730"), time("07:30:00"));
        assert_eq!(time("173333.5"), Some(63_213.5));
        assert!(time("2500").is_none() && time("7").is_none() && time("\u{e9}\u{e9}").is_none());
        assert_eq!(age("018Y"), age("216M"));
        assert_eq!(age("2W"), Some(14.0));
        assert!(age("Y").is_none() && age("018").is_none() && age("18\u{e9}").is_none());
    }
}
