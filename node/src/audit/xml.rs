//! XML as audit messages need it: elements, attributes and text, in which nothing that a peer sent can end what it stands in.

/// Elements one behind the other, on one line.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    /// An element, and what `inside` puts into it.
    pub fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.0.push(' ');
            self.0.push_str(key);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
        let before = self.0.len();
        inside(self);
        if self.0.len() == before {
            self.0.insert(before - 1, '/');
            return;
        }
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.element(name, attributes, |_| {});
    }

    pub fn text(&mut self, text: &str) {
        text.chars().for_each(|c| self.character(c));
    }

    /// What XML 1.0 cannot hold at all (section 2.2) is replaced; what a reader of attributes would make a space of
    /// (section 3.3.3) is written by its number, so that no message has more than one line.
    fn character(&mut self, c: char) {
        match c {
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '&' => self.0.push_str("&amp;"),
            '"' => self.0.push_str("&quot;"),
            '\t' => self.0.push_str("&#9;"),
            '\n' => self.0.push_str("&#10;"),
            '\r' => self.0.push_str("&#13;"),
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => self.0.push(char::REPLACEMENT_CHARACTER),
            c => self.0.push(c),
        }
    }

    pub fn end(self) -> String {
        self.0
    }
}

/// RFC 4648 section 4.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |number: usize| u32::from(group.get(number).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            match digit <= group.len() {
                true => text.push(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize].into()),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_without_anything_in_it_closes_itself() {
        let mut xml = Xml::default();
        xml.element("a", &[("b", "c")], |xml| {
            xml.empty("d", &[]);
            xml.element("e", &[], |xml| xml.text("f"));
        });
        assert_eq!(xml.end(), "<a b=\"c\"><d/><e>f</e></a>");
    }

    #[test]
    fn what_is_text_stays_text() {
        let mut xml = Xml::default();
        xml.empty("a", &[("b", "\"/><c d='&amp;'>\r\n\t\0\u{1B}]]>\u{FFFF}Müller")]);
        let wanted = "<a b=\"&quot;/&gt;&lt;c d='&amp;amp;'&gt;&#13;&#10;&#9;\u{FFFD}\u{FFFD}]]&gt;\u{FFFD}Müller\"/>";
        assert_eq!(xml.end(), wanted);
    }

    #[test]
    fn base64_is_that_of_its_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, wanted) in cases {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
        assert_eq!(base64(&[0xFF, 0xFE, 0xFB]), "//77");
    }
}
