//! The words on every frame: the mark, what was measured, and which colour means what.

use crate::header::{RESEARCH_ONLY, Subject};
use crate::secondary_capture::picture::{Area, Colour, Picture, advance, line_height};
use crate::words;
use gantry_terms::code::Code;
use gantry_terms::findings::{Measurement, MeasurementGroup, Presence};

const WHITE: Colour = [255, 255, 255];
const BLACK: Colour = [0, 0, 0];
const AMBER: Colour = [255, 190, 60];
/// How far text darkens the picture behind it.
const SHADE: u8 = 190;

/// A line of text: what may be cut when it is too long, and what may not.
#[derive(Debug, Clone)]
struct Line {
    words: String,
    figure: String,
    colour: Colour,
    /// Draws a square of the colour in front, and the words in white.
    swatch: bool,
}

/// Everything that is written on a frame.
#[derive(Debug, Clone)]
pub struct Captions {
    upper: Vec<Line>,
    lower: Vec<Line>,
    /// Letters at the left and the right edge.
    sides: [String; 2],
}

impl Captions {
    /// Of one slice or frame, counted from 0: what was found in another frame is not told on it. `sides` are the letters at
    /// the left and the right edge.
    pub fn new(subject: &Subject, sides: [String; 2], slice: usize) -> Self {
        let line =
            |words: String, colour| Line { words, figure: String::new(), colour, swatch: false };
        let mut upper = Vec::new();
        if subject.findings.algorithm.research_only {
            upper.push(line(RESEARCH_ONLY.to_owned(), AMBER));
        }
        upper.push(line(subject.algorithm(), WHITE));
        let groups = subject.findings.groups.iter();
        let groups: Vec<&MeasurementGroup> = groups
            .filter(|group| group.frame.is_none_or(|frame| frame as usize == slice + 1))
            .collect();
        let several = groups.len() > 1;
        for group in &groups {
            upper.extend(group.answers.iter().map(|answer| {
                let group = if several { format!("{}: ", group.label) } else { String::new() };
                line(format!("{group}{}", words::answer(answer)), WHITE)
            }));
            upper.extend(group.measurements.iter().map(|m| figure(group, m, several)));
            if group.measurements.is_empty() && group.presence == Some(Presence::Absent) {
                upper.push(line(format!("{}: none found", group.label), WHITE));
            }
        }
        let masks = subject.findings.masks.iter();
        let masks = masks.map(|m| (m.label.clone(), m.colour));
        let mut named: Vec<(String, Colour)> = masks.collect();
        for group in groups {
            let (Some(region), Some(finding)) = (&group.region, &group.finding) else { continue };
            let outlined = (finding.meaning.clone(), region.colour);
            // Many of one kind have one colour.
            if !named.contains(&outlined) {
                named.push(outlined);
            }
        }
        let legend =
            named.into_iter().map(|(label, colour)| Line { swatch: true, ..line(label, colour) });
        Self { upper, lower: legend.collect(), sides }
    }

    /// Which colour means what, and nothing else.
    pub fn legend(named: impl Iterator<Item = (String, Colour)>) -> Self {
        let line = |(words, colour)| Line { words, figure: String::new(), colour, swatch: true };
        Self { upper: Vec::new(), lower: named.map(line).collect(), sides: Default::default() }
    }

    /// Writes on a frame; `place` is its last line, as in "Slice 3 of 30".
    pub fn draw(&self, picture: &mut Picture, place: &str) {
        let scale = self.scale(picture);
        let margin = 2 * scale;
        let room = picture.height.saturating_sub(2 * margin) / line_height(scale) / 2;
        let upper = shortened(&self.upper, room);
        for (index, line) in upper.iter().enumerate() {
            draw_line(picture, margin + index * line_height(scale), line, scale);
        }
        let last =
            Line { words: place.into(), figure: String::new(), colour: WHITE, swatch: false };
        let mut lower = shortened(&self.lower, room.saturating_sub(1));
        lower.push(last);
        let top = picture.height.saturating_sub(margin + lower.len() * line_height(scale));
        for (index, line) in lower.iter().enumerate() {
            draw_line(picture, top + index * line_height(scale), line, scale);
        }
        self.draw_sides(picture, scale);
    }

    fn draw_sides(&self, picture: &mut Picture, scale: usize) {
        let top = picture.height / 2;
        let right = picture.width.saturating_sub((self.sides[1].len() + 1) * advance(scale));
        picture.write(2 * scale, top, &self.sides[0], AMBER, scale);
        picture.write(right, top, &self.sides[1], AMBER, scale);
    }

    /// About 42 characters across; smaller where the lines would fill half of the picture.
    fn scale(&self, picture: &Picture) -> usize {
        let large = (picture.width.min(picture.height) / 256).max(1);
        let lines = self.upper.len().max(self.lower.len() + 1);
        match lines * line_height(large) > picture.height * 45 / 100 {
            true => (large / 2).max(1),
            false => large,
        }
    }
}

/// As many lines as there is room for; the last one tells how many are missing.
fn shortened(lines: &[Line], room: usize) -> Vec<Line> {
    if lines.len() <= room {
        return lines.to_vec();
    }
    let kept = room.saturating_sub(1);
    let mut shortened = lines[..kept.min(lines.len())].to_vec();
    let words = format!("and {} more", lines.len() - shortened.len());
    shortened.push(Line { words, figure: String::new(), colour: WHITE, swatch: false });
    shortened
}

fn draw_line(picture: &mut Picture, top: usize, line: &Line, scale: usize) {
    let mut left = 2 * scale;
    let square = 7 * scale;
    if line.swatch {
        picture.fill(Area { left, top, width: square, height: square }, line.colour, 255);
        left += square + 3 * scale;
    }
    let room = picture.width.saturating_sub(left + 2 * scale) / advance(scale);
    let text = cut(&line.words, &line.figure, room);
    let behind = Area {
        left: left - scale,
        top: top.saturating_sub(scale),
        width: text.chars().count() * advance(scale) + scale,
        height: line_height(scale),
    };
    picture.fill(behind, BLACK, SHADE);
    picture.write(left, top, &text, if line.swatch { WHITE } else { line.colour }, scale);
}

/// The words give way, the figure behind them does not.
fn cut(words: &str, figure: &str, room: usize) -> String {
    let length = words.chars().count() + figure.chars().count();
    if length <= room {
        return format!("{words}{figure}");
    }
    let kept = room.saturating_sub(figure.chars().count() + 2);
    let words: String = words.chars().take(kept).collect();
    format!("{}..{figure}", words.trim_end()).chars().take(room).collect()
}

fn figure(group: &MeasurementGroup, measurement: &Measurement, several: bool) -> Line {
    let derivation = measurement.derivation.as_ref();
    let derivation = derivation.map_or(String::new(), |code| format!("{} ", code.meaning));
    let group = if several { format!("{}: ", group.label) } else { String::new() };
    let unit = unit(&measurement.unit);
    let figure = match measurement.value {
        Ok(value) if value.is_finite() => format!(" {} {unit}", rounded(value)),
        _ => " no value".to_owned(),
    };
    let words = format!("{group}{derivation}{}", measurement.concept.meaning);
    Line { words, figure: figure.trim_end().to_owned(), colour: WHITE, swatch: false }
}

/// Four significant digits; the report holds them all.
fn rounded(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    match (-4.0..9.0).contains(&magnitude) {
        true => format!("{value:.*}", (3.0 - magnitude).max(0.0) as usize),
        false => format!("{value:.3e}"),
    }
}

/// UCUM as people write it.
fn unit(unit: &Code) -> String {
    match unit.value.as_str() {
        "[hnsf'U]" => "HU".into(),
        "1" => String::new(),
        value if value.starts_with('{') => value.trim_matches(['{', '}']).into(),
        value => value.into(),
    }
}

/// A direction as letters of Patient Orientation (PS3.3 C.7.6.1.1.1), the strongest first.
pub fn patient_direction(direction: [f64; 3]) -> String {
    let mut parts: Vec<(f64, char)> = [('L', 'R'), ('P', 'A'), ('H', 'F')]
        .into_iter()
        .zip(direction)
        .map(|((more, less), part)| (part.abs(), if part > 0.0 { more } else { less }))
        .filter(|(strength, _)| *strength > 0.1)
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    parts.into_iter().map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_cut_off_a_line() {
        assert_eq!(cut("Lung volume", " 2557 mL", 40), "Lung volume 2557 mL");
        assert_eq!(cut("Low attenuation area", " 1.345 %", 16), "Low at.. 1.345 %");
        assert_eq!(rounded(2556.72), "2557");
        assert_eq!(rounded(-788.83), "-788.8");
        assert_eq!(rounded(1.3454), "1.345");
        assert_eq!(rounded(0.0), "0");
        assert_eq!(rounded(1e-7), "1.000e-7");
    }

    #[test]
    fn directions_are_named_for_the_patient() {
        assert_eq!(patient_direction([1.0, 0.0, 0.0]), "L");
        assert_eq!(patient_direction([0.0, 0.0, -1.0]), "F");
        assert_eq!(patient_direction([0.6, -0.8, 0.0]), "AL");
    }
}
