//! Reads the JSON that this node writes of headers, and nothing else: what it does not know goes to the reader of all JSON.

// A series of a thousand images is read for each decision: a reader that is generated takes three
// times as long.

use super::{Attribute, Difference, Header, Tag, Value, Values, Vr};
use compact_str::CompactString;

/// Bytes of one attribute as text: room for as many as there may be.
const USUAL: usize = 40;
const MOST_AT_ONCE: usize = 64;

/// Items in items; what lies deeper is for the other reader.
const DEPTH: u32 = 24;

impl Header {
    /// Nothing where only a reader of all JSON can tell what the text says.
    pub fn read(text: &str) -> Option<Self> {
        let Difference { own, gone } = Difference::read(text)?;
        gone.is_empty().then_some(own)
    }
}

impl Difference {
    /// Nothing where only a reader of all JSON can tell what the text says.
    pub fn read(text: &str) -> Option<Self> {
        let mut rest = Rest { text, at: 0 };
        let found = rest.entries(0)?;
        (rest.at == text.len()).then_some(found)
    }
}

/// What is still to be read.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, word: &str) -> bool {
        let there = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let taken = self.text.get(self.at..self.at + length)?;
        self.at += length;
        Some(taken)
    }

    /// `{"GGGGEEEE":attribute,"GGGGEEEE":null}`
    fn entries(&mut self, depth: u32) -> Option<Difference> {
        let mut found = Difference::default();
        if depth > DEPTH || !self.skip("{") {
            return None;
        }
        if self.skip("}") {
            return Some(found);
        }
        if depth == 0 {
            found.own.0.reserve((self.text.len() / USUAL).min(MOST_AT_ONCE));
        }
        loop {
            let tag = self.tag()?;
            match self.skip("null") {
                true => found.gone.push(tag),
                false => drop(found.own.0.insert(tag, self.attribute(depth)?)),
            }
            if self.skip("}") {
                return Some(found);
            }
            self.skip(",").then_some(())?;
        }
    }

    fn tag(&mut self) -> Option<Tag> {
        self.skip("\"").then_some(())?;
        let mut tag = 0;
        for digit in self.take(8)?.bytes() {
            tag = tag << 4 | char::from(digit).to_digit(16)?;
        }
        self.skip("\":").then_some(tag)
    }

    /// `{"vr":"CS","values":["ORIGINAL","PRIMARY"]}`
    fn attribute(&mut self, depth: u32) -> Option<Attribute> {
        self.skip("{\"vr\":\"").then_some(())?;
        let vr = Vr::from(self.take(2).filter(|vr| vr.bytes().all(|b| b.is_ascii_uppercase()))?);
        if self.skip("\"}") {
            return Some(Attribute { vr, values: Values::new() });
        }
        self.skip("\",\"values\":[").then_some(())?;
        let mut values = Values::new();
        loop {
            values.push(self.value(depth)?);
            if self.skip("]}") {
                return Some(Attribute { vr, values });
            }
            self.skip(",").then_some(())?;
        }
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        match self.next()? {
            b'"' => self.string().map(Value::Text),
            b'{' => {
                let Difference { own, gone } = self.entries(depth + 1)?;
                gone.is_empty().then_some(Value::Item(own))
            }
            _ => self.number(),
        }
    }

    fn string(&mut self) -> Option<CompactString> {
        self.at += 1;
        let mut found = CompactString::default();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
            let part = self.take(plain)?;
            match rest[plain] {
                b'"' => {
                    self.at += 1;
                    if found.is_empty() {
                        return Some(part.into());
                    }
                    found.push_str(part);
                    return Some(found);
                }
                b'\\' => {
                    found.push_str(part);
                    found.push(match rest.get(plain + 1)? {
                        b'"' => '"',
                        b'\\' => '\\',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        _ => return None,
                    });
                    self.at += 2;
                }
                _ => return None,
            }
        }
    }

    /// Zero with a sign, and what is larger than an integer may be, is for the other reader.
    fn number(&mut self) -> Option<Value> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b']'))?;
        let text = self.take(length)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leads = digits.bytes().next()?.is_ascii_digit();
        if !leads || (digits.starts_with('0') && !digits.starts_with("0.") && text != "0") {
            return None;
        }
        if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return text.parse().ok().map(Value::Integer);
        }
        let known = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let number: f64 = text.parse().ok().filter(|_| digits.bytes().all(known))?;
        number.is_finite().then_some(Value::Decimal(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one(tag: Tag, vr: &str, values: Vec<Value>) -> Difference {
        let attribute = Attribute { vr: vr.into(), values: values.into() };
        Difference { own: Header([(tag, attribute)].into_iter().collect()), gone: Vec::new() }
    }

    #[test]
    fn what_this_node_writes_is_read() {
        let check = |text: &str, expected: Difference| {
            assert_eq!(Difference::read(text), Some(expected), "{text}");
            (0..text.len()).filter(|end| text.is_char_boundary(*end)).for_each(|end| {
                assert_eq!(Difference::read(&text[..end]), None, "{}", &text[..end]);
            });
        };
        let text = |text: &str| Value::Text(text.into());
        check("{}", Difference::default());
        check(
            "{\"00080008\":{\"vr\":\"CS\",\"values\":[\"ORIGINAL\",\"\"]}}",
            of_one(0x0008_0008, "CS", vec![text("ORIGINAL"), text("")]),
        );
        check(
            "{\"00100010\":{\"vr\":\"PN\",\"values\":[\"M\u{fc}ller\\\"\\\\\\n\"]}}",
            of_one(0x0010_0010, "PN", vec![text("M\u{fc}ller\"\\\n")]),
        );
        check("{\"FFFA0001\":{\"vr\":\"UN\"}}", of_one(0xFFFA_0001, "UN", Vec::new()));
        let numbers = vec![Value::Integer(-3), Value::Integer(0), Value::Decimal(-0.25e-7)];
        check(
            "{\"00280010\":{\"vr\":\"US\",\"values\":[-3,0,-0.25e-7]}}",
            of_one(0x0028_0010, "US", numbers),
        );
        let item = of_one(1, "US", vec![Value::Integer(1)]).own;
        check(
            r#"{"00081110":{"vr":"SQ","values":[{"00000001":{"vr":"US","values":[1]}},{}]}}"#,
            of_one(0x0008_1110, "SQ", vec![Value::Item(item), Value::Item(Header::default())]),
        );
        let gone = Difference { own: Header::default(), gone: vec![1, 2] };
        check("{\"00000001\":null,\"00000002\":null}", gone);
    }

    #[test]
    fn what_only_a_reader_of_all_json_can_tell_is_left_to_it() {
        let of_value =
            |value: &str| format!("{{\"00080008\":{{\"vr\":\"CS\",\"values\":[{value}]}}}}");
        let values = [
            "",
            "1,",
            "-0",
            "01",
            "1a",
            "inf",
            "NaN",
            "1e999",
            "9223372036854775808",
            "true",
            "null",
            "[1]",
            "\"\\u0041\"",
            "\"\\q\"",
            "\"\n\"",
            "\"a",
            "{\"00080008\":null}",
            "- 1",
            "+1",
            " 1",
        ];
        for text in values.map(of_value) {
            assert_eq!(Difference::read(&text), None, "{text}");
        }
        let deep = (0..100).fold("{}".to_string(), |inner, _| of_value(&inner));
        assert_eq!(Difference::read(&deep), None);
        for text in [
            "",
            "null",
            "{} ",
            "{ }",
            "{\"0008\":null}",
            "{\"0008000\u{e9}\":null}",
            "{\"00080008\":{}}",
            "{\"00080008\":{\"vr\":\"cs\"}}",
            "{\"00080008\":{\"vr\":\"\u{e9}\"}}",
            "{\"00080008\":null,}",
        ] {
            assert_eq!(Difference::read(text), None, "{text}");
        }
        assert_eq!(Header::read("{\"00080008\":null}"), None);
    }
}
