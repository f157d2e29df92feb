//! The rules of the text value representations (PS3.5 Table 6.2-1): what fits, what is cut, what is no value at all.

use dicom_core::VR;

/// Text that the node writes, made to fit: control characters become spaces, a backslash in a VR
/// where it would split the value becomes a slash, and the end is cut on a character.
pub fn fitted(vr: VR, text: &str) -> String {
    let lines = matches!(vr, VR::ST | VR::LT | VR::UT);
    let clean: String = text
        .chars()
        .map(|c| match c {
            '\n' if lines => c,
            '\\' if !lines => '/',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let clean = if vr == VR::CS { code_string(&clean) } else { clean };
    match vr {
        VR::PN => clean.split('=').take(3).map(|g| cut(g, 64)).collect::<Vec<_>>().join("="),
        VR::ST | VR::LT => cut_bytes(&clean, limit(vr)),
        _ => cut(&clean, limit(vr)),
    }
}

/// Longest value in characters.
fn limit(vr: VR) -> usize {
    match vr {
        VR::AE | VR::CS | VR::SH | VR::DS => 16,
        VR::LO | VR::UI => 64,
        VR::IS => 12,
        VR::ST => 1024,
        VR::LT => 10240,
        _ => usize::MAX,
    }
}

/// Text of as many characters as the VR allows stays whole. What must be cut is cut to as many
/// bytes, on a character, because some validators and archives count those.
fn cut(text: &str, most: usize) -> String {
    let text = text.trim_matches(' ');
    match text.chars().count() <= most {
        true => text.to_owned(),
        false => cut_bytes(text, most),
    }
}

fn cut_bytes(text: &str, most: usize) -> String {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= most).last().unwrap_or(0);
    text[..end].trim_end().to_owned()
}

fn code_string(text: &str) -> String {
    let keep = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.to_ascii_uppercase().chars().map(|c| if keep(c) { c } else { ' ' }).collect()
}

/// A value of the source as it may be copied, or nothing when its VR does not allow it: a result
/// must not fail at the PACS because an old scanner wrote a date with words.
pub fn copied(vr: VR, text: &str) -> Option<String> {
    let text = text.trim_matches(['\0', ' ']);
    match vr {
        VR::DA => date(text),
        VR::TM => time(text),
        VR::AS => age(text),
        VR::IS => text.parse::<i32>().ok().map(|_| text.to_owned()).filter(|t| t.len() <= 12),
        VR::DS => text.parse::<f64>().ok().and_then(|number| match text.len() {
            0..=16 => number.is_finite().then(|| text.to_owned()),
            _ => decimal(number),
        }),
        // A term that was cut is another term, or none.
        VR::CS => Some(fitted(vr, text)).filter(|_| text.chars().count() <= 16),
        VR::UI => gantry_terms::uid::Uid::parse(text).ok().map(|uid| uid.to_string()),
        _ => Some(fitted(vr, text)),
    }
}

/// `YYYYMMDD`; the form with dots of ACR-NEMA is rewritten.
fn date(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    let two = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u32>().ok();
    let whole = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
    (whole && (1..=12).contains(&two(4..6)?) && (1..=31).contains(&two(6..8)?)).then_some(digits)
}

/// `HHMMSS.FFFFFF`, cut from the right; the form with colons of ACR-NEMA is rewritten.
fn time(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| *c != ':').collect();
    let (clock, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let two = |at: usize| clock.get(at..at + 2).map_or(Some(0), |part| part.parse::<u32>().ok());
    let digits = clock.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let form = matches!(clock.len(), 2 | 4 | 6) && (fraction.is_empty() || clock.len() == 6);
    let valid = digits && form && two(0)? < 24 && two(2)? < 60 && two(4)? <= 60;
    let fraction: String = fraction.chars().take(6).collect();
    let dot = if fraction.is_empty() { "" } else { "." };
    valid.then(|| format!("{clock}{dot}{fraction}"))
}

fn age(text: &str) -> Option<String> {
    let (number, unit) = text.split_at_checked(3)?;
    let valid = number.bytes().all(|b| b.is_ascii_digit()) && ["D", "W", "M", "Y"].contains(&unit);
    valid.then(|| text.to_owned())
}

/// A number as DS: at most 16 bytes, as many digits as fit; nothing for NaN and infinities.
pub fn decimal(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let number = if number == 0.0 { 0.0 } else { number };
    let plain = format!("{number}");
    if plain.len() <= 16 {
        return Some(plain);
    }
    let exponents = (0..16).rev().map(|digits| format!("{number:.digits$e}"));
    let fixed = (0..15).rev().map(|digits| format!("{number:.digits$}"));
    let error = |text: &String| (text.parse::<f64>().unwrap_or(f64::MAX) - number).abs();
    let closest = |a: String, b: String| if error(&b) < error(&a) { b } else { a };
    fixed.chain(exponents).filter(|text| text.len() <= 16).reduce(closest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_fits_sixteen_bytes_and_stays_close() {
        for number in [
            0.0,
            -0.0,
            1.0 / 3.0,
            -2556.721923828125,
            1e-7 / 3.0,
            -1.0e300 / 3.0,
            1e22,
            f64::MIN_POSITIVE,
        ] {
            let text = decimal(number).unwrap_or_default();
            let back: f64 = text.parse().unwrap_or(f64::NAN);
            assert!(text.len() <= 16 && !text.is_empty(), "{text}");
            assert!((back - number).abs() <= number.abs() * 1e-9, "{number} {text}");
        }
        assert_eq!(decimal(f64::NAN), None);
        assert_eq!(decimal(f64::INFINITY), None);
        assert_eq!(decimal(-0.0).as_deref(), Some("0"));
    }

    #[test]
    fn text_is_cut_on_characters_and_cannot_make_a_second_value() {
        assert_eq!(fitted(VR::LO, &"ä".repeat(64)), "ä".repeat(64));
        assert_eq!(fitted(VR::LO, &"ä".repeat(70)), "ä".repeat(32));
        assert_eq!(fitted(VR::SH, "a\\b\n"), "a/b");
        assert_eq!(fitted(VR::CS, "Nodule-seg with a long label"), "NODULE SEG WITH");
        assert_eq!(fitted(VR::ST, "a\\b"), "a\\b");
        assert_eq!(fitted(VR::ST, &"山".repeat(500)).len(), 1023);
        assert_eq!(
            fitted(VR::PN, &format!("{}=山", "x".repeat(80))),
            format!("{}=山", "x".repeat(64))
        );
    }

    #[test]
    fn a_value_that_its_vr_does_not_allow_is_not_copied() {
        let check = |vr, text: &str, expected: Option<&str>| {
            assert_eq!(copied(vr, text).as_deref(), expected, "{vr} {text}");
        };
        check(VR::DA, "2007.04.25", Some("20070425"));
        check(VR::DA, "20071325", None);
        check(VR::DA, "May 3", None);
        check(VR::TM, "17:35:19.29600012", Some("173519.296000"));
        check(VR::TM, "1735", Some("1735"));
        check(VR::TM, "250000", None);
        check(VR::AS, "053Y", Some("053Y"));
        check(VR::AS, "53", None);
        check(VR::AS, "ß3Y", None);
        check(VR::DS, "82.5", Some("82.5"));
        check(VR::DS, "0.33333333333333333333", Some("0.33333333333333"));
        check(VR::DS, "NaN", None);
        check(VR::IS, "1e9", None);
        check(VR::CS, "Chest", Some("CHEST"));
        check(VR::CS, "CHEST AND ABDOMEN", None);
        check(VR::UI, "1.02", None);
    }
}
