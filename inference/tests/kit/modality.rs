//! A scanner that writes CT slices and films as Part 10 files, right ones and wrong ones.

/// One slice; change what the test is about. The default is an axial 16 x 16 slice of air.
#[derive(Clone)]
pub struct Scan {
    pub transfer_syntax: &'static str,
    pub modality: &'static str,
    pub instance: u32,
    pub instance_number: String,
    pub rows: u16,
    pub columns: u16,
    pub position: [f64; 3],
    pub orientation: [f64; 6],
    pub pixel_spacing: [f64; 2],
    pub thickness: String,
    pub frame_of_reference: &'static str,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub signed: bool,
    pub slope: String,
    pub intercept: String,
    pub samples: u16,
    pub photometric: &'static str,
    pub frames: Option<&'static str>,
    /// A Modality LUT Sequence without items, of undefined length or of none.
    pub lut: Option<u32>,
    /// Further elements before the pixels, by [`element`], [`text`] and [`sequence`].
    pub more: Vec<u8>,
    /// As they stand in the file; one value fills the slice.
    pub pixels: Vec<u16>,
    /// Instead of `pixels`: one compressed frame.
    pub codestream: Option<Vec<u8>>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            transfer_syntax: "1.2.840.10008.1.2.1",
            modality: "CT",
            instance: 1,
            instance_number: "1".into(),
            rows: 16,
            columns: 16,
            position: [0.0; 3],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            pixel_spacing: [0.7, 0.7],
            thickness: "2".into(),
            frame_of_reference: "1.2.3",
            bits_allocated: 16,
            bits_stored: 12,
            signed: false,
            slope: "1".into(),
            intercept: "-1024".into(),
            samples: 1,
            photometric: "MONOCHROME2",
            frames: None,
            lut: None,
            more: Vec::new(),
            pixels: vec![24],
            codestream: None,
        }
    }
}

impl Scan {
    /// `count` slices 2 mm apart along their normal, instance numbers from 1, one grey each.
    pub fn stack(&self, count: u32) -> Vec<Scan> {
        let [a, b, c, d, e, f] = self.orientation;
        let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
        let slice = |at: u32| Scan {
            instance: at + 1,
            instance_number: (at + 1).to_string(),
            position: std::array::from_fn(|axis| {
                self.position[axis] + 2.0 * f64::from(at) * normal[axis]
            }),
            pixels: vec![at as u16 + 24],
            ..self.clone()
        };
        (0..count).map(slice).collect()
    }

    pub fn file(&self) -> Vec<u8> {
        let mut file = vec![0u8; 128];
        file.extend_from_slice(b"DICM");
        text(&mut file, 0x0002_0010, b"UI", self.transfer_syntax);
        file.extend_from_slice(&self.data_set());
        file
    }

    /// Explicit VR Little Endian.
    pub fn data_set(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let list =
            |values: &[f64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\\");
        let into = &mut data;
        text(into, 0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.2");
        text(into, 0x0008_0018, b"UI", &format!("1.2.3.{}", self.instance));
        text(into, 0x0008_0060, b"CS", self.modality);
        text(into, 0x0010_0010, b"PN", "SECRET^NAME");
        text(into, 0x0018_0050, b"DS", &self.thickness);
        text(into, 0x0020_0013, b"IS", &self.instance_number);
        text(into, 0x0020_0032, b"DS", &list(&self.position));
        text(into, 0x0020_0037, b"DS", &list(&self.orientation));
        text(into, 0x0020_0052, b"UI", self.frame_of_reference);
        number(into, 0x0028_0002, self.samples);
        text(into, 0x0028_0004, b"CS", self.photometric);
        if self.samples > 1 {
            number(into, 0x0028_0006, 0);
        }
        if let Some(frames) = self.frames {
            text(into, 0x0028_0008, b"IS", frames);
        }
        number(into, 0x0028_0010, self.rows);
        number(into, 0x0028_0011, self.columns);
        text(into, 0x0028_0030, b"DS", &list(&self.pixel_spacing));
        number(into, 0x0028_0100, self.bits_allocated);
        number(into, 0x0028_0101, self.bits_stored);
        number(into, 0x0028_0102, self.bits_stored.wrapping_sub(1));
        number(into, 0x0028_0103, u16::from(self.signed));
        if !self.slope.is_empty() || !self.intercept.is_empty() {
            text(into, 0x0028_1052, b"DS", &self.intercept);
            text(into, 0x0028_1053, b"DS", &self.slope);
        }
        if let Some(length) = self.lut {
            into.extend_from_slice(b"\x28\x00\x00\x30SQ\0\0");
            into.extend_from_slice(&length.to_le_bytes());
            if length == u32::MAX {
                into.extend_from_slice(b"\xFE\xFF\xDD\xE0\0\0\0\0");
            }
        }
        into.extend_from_slice(&self.more);
        self.pixel_data(into);
        data
    }

    fn pixel_data(&self, into: &mut Vec<u8>) {
        if let Some(codestream) = &self.codestream {
            into.extend_from_slice(b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF");
            into.extend_from_slice(b"\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0");
            into.extend_from_slice(&(codestream.len().next_multiple_of(2) as u32).to_le_bytes());
            into.extend_from_slice(codestream);
            into.resize(into.len().next_multiple_of(2), 0);
            return into.extend_from_slice(b"\xFE\xFF\xDD\xE0\0\0\0\0");
        }
        let count = usize::from(self.rows) * usize::from(self.columns);
        let words = match self.pixels.as_slice() {
            [grey] => vec![*grey; count],
            words => words.to_vec(),
        };
        let bytes: Vec<u8> = if self.bits_allocated == 8 {
            words.iter().map(|word| *word as u8).collect()
        } else {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        into.extend_from_slice(b"\xE0\x7F\x10\x00OW\0\0");
        into.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        into.extend_from_slice(&bytes);
    }
}

pub fn text(into: &mut Vec<u8>, tag: u32, vr: &[u8; 2], text: &str) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" { 0 } else { b' ' });
    }
    element(into, tag, vr, &value);
}

fn number(into: &mut Vec<u8>, tag: u32, number: u16) {
    element(into, tag, b"US", &number.to_le_bytes());
}

/// A sequence of one item, both of undefined length or both of their own.
pub fn sequence(into: &mut Vec<u8>, tag: u32, undefined: bool, item: &[u8]) {
    let length = |of: usize| if undefined { u32::MAX } else { of as u32 }.to_le_bytes();
    into.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
    into.extend_from_slice(&(tag as u16).to_le_bytes());
    into.extend_from_slice(b"SQ\0\0");
    into.extend_from_slice(&length(item.len() + 8));
    into.extend_from_slice(b"\xFE\xFF\x00\xE0");
    into.extend_from_slice(&length(item.len()));
    into.extend_from_slice(item);
    if undefined {
        into.extend_from_slice(b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    }
}

pub fn element(into: &mut Vec<u8>, tag: u32, vr: &[u8; 2], value: &[u8]) {
    into.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
    into.extend_from_slice(&(tag as u16).to_le_bytes());
    into.extend_from_slice(vr);
    into.extend_from_slice(&(value.len() as u16).to_le_bytes());
    into.extend_from_slice(value);
}

pub const MODALITY_LUT: u32 = 0x0028_3000;
pub const VOI_LUT: u32 = 0x0028_3010;

/// What a window is in a header: centre, width, VOI LUT Function.
pub fn window(centre: &str, width: &str, function: Option<&str>) -> Vec<u8> {
    let mut more = Vec::new();
    text(&mut more, 0x0028_1050, b"DS", centre);
    text(&mut more, 0x0028_1051, b"DS", width);
    if let Some(function) = function {
        text(&mut more, 0x0028_1056, b"CS", function);
    }
    more
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A sequence with a table of squares, so that nothing of it is linear.
pub fn table(tag: u32, first: i16, count: u16, bits: u16, undefined: bool) -> Vec<u8> {
    table_of("US", tag, [first as u16, count, bits], undefined)
}

/// The same of this Modality LUT Type.
pub fn table_of(kind: &str, tag: u32, [first, count, bits]: [u16; 3], undefined: bool) -> Vec<u8> {
    let first = first as i16;
    let most = f64::from((1u32 << bits) - 1);
    let square = |at: u16| (most * (f64::from(at) / f64::from(count - 1)).powi(2)) as u16;
    let entries: Vec<u16> = (0..count).map(square).collect();
    let mut item = Vec::new();
    let vr = if first < 0 { b"SS" } else { b"US" };
    element(&mut item, 0x0028_3002, vr, &words(&[count, first as u16, bits]));
    text(&mut item, 0x0028_3004, b"LO", kind);
    element(&mut item, 0x0028_3006, b"US", &words(&entries));
    let mut more = Vec::new();
    sequence(&mut more, tag, undefined, &item);
    more
}
