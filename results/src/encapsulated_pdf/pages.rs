//! Lines of text as a PDF (ISO 32000-1): A4 pages in Courier, which every reader has, so that each character is as wide as the next.

/// A paragraph: it is broken into as many lines as it needs.
pub enum Line {
    Heading(String),
    Plain(String),
}

/// Courier of 10 points is 6 points wide: so many fit between the margins of A4.
const COLUMNS: usize = 82;
const ROWS: usize = 58;

/// Version 1.4, one font in two weights, the characters of Windows-1252; what that has not becomes a question mark.
/// `foot` stands below each page, behind its number, as far as a row has room for it.
pub fn pdf(lines: &[Line], foot: &str) -> Vec<u8> {
    let rows: Vec<(bool, Vec<u8>)> = lines.iter().flat_map(broken).collect();
    let pages: Vec<&[(bool, Vec<u8>)]> = rows.chunks(ROWS).collect();
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 5 + 2 * page)).collect();
    let font = |weight: &str| {
        format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /Courier{weight} /Encoding /WinAnsiEncoding >>"
        )
    };
    let mut objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()).into(),
        font("").into(),
        font("-Bold").into(),
    ];
    for (number, rows) in pages.iter().enumerate() {
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> \
             /Contents {} 0 R >>",
            6 + 2 * number
        );
        let foot = format!("page {} of {}. {foot}", number + 1, pages.len());
        let content = content(rows, &foot);
        let mut stream = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
        stream.extend(content);
        stream.extend(b"\nendstream");
        objects.push(page.into());
        objects.push(stream);
    }
    file(&objects)
}

/// Header, objects numbered from 1, cross-reference table, trailer (7.5).
fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        table += &format!("{:010} 00000 n \n", bytes.len());
        bytes.extend(format!("{number} 0 obj\n").into_bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let (start, size) = (bytes.len(), objects.len() + 1);
    let trailer = format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    bytes.extend(table.into_bytes());
    bytes.extend(trailer.into_bytes());
    bytes
}

/// From the top left on, 13 points a row (9.4).
fn content(rows: &[(bool, Vec<u8>)], foot: &str) -> Vec<u8> {
    let mut stream = b"BT\n13 TL\n50 792 Td\n".to_vec();
    let foot: Vec<u8> = foot.chars().take(COLUMNS).map(windows_1252).collect();
    let filling = std::iter::repeat_n((false, Vec::new()), ROWS + 1 - rows.len());
    for (heading, row) in rows.iter().cloned().chain(filling).chain([(true, foot)]) {
        let font: &[u8] = if heading { b"/F2 10 Tf (" } else { b"/F1 10 Tf (" };
        stream.extend(font);
        for byte in row {
            if matches!(byte, b'(' | b')' | b'\\') {
                stream.push(b'\\');
            }
            stream.push(byte);
        }
        stream.extend(b") Tj T*\n");
    }
    stream.extend(b"ET");
    stream
}

/// At spaces, and a word that is longer than a row anywhere; an empty row stands before a heading.
fn broken(line: &Line) -> Vec<(bool, Vec<u8>)> {
    let (heading, text) = match line {
        Line::Heading(text) => (true, text),
        Line::Plain(text) => (false, text),
    };
    let mut rows = if heading { vec![(true, Vec::new())] } else { Vec::new() };
    let mut row: Vec<u8> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<u8> = word.chars().map(windows_1252).collect();
        for part in word.chunks(COLUMNS) {
            if !row.is_empty() && row.len() + 1 + part.len() > COLUMNS {
                rows.push((heading, std::mem::take(&mut row)));
            }
            if !row.is_empty() {
                row.push(b' ');
            }
            row.extend(part);
        }
    }
    rows.push((heading, row));
    rows
}

/// The half of it that is that of Latin 1, and the few signs besides that reports have.
fn windows_1252(character: char) -> u8 {
    match character {
        '\u{20}'..='\u{7E}' | '\u{A0}'..='\u{FF}' => character as u32 as u8,
        '€' => 0x80,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        _ => b'?',
    }
}
