//! `between` of a `[[peer]]`: the times of day at which the node may deliver to it, as `19:00-06:00`.

use std::fmt;

/// Minutes of the local day: from the first on, up to the second, over midnight where that is the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    from: u32,
    to: u32,
}

const DAY: u32 = 24 * 60;

impl Between {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (from, to) = text.split_once('-').ok_or("write two times of day, as in 19:00-06:00")?;
        let (from, to) = (minute(from.trim())?, minute(to.trim())?);
        match from % DAY == to % DAY {
            true => Err("it begins when it ends: leave `between` out to deliver at all times"),
            false => Ok(Self { from: from % DAY, to }),
        }
    }

    /// Whether this minute of the local day lies in it.
    pub fn holds(self, minute: u32) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// Of the day; 24:00 is its end.
fn minute(text: &str) -> Result<u32, &'static str> {
    const WRONG: &str = "a time of day is written as 06:00, up to 24:00";
    let (hours, minutes) = text.split_once(':').ok_or(WRONG)?;
    let number = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u32>().map_err(|_| WRONG),
        false => Err(WRONG),
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    if minutes < 60 && minute <= DAY { Ok(minute) } else { Err(WRONG) }
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_lies_in_it_from_the_first_minute_to_the_one_before_the_last() {
        let check = |text: &str, inside: &[u32], outside: &[u32]| {
            let between = Between::parse(text).expect("good");
            assert_eq!(between.to_string(), text);
            assert!(inside.iter().all(|minute| between.holds(*minute)), "{text}");
            assert!(!outside.iter().any(|minute| between.holds(*minute)), "{text}");
        };
        check(
            "19:00-06:00",
            &[19 * 60, 23 * 60 + 59, 0, 5 * 60 + 59],
            &[6 * 60, 12 * 60, 18 * 60 + 59],
        );
        check("12:30-13:00", &[12 * 60 + 30, 12 * 60 + 59], &[12 * 60 + 29, 13 * 60, 0]);
        check("20:00-24:00", &[20 * 60, 23 * 60 + 59], &[0, 19 * 60 + 59]);
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for wrong in [
            "",
            "19:00",
            "19-06",
            "25:00-06:00",
            "19:60-06:00",
            "7:00-8:00",
            "06:00-06:00",
            "00:00-24:00",
            "+7:00-08:00",
        ] {
            assert!(Between::parse(wrong).is_err(), "{wrong}");
        }
    }
}
