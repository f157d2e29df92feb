//! A header as the index holds it: text, and where each attribute begins in it, so that two can be compared without being read.

use gantry_terms::header::{Header, Tag, write_entry};
use tokio::sync::OwnedSemaphorePermit;

/// Much smaller than a header that can be asked.
#[derive(Default)]
pub(crate) struct HeaderText {
    text: String,
    /// Where the entry of each outermost attribute begins, in their order.
    begins: Vec<(Tag, u32)>,
    /// Its share of the memory that may wait for the index. Given back when the row is committed.
    _room: Option<OwnedSemaphorePermit>,
}

impl HeaderText {
    pub(crate) fn of(header: &Header) -> Self {
        Self::written(header).unwrap_or_else(|| Self { text: "{}".into(), ..Self::default() })
    }

    /// There are only texts and finite numbers in a header, so that it can always be written.
    fn written(header: &Header) -> Option<Self> {
        let mut text = Vec::with_capacity(2 + 48 * header.0.len());
        let mut begins = Vec::with_capacity(header.0.len());
        text.push(b'{');
        for (tag, attribute) in &header.0 {
            if text.len() > 1 {
                text.push(b',');
            }
            begins.push((*tag, u32::try_from(text.len()).ok()?));
            write_entry(&mut text, *tag);
            serde_json::to_writer(&mut text, attribute).ok()?;
        }
        text.push(b'}');
        Some(Self { text: String::from_utf8(text).ok()?, begins, _room: None })
    }

    /// One that [`Self::of`] wrote; nothing of any other text.
    pub(crate) fn read(text: String) -> Option<Self> {
        let bytes = text.as_bytes();
        let (mut begins, mut at) = (Vec::new(), 1);
        while bytes.get(at) == Some(&b'"') {
            let tag = Tag::from_str_radix(text.get(at + 1..at + 9)?, 16).ok()?;
            begins.push((tag, u32::try_from(at).ok()?));
            at = end_of_object(bytes, at + 11)?;
            at += usize::from(bytes.get(at) == Some(&b','));
        }
        let in_order = begins.is_sorted_by(|(one, _), (next, _)| one < next);
        let whole = text.starts_with('{') && text.get(at..) == Some("}");
        (in_order && whole).then_some(Self { text, begins, _room: None })
    }

    /// Takes no room of what waits for the index.
    pub(crate) fn copy(&self) -> Self {
        Self { text: self.text.clone(), begins: self.begins.clone(), _room: None }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    pub(crate) fn kib(&self) -> u32 {
        let bytes = self.text.len() + size_of_val(self.begins.as_slice());
        u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
    }

    pub(crate) fn take(&mut self, room: OwnedSemaphorePermit) {
        self._room = Some(room);
    }

    /// What is different in it than in the base: attributes, and null for those that are gone.
    pub(crate) fn over(&self, base: &Self) -> String {
        let mut text = String::with_capacity(self.text.len() / 2);
        let mut separator = '{';
        let mut add = |entry: &str, end: &str| {
            text.push(separator);
            text.push_str(entry);
            text.push_str(end);
            separator = ',';
        };
        let (mut own, mut of_base) = (0, 0);
        loop {
            match (self.tag(own), base.tag(of_base)) {
                (None, None) => break,
                (Some(tag), its) if its.is_none_or(|its| tag < its) => {
                    add(self.entry(own), "");
                    own += 1;
                }
                (Some(tag), Some(its)) if tag == its => {
                    if self.entry(own) != base.entry(of_base) {
                        add(self.entry(own), "");
                    }
                    own += 1;
                    of_base += 1;
                }
                _ => {
                    add(base.entry(of_base).get(..KEY).unwrap_or_default(), "null");
                    of_base += 1;
                }
            }
        }
        if separator == '{' {
            text.push('{');
        }
        text.push('}');
        text
    }

    fn tag(&self, at: usize) -> Option<Tag> {
        self.begins.get(at).map(|(tag, _)| *tag)
    }

    /// `"GGGGEEEE":{..}`
    fn entry(&self, at: usize) -> &str {
        let begin = self.begins[at].1 as usize;
        let end = self.begins.get(at + 1).map_or(self.text.len(), |next| next.1 as usize);
        // A comma or the last brace stands behind it.
        self.text.get(begin..end - 1).unwrap_or_default()
    }
}

/// Length of `"GGGGEEEE":`
const KEY: usize = 11;

/// Behind the object that begins here.
fn end_of_object(text: &[u8], begin: usize) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.iter().enumerate().skip(begin) {
        match (byte, in_text) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => in_text = !in_text,
            (b'{', false) => depth += 1,
            (b'}', false) if depth == 1 => return Some(at + 1),
            (b'}', false) => depth = depth.checked_sub(1)?,
            (_, false) if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::header::{Attribute, Difference, Layered, Value};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn text(random: &mut StdRng) -> String {
        let pieces =
            ["a", "\"", "\\", "{", "}", "[", ",", "\u{1f}", "\n", "\u{e9}", "\u{20ac}", "\0", ":"];
        (0..random.random_range(0..6))
            .map(|_| pieces[random.random_range(0..pieces.len())])
            .collect()
    }

    fn value(random: &mut StdRng, depth: u32) -> Value {
        match random.random_range(0..if depth > 2 { 3 } else { 4 }) {
            0 => Value::Integer(random.random_range(i64::MIN..=i64::MAX)),
            1 => Value::Decimal(f64::from(random.random::<f32>()) * 1e9),
            2 => Value::Text(text(random).into()),
            _ => Value::Item(header(random, 4, depth + 1)),
        }
    }

    fn attribute(random: &mut StdRng, depth: u32) -> Attribute {
        let vr = ["CS", "DS", "FD", "SQ", "UI"][random.random_range(0..5)].into();
        Attribute {
            vr,
            values: (0..random.random_range(0..4)).map(|_| value(random, depth)).collect(),
        }
    }

    fn header(random: &mut StdRng, most: usize, depth: u32) -> Header {
        let of_one =
            |random: &mut StdRng| (random.random_range(0..40) << 20, attribute(random, depth));
        Header((0..random.random_range(0..=most)).map(|_| of_one(random)).collect())
    }

    fn changed(random: &mut StdRng, header: &Header) -> Header {
        let mut changed = header.clone();
        changed.0.retain(|_, _| random.random_range(0..4) > 0);
        for _ in 0..random.random_range(0..6) {
            changed.0.insert(random.random_range(0..40) << 20, attribute(random, 0));
        }
        changed
    }

    #[test]
    fn whatever_header_lies_over_whatever_base_is_read_back_whole() {
        let mut random = StdRng::seed_from_u64(20_261_126);
        let mut quick = 0;
        for _ in 0..4000 {
            let base = header(&mut random, 30, 0);
            let image = match random.random() {
                true => changed(&mut random, &base),
                false => header(&mut random, 30, 0),
            };
            let (below, above) = (HeaderText::of(&base), HeaderText::of(&image));
            assert_eq!(above.as_str(), serde_json::to_string(&image).expect("JSON"));
            let again = HeaderText::read(below.as_str().into()).expect("one of ours");
            assert_eq!(again.begins, below.begins);
            let over = above.over(&again);
            let read: Difference = serde_json::from_str(&over).expect("a difference");
            if let Some(found) = Difference::read(&over) {
                assert_eq!(found, read, "{over}");
                quick += 1;
            }
            let Difference { own, gone } = read;
            assert_eq!(Layered::over(&base, &own, &gone).to_header(), image, "{over}");
            let differs = |tag| base.attribute(tag) != image.attribute(tag);
            assert!(own.0.keys().chain(&gone).all(|tag| differs(*tag)), "and no more than differs");
        }
        assert!(quick > 500, "{quick} without the reader of all JSON");
    }

    #[test]
    fn a_text_that_is_no_header_of_this_index_is_no_base() {
        let good = r#"{"00080060":{"vr":"CS","values":["a}\\\"{"]},"00100010":{"vr":"PN"}}"#;
        assert_eq!(HeaderText::read(good.into()).map(|read| read.begins.len()), Some(2));
        assert!(HeaderText::read("{}".into()).is_some_and(|read| read.is_empty()));
        let no_more =
            ["", "{", "}", "null", "{\"0008\":{}}", "{\"00080060\":null}", "{\"00080060\":{}"];
        let swapped = r#"{"00100010":{},"00080060":{}}"#;
        for text in
            no_more.into_iter().chain([swapped, "{\"\u{e9}0080060\":{}}", "{\"00080060\":{}}x"])
        {
            assert!(HeaderText::read(text.into()).is_none(), "{text}");
        }
        (0..good.len()).for_each(|end| assert!(HeaderText::read(good[..end].into()).is_none()));
    }
}
