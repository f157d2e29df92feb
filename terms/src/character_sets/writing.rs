//! Unicode text as bytes in the Specific Character Set of a data set. What cannot be said there is refused, never replaced.

use super::{CharacterSets, ESCAPES, Repertoire, in_g0_by_two, repertoire};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

type Escape = &'static (&'static [u8], bool, Repertoire);

const ASCII: Repertoire = Repertoire::Known("ISO_IR 6");
const KATAKANA: Repertoire = Repertoire::Known("ISO_IR 13");

/// One value of an attribute of a data set whose (0008,0005) has this value, which is empty where there is none.
pub fn encode(specific_character_set: &[u8], text: &str) -> Option<Vec<u8>> {
    let value = String::from_utf8_lossy(specific_character_set);
    let terms: Vec<&str> = value.split('\\').map(|term| term.trim_matches(['\0', ' '])).collect();
    let sets = CharacterSets::from_attribute(specific_character_set);
    let initial = initial(terms[0]);
    let bytes = match sets.extensions {
        true => by_escapes(initial, &terms, text)?,
        false => plain(initial, text)?,
    };
    // What the reader makes of it is what counts.
    (sets.text(&bytes) == text.trim_end_matches(['\0', ' '])).then_some(bytes)
}

/// The reader takes a term that it does not know for Latin-1; nobody else has to.
fn initial(term: &str) -> Repertoire {
    match repertoire(term) {
        Repertoire::Known("ISO_IR 100") if !term.ends_with(" 100") => ASCII,
        known => known,
    }
}

fn plain(set: Repertoire, text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.as_bytes().to_vec());
    }
    match set {
        Repertoire::Known("ISO_IR 6") => None,
        Repertoire::Known("ISO_IR 192") => Some(text.as_bytes().to_vec()),
        Repertoire::Known(term) => {
            let bytes = SpecificCharacterSet::from_code(term)?.encode(text).ok()?;
            let lowest = match term {
                "GB18030" | "GBK" => return Some(bytes),
                // The codec knows pairs that are no part of KS X 1001.
                "ISO_IR 149" => 0xA1,
                // Those for one byte a character, and what the codec adds to them of its own.
                _ if bytes.len() != text.chars().count() => return None,
                _ => 0xA0,
            };
            bytes.iter().all(|byte| byte.is_ascii() || *byte >= lowest).then_some(bytes)
        }
        Repertoire::Latin(exchanged) => text.chars().map(|c| latin(exchanged, c)).collect(),
    }
}

fn latin(exchanged: &[(char, char)], c: char) -> Option<u8> {
    if let Some((from, _)) = exchanged.iter().find(|(_, to)| *to == c) {
        return u8::try_from(*from).ok();
    }
    let replaced = exchanged.iter().any(|(from, _)| *from == c);
    u8::try_from(c).ok().filter(|byte| !replaced && (byte.is_ascii() || *byte >= 0xA0))
}

/// The escape sequence that calls in what a term stands for, if it has one.
fn escape_of(term: &str) -> Option<Escape> {
    let set = match term {
        "ISO 2022 IR 87" => Repertoire::Known("ISO_IR 87"),
        // Nothing that writes JIS X 0212 is at hand.
        "ISO 2022 IR 159" => return None,
        other => initial(other),
    };
    // Katakana of IR 13 is in G1; its entry for G0 is the Roman half.
    ESCAPES.iter().find(|(_, g0, of)| *of == set && !(set == KATAKANA && *g0))
}

/// A text while it is written: what is called in at present.
struct Written {
    bytes: Vec<u8>,
    initial: Repertoire,
    low: Repertoire,
    high: Repertoire,
}

fn by_escapes(initial: Repertoire, terms: &[&str], text: &str) -> Option<Vec<u8>> {
    let declared: Vec<Escape> = terms.iter().filter_map(|term| escape_of(term)).collect();
    let mut written = Written { bytes: Vec::new(), initial, low: ASCII, high: initial };
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => {
                match b"^=\\\r\n\x0c\t".contains(&byte) {
                    true => written.go_back(),
                    false => written.back_to_ascii(),
                }
                written.bytes.push(byte);
            }
            _ => written.put(c, &declared)?,
        }
    }
    written.go_back();
    Some(written.bytes)
}

impl Written {
    /// By what is called in already, if that has the character; by the first declared set otherwise.
    fn put(&mut self, c: char, declared: &[Escape]) -> Option<()> {
        let current = [self.low, self.high];
        let bytes = current.iter().find_map(|set| one(*set, c));
        if let Some(bytes) = bytes {
            self.bytes.extend(bytes);
            return Some(());
        }
        let (bytes, (sequence, g0, set)) =
            declared.iter().find_map(|escape| Some((one(escape.2, c)?, **escape)))?;
        self.call(sequence);
        if g0 {
            self.low = set;
        } else {
            self.high = set;
        }
        self.bytes.extend(bytes);
        Some(())
    }

    fn call(&mut self, sequence: &[u8]) {
        self.bytes.push(0x1B);
        self.bytes.extend_from_slice(sequence);
    }

    fn back_to_ascii(&mut self) {
        if in_g0_by_two(self.low) {
            self.call(if self.initial == KATAKANA { b"(J" } else { b"(B" });
            self.low = ASCII;
        }
    }

    /// To the sets of the first term, as before each delimiter and at the end (PS3.5 6.1.2.5.3).
    fn go_back(&mut self) {
        self.back_to_ascii();
        let of_initial =
            ESCAPES.iter().find(|(_, g0, set)| !*g0 && *set == self.initial && self.high != *set);
        if let Some((sequence, _, _)) = of_initial {
            self.call(sequence);
        }
        self.high = self.initial;
    }
}

/// A character that is not ASCII, in a set that is called in.
fn one(set: Repertoire, c: char) -> Option<Vec<u8>> {
    let text = c.to_string();
    match set {
        Repertoire::Known("ISO_IR 87") => {
            let bytes = SpecificCharacterSet::from_code("ISO_IR 87")?.encode(&text).ok()?;
            Some(bytes.strip_prefix(b"\x1b$B")?.get(..2)?.to_vec())
        }
        Repertoire::Known("GBK") => {
            // GB 2312 is the part of GBK in which both bytes are in G1.
            plain(set, &text).filter(|bytes| bytes.iter().all(|byte| *byte >= 0xA1))
        }
        _ => plain(set, &text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terms: &str, text: &str, expected: Option<&[u8]>) {
        assert_eq!(encode(terms.as_bytes(), text).as_deref(), expected, "{terms}: {text}");
    }

    /// The examples of PS3.5 Annexes H, I, J and K.
    #[test]
    fn names_of_the_standards_own_examples_are_written_as_there() {
        check(
            "\\ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎",
            Some(b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
        );
        check(
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
            Some(b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"),
        );
        check(
            "\\ISO 2022 IR 149",
            "Hong^Gildong=洪^吉洞",
            Some(b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
        );
        check("\\ISO 2022 IR 58", "Zhang=张", Some(b"Zhang=\x1b$)A\xd5\xc5"));
        check("GB18030", "Wang=王", Some(b"Wang=\xcd\xf5"));
        check("ISO_IR 192", "Müller=山田", Some("Müller=山田".as_bytes()));
        check("ISO_IR 144", "Люкс", Some(b"\xbb\xee\xda\xe1"));
        check("ISO_IR 148", "Şişli", Some(b"\xdei\xfeli"));
        check("ISO_IR 203", "10 €", Some(b"10 \xa4"));
        check("ISO 2022 IR 100\\ISO 2022 IR 144", "é Л é", Some(b"\xe9 \x1b-L\xbb \x1b-A\xe9"));
    }

    #[test]
    fn what_a_set_has_no_place_for_is_refused_and_never_replaced() {
        check("", "Klinik", Some(b"Klinik"));
        for (terms, text) in [
            ("", "Müller"),
            ("ISO_IR 6", "Müller"),
            ("ISO_IR 999", "Müller"),
            ("ISO_IR 100", "山"),
            ("ISO_IR 100", "€"),
            ("ISO_IR 100", "\u{85}"),
            ("ISO_IR 203", "¤"),
            ("ISO_IR 13", "山"),
            ("ISO_IR 166", "…"),
            ("\\ISO 2022 IR 87", "é"),
            ("\\ISO 2022 IR 149", "똠"),
            ("\\ISO 2022 IR 159", "丂"),
        ] {
            check(terms, text, None);
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was_or_not_written_at_all() {
        let text: Vec<char> = "aé^Л=山ﾔ\\洪 张Ğ€\r\n똠ζאش丂".chars().collect();
        for terms in [
            "ISO_IR 192",
            "\\ISO 2022 IR 87\\ISO 2022 IR 159",
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 149",
            "ISO 2022 IR 101\\ISO 2022 IR 58\\ISO 2022 IR 127",
            "GB18030",
            "GBK",
            "ISO_IR 138",
            "nonsense\\",
        ] {
            let sets = CharacterSets::from_attribute(terms.as_bytes());
            for (first, c) in text.iter().enumerate() {
                for next in &text[first..] {
                    let pair = format!("{c}{next}x{c}z");
                    if let Some(bytes) = encode(terms.as_bytes(), &pair) {
                        assert_eq!(sets.text(&bytes), pair, "{terms}");
                    }
                }
            }
        }
    }
}
