//! Text by Specific Character Set (0008,0005) as Unicode (PS3.5 6.1, PS3.3 C.12.1.1.2), ISO 2022 escapes included.

mod writing;

use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
pub use writing::encode;

/// How the text of one data set is encoded. Never fails: what cannot be read becomes U+FFFD,
/// and a set that is not known is read as ISO 8859-1, so that names stay comparable.
#[derive(Debug, Clone, PartialEq)]
pub struct CharacterSets {
    initial: Repertoire,
    extensions: bool,
}

/// What the bytes of one run mean.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repertoire {
    /// A set that dicom-encoding reads, by its defined term.
    Known(&'static str),
    /// ISO 8859-9 and ISO 8859-15: ISO 8859-1 with a few characters exchanged.
    Latin(&'static [(char, char)]),
}

const LATIN_5: &[(char, char)] = &[
    ('\u{D0}', 'Ğ'),
    ('\u{DD}', 'İ'),
    ('\u{DE}', 'Ş'),
    ('\u{F0}', 'ğ'),
    ('\u{FD}', 'ı'),
    ('\u{FE}', 'ş'),
];
const LATIN_9: &[(char, char)] = &[
    ('\u{A4}', '€'),
    ('\u{A6}', 'Š'),
    ('\u{A8}', 'š'),
    ('\u{B4}', 'Ž'),
    ('\u{B8}', 'ž'),
    ('\u{BC}', 'Œ'),
    ('\u{BD}', 'œ'),
    ('\u{BE}', 'Ÿ'),
];

/// Escape sequences behind ESC (PS3.3 Tables C.12-3 and C.12-4), and whether they change G0 or G1.
const ESCAPES: &[(&[u8], bool, Repertoire)] = &[
    (b"(B", true, Repertoire::Known("ISO_IR 6")),
    (b"(J", true, Repertoire::Known("ISO_IR 13")),
    (b"$B", true, Repertoire::Known("ISO_IR 87")),
    (b"$(D", true, Repertoire::Known("ISO_IR 159")),
    (b")I", false, Repertoire::Known("ISO_IR 13")),
    (b"$)C", false, Repertoire::Known("ISO_IR 149")),
    (b"$)A", false, Repertoire::Known("GBK")),
    (b"-A", false, Repertoire::Known("ISO_IR 100")),
    (b"-B", false, Repertoire::Known("ISO_IR 101")),
    (b"-C", false, Repertoire::Known("ISO_IR 109")),
    (b"-D", false, Repertoire::Known("ISO_IR 110")),
    (b"-L", false, Repertoire::Known("ISO_IR 144")),
    (b"-G", false, Repertoire::Known("ISO_IR 127")),
    (b"-F", false, Repertoire::Known("ISO_IR 126")),
    (b"-H", false, Repertoire::Known("ISO_IR 138")),
    (b"-T", false, Repertoire::Known("ISO_IR 166")),
    (b"-M", false, Repertoire::Latin(LATIN_5)),
    (b"-b", false, Repertoire::Latin(LATIN_9)),
];

impl Default for CharacterSets {
    /// The default repertoire, ISO 646.
    fn default() -> Self {
        Self { initial: Repertoire::Known("ISO_IR 6"), extensions: false }
    }
}

impl CharacterSets {
    /// From the values of (0008,0005), as bytes of the file with their backslashes.
    pub fn from_attribute(value: &[u8]) -> Self {
        let value = String::from_utf8_lossy(value);
        let terms: Vec<&str> = value.split('\\').map(|t| t.trim_matches(['\0', ' '])).collect();
        let extensions = terms.len() > 1 || terms.iter().any(|t| t.starts_with("ISO 2022"));
        Self { initial: repertoire(terms.first().copied().unwrap_or("")), extensions }
    }

    /// The values of a text attribute that may have several (PN, LO, SH, UC), without padding.
    /// A byte 5C inside a character of two bytes is no delimiter (PS3.5 6.1.2.3).
    pub fn values(&self, bytes: &[u8]) -> Vec<String> {
        self.split(bytes)
            .into_iter()
            .map(|part| self.decode(part).trim_matches(['\0', ' ']).to_owned())
            .collect()
    }

    /// The one value of a text attribute in which a backslash is a character (ST, LT, UT).
    pub fn text(&self, bytes: &[u8]) -> String {
        let parts: Vec<String> = self.split(bytes).into_iter().map(|p| self.decode(p)).collect();
        // The JIS X 0201 repertoire has the yen sign in the place of the backslash.
        let backslash = if self.initial == Repertoire::Known("ISO_IR 13") { "¥" } else { "\\" };
        parts.join(backslash).trim_end_matches(['\0', ' ']).to_owned()
    }

    fn split<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let two_bytes =
            matches!(self.initial, Repertoire::Known("GB18030" | "GBK")) && !self.extensions;
        let mut parts = Vec::new();
        let (mut begin, mut at, mut double) = (0, 0, false);
        while at < bytes.len() {
            match bytes[at] {
                0x1B if self.extensions => {
                    let (length, state) = escape(&bytes[at..]);
                    double = state.map_or(
                        double,
                        |(g0, set)| {
                            if g0 { in_g0_by_two(set) } else { double }
                        },
                    );
                    at += length;
                }
                b'\\' if !double => {
                    parts.push(&bytes[begin..at]);
                    begin = at + 1;
                    at += 1;
                }
                0x81..=0xFE if two_bytes => at += 2,
                _ => at += if double { 2 } else { 1 },
            }
        }
        parts.push(&bytes[begin.min(bytes.len())..]);
        parts
    }

    fn decode(&self, bytes: &[u8]) -> String {
        if !self.extensions {
            return whole(self.initial, bytes);
        }
        let mut text = String::new();
        let (mut low, mut high) = (Repertoire::Known("ISO_IR 6"), self.initial);
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == 0x1B {
                let (length, state) = escape(&bytes[at..]);
                match state {
                    Some((true, set)) => low = set,
                    Some((false, set)) => high = set,
                    None => text.push('\u{FFFD}'),
                }
                at += length;
                continue;
            }
            let upper = bytes[at] >= 0x80;
            let rest = &bytes[at..];
            let run = rest.iter().position(|b| *b == 0x1B || (*b >= 0x80) != upper);
            let run = &rest[..run.unwrap_or(rest.len())];
            // A delimiter of names and lines puts the initial sets back (PS3.5 6.1.2.5.3).
            let end = if upper || in_g0_by_two(low) {
                run.len()
            } else {
                run.iter().position(|b| b"^=\r\n\x0c\t".contains(b)).map_or(run.len(), |p| p + 1)
            };
            text += &whole(if upper { high } else { low }, &run[..end]);
            if !upper && !in_g0_by_two(low) && b"^=\r\n\x0c\t".contains(&run[end - 1]) {
                (low, high) = (Repertoire::Known("ISO_IR 6"), self.initial);
            }
            at += end;
        }
        text
    }
}

/// Sets of two bytes a character in G0: every byte pair is one, whatever it looks like.
fn in_g0_by_two(set: Repertoire) -> bool {
    matches!(set, Repertoire::Known("ISO_IR 87" | "ISO_IR 159"))
}

/// Length of the escape sequence at the start of `bytes` and what it calls in.
fn escape(bytes: &[u8]) -> (usize, Option<(bool, Repertoire)>) {
    for (sequence, g0, set) in ESCAPES {
        if bytes[1..].starts_with(sequence) {
            return (1 + sequence.len(), Some((*g0, *set)));
        }
    }
    (1, None)
}

fn repertoire(term: &str) -> Repertoire {
    match term {
        "ISO_IR 148" | "ISO 2022 IR 148" => Repertoire::Latin(LATIN_5),
        "ISO_IR 203" | "ISO 2022 IR 203" => Repertoire::Latin(LATIN_9),
        // In G0 from the start, only escapes call these in.
        "ISO 2022 IR 87" | "ISO 2022 IR 159" => Repertoire::Known("ISO_IR 6"),
        "GB18030" => Repertoire::Known("GB18030"),
        "GBK" | "GB2312" | "ISO 2022 IR 58" => Repertoire::Known("GBK"),
        _ => {
            let number = term.rsplit(' ').next().unwrap_or("");
            let known = ESCAPES.iter().find_map(|(_, _, set)| match set {
                Repertoire::Known(name) if name.ends_with(&format!(" {number}")) => Some(*name),
                _ => None,
            });
            match (known, number) {
                (Some(name), _) => Repertoire::Known(name),
                (None, "192") => Repertoire::Known("ISO_IR 192"),
                _ => Repertoire::Known("ISO_IR 100"),
            }
        }
    }
}

/// One run of bytes in one set.
fn whole(set: Repertoire, bytes: &[u8]) -> String {
    match set {
        Repertoire::Known("ISO_IR 192") => String::from_utf8_lossy(bytes).into_owned(),
        Repertoire::Known("ISO_IR 6" | "ISO_IR 100") => bytes.iter().map(|b| *b as char).collect(),
        Repertoire::Known("ISO_IR 87") => by_codec("ISO_IR 87", &[b"\x1b$B", bytes].concat()),
        Repertoire::Known("ISO_IR 159") => by_codec("ISO_IR 87", &[b"\x1b$(D", bytes].concat()),
        Repertoire::Known(term) => by_codec(term, bytes),
        Repertoire::Latin(exchanged) => {
            let exchange = |c: char| exchanged.iter().find(|(from, _)| *from == c);
            bytes.iter().map(|b| exchange(*b as char).map_or(*b as char, |(_, to)| *to)).collect()
        }
    }
}

fn by_codec(term: &str, bytes: &[u8]) -> String {
    let codec = SpecificCharacterSet::from_code(term).unwrap_or_default();
    // The codec writes what it cannot read as a backslash and three octal digits. No backslash
    // of the file comes this far, so that every one found here is such a mark.
    let Ok(text) = codec.decode(bytes) else { return "\u{FFFD}".to_owned() };
    let mut parts = text.split('\\');
    let mut clean = parts.next().unwrap_or("").to_owned();
    for part in parts {
        clean.push('\u{FFFD}');
        clean.extend(part.chars().skip(3));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terms: &str, bytes: &[u8], expected: &str) {
        let values = CharacterSets::from_attribute(terms.as_bytes()).values(bytes);
        assert_eq!(values.join("|"), expected, "{terms}");
    }

    /// The examples of PS3.5 Annexes H, I, J and K.
    #[test]
    fn names_of_the_standards_own_examples_are_read() {
        check(
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        );
        check(
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
        );
        check(
            "\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        );
        check("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东");
        check("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5", "Zhang=张");
        check("ISO_IR 192", "Müller=山田".as_bytes(), "Müller=山田");
        check("ISO_IR 144", b"\xbb\xee\xda\xe1\xd5\xdc\xd1\xe3\xe0\xd3", "Люксембург");
    }

    #[test]
    fn a_delimiter_inside_a_character_does_not_split_it() {
        // GBK 0x8F5C is one character, and JIS X 0208 has pairs that hold 5C.
        assert_eq!(CharacterSets::from_attribute(b"GBK").values(b"\x8f\x5cA\\B").len(), 2);
        let japanese = CharacterSets::from_attribute(b"\\ISO 2022 IR 87");
        assert_eq!(japanese.values(b"\x1b$B\x30\x5c\x1b(B\\B").len(), 2);
    }

    #[test]
    fn broken_text_is_marked_and_never_refused() {
        check("ISO_IR 192", b"M\xfcller", "M\u{FFFD}ller");
        check("ISO_IR 999", b"M\xfcller ", "Müller");
        check("ISO_IR 148", b"\xdei\xfeli", "Şişli");
        check("", b"ASCII\\two", "ASCII|two");
        let bytes: Vec<u8> = (0u8..=255).cycle().take(700).collect();
        for terms in ["\\ISO 2022 IR 87", "GB18030", "ISO 2022 IR 13\\ISO 2022 IR 159", "ISO_IR 13"]
        {
            let sets = CharacterSets::from_attribute(terms.as_bytes());
            (0..bytes.len()).for_each(|n| drop((sets.values(&bytes[n..]), sets.text(&bytes[..n]))));
        }
    }
}
