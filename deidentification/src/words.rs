//! Clean Descriptors (PS3.15 E.3.5, note 2): of a text only those words are kept that are known to be useful and safe.

use crate::profile::Profile;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Of techniques, planes, regions, phases and contrast; one or several a line, in lower case.
static KNOWN: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words.txt").split_whitespace().collect());

/// Units that may stand behind a number of any length.
const UNITS: [&str; 12] =
    ["mm", "cm", "s", "sec", "ms", "min", "kv", "kvp", "ma", "mas", "ml", "t"];

/// What is left of the text; `names` (in lower case) are of somebody, whatever else they mean.
pub(crate) fn cleaned(text: &str, profile: &Profile, names: &[String]) -> String {
    let split = |c: char| !(c.is_alphanumeric() || c == '.');
    let words = text.split(split).map(|word| word.trim_matches('.')).filter(|word| {
        let lower = word.to_lowercase();
        let known = KNOWN.contains(&*lower) || profile.words.contains(&lower) || is_number(&lower);
        known && !names.contains(&lower)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Of one or two digits, or with a decimal, or with a unit: what is longer may be a number of somebody.
fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &word[digits.len()..];
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = if unit.is_empty() { whole.len() <= 2 } else { whole.len() <= 4 };
    !whole.is_empty()
        && all_digits(whole)
        && all_digits(decimals)
        && decimals.len() <= 3
        && is_short
        && (unit.is_empty() || UNITS.contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_description_what_is_known_to_be_harmless_stays() {
        let names = ["hand".to_string(), "maria".to_string()];
        let profile = Profile { words: ["lungnet".into()].into(), ..Profile::basic("test") };
        for (text, expected) in [
            ("CT chest abdomen pelvis - 55F Dr. Smith", "CT chest abdomen pelvis"),
            ("Thorax 1.25mm B70f, LungNet", "Thorax 1.25mm LungNet"),
            ("left hand Dr. Hand", "left"),
            ("AX T2 FLAIR 3 mm 4711 0815.77", "AX T2 FLAIR 3"),
            ("Müller^Maria 19520304", ""),
            ("120kV 4500000mA 1.2.3", "120kV"),
        ] {
            assert_eq!(cleaned(text, &profile, &names), expected, "{text}");
        }
    }
}
