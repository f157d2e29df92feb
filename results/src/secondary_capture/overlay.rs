//! The masks and outlines over the windowed source: what a frame shows before and after the words are on it.

use crate::frames::directions;
use crate::header::Subject;
use crate::measured::Measured;
use crate::secondary_capture::captions::Captions;
use crate::secondary_capture::picture::{Colour, Picture};
use crate::secondary_capture::window::Window;
use dicom_dictionary_std::tags;
use gantry_terms::findings::{Mask, Presence};
use gantry_terms::region::{Outline, Place};

/// Text needs this many pixels across to be read.
const LEGIBLE: usize = 512;
/// Scaling up stops here, however narrow the image is.
const TALLEST: usize = 2048;
const TINT: u8 = 80;

/// How the frames of one job are drawn: the same for all of them.
pub struct Overlay<'a> {
    subject: Subject<'a>,
    measured: Measured<'a>,
    pub window: Window,
    /// How many pixels of the frame one pixel of the source becomes, in each direction.
    pub factor: usize,
    /// Letters at the left and the right edge.
    sides: [String; 2],
    outlines: Vec<(Colour, Outline)>,
}

impl<'a> Overlay<'a> {
    pub fn new(subject: Subject<'a>, measured: Measured<'a>) -> Self {
        let [rows, columns] = measured.size();
        let factor = factor(rows, columns);
        let window = Window::choose(subject.source, measured, subject.findings);
        let sides = sides(&subject, measured);
        let groups = subject.findings.groups.iter();
        let regions = groups.filter_map(|group| Some((group.region.as_ref()?, group.frame)));
        let outlines = regions.flat_map(|(region, frame)| {
            let outlines = match (&region.place, measured) {
                (Place::Patient(found), Measured::Volume(volume)) => {
                    found.outlines(&volume.geometry)
                }
                (Place::Film(found), _) => {
                    let slice = frame.map_or(0, |frame| frame.saturating_sub(1) as usize);
                    vec![Outline { slice, corners: found.corners() }]
                }
                _ => Vec::new(),
            };
            outlines.into_iter().map(|outline| (region.colour, outline))
        });
        Self { subject, measured, window, factor, sides, outlines: outlines.collect() }
    }

    /// What a frame shows.
    pub fn one(&self) -> &'static str {
        match self.measured {
            Measured::Volume(_) => "Slice",
            Measured::Film(film) if film.frames > 1 => "Frame",
            Measured::Film(_) => "Image",
        }
    }

    pub fn is_cine(&self) -> bool {
        matches!(self.measured, Measured::Film(film) if film.frames > 1)
    }

    pub fn slices(&self) -> usize {
        self.measured.slices()
    }

    /// The slices that are worth a picture: of a cine the frames that show something that was found, where some do; else all.
    pub fn worth_showing(&self) -> Vec<usize> {
        let all = 0..self.slices();
        let Measured::Film(_) = self.measured else { return all.collect() };
        let mut shown = vec![false; self.slices()];
        let findings = self.subject.findings;
        let present =
            findings.groups.iter().filter(|group| group.presence == Some(Presence::Present));
        let frames = present.filter_map(|group| group.frame?.checked_sub(1));
        let outlined = self.outlines.iter().map(|(_, outline)| outline.slice);
        for slice in frames.map(|frame| frame as usize).chain(outlined) {
            shown.get_mut(slice).into_iter().for_each(|shown| *shown = true);
        }
        for mask in &findings.masks {
            for slice in all.clone() {
                shown[slice] |= self.slice(&mask.voxels, slice).iter().any(|voxel| *voxel != 0);
            }
        }
        let some = shown.contains(&true);
        all.filter(|slice| shown[*slice] || !some).collect()
    }

    pub fn width(&self) -> usize {
        self.measured.size()[1] * self.factor
    }

    pub fn height(&self) -> usize {
        self.measured.size()[0] * self.factor
    }

    /// The frame of one slice.
    pub fn picture(&self, slice: usize) -> Picture {
        let mut picture = Picture::black(self.width(), self.height());
        self.draw_source(slice, &mut picture);
        for mask in &self.subject.findings.masks {
            self.draw_mask(mask, slice, &mut picture);
        }
        for (colour, outline) in self.outlines.iter().filter(|(_, of)| of.slice == slice) {
            self.draw_outline(*colour, &outline.corners, &mut picture);
        }
        let (one, slices) = (self.one(), self.slices());
        let captions = Captions::new(&self.subject, self.sides.clone(), slice);
        captions.draw(&mut picture, &format!("{one} {} of {slices}", slice + 1));
        picture
    }

    fn draw_source(&self, slice: usize, picture: &mut Picture) {
        let voxels = match self.measured {
            Measured::Volume(volume) => self.slice(&volume.voxels, slice),
            Measured::Film(film) => film.frame(slice),
        };
        let [rows, columns] = self.measured.size();
        // By channel, row and column: one of grey, or red, green and blue.
        let shown: Vec<u8> = voxels.iter().map(|value| self.window.shown(*value)).collect();
        let pixels = picture.rgb.chunks_exact_mut(3);
        for (at, pixel) in pixels.enumerate() {
            let (x, y) = (at % picture.width / self.factor, at / picture.width / self.factor);
            let here = shown[y * columns + x..].iter().step_by(rows * columns).cycle();
            pixel.iter_mut().zip(here).for_each(|(to, from)| *to = *from);
        }
    }

    fn draw_mask(&self, mask: &Mask, slice: usize, picture: &mut Picture) {
        let voxels = self.slice(&mask.voxels, slice);
        if voxels.iter().all(|voxel| *voxel == 0) {
            return;
        }
        let columns = self.measured.size()[1];
        let inside = |x: usize, y: usize| voxels[y / self.factor * columns + x / self.factor] != 0;
        tint(picture, mask.colour, inside);
    }

    /// A line along the border, within the picture.
    fn draw_outline(&self, colour: Colour, corners: &[[f64; 2]], picture: &mut Picture) {
        let (wide, high) = ((picture.width - 1) as f64, (picture.height - 1) as f64);
        for (at, to) in corners.iter().enumerate() {
            let from = corners[(at + corners.len() - 1) % corners.len()];
            let way = [0, 1].map(|a| (to[a] - from[a]) * self.factor as f64);
            let steps = (2.0 * way[0].abs().max(way[1].abs())).ceil().max(1.0);
            for step in 0..=steps as usize {
                let part = step as f64 / steps;
                let [x, y] = [0, 1].map(|a| from[a] * self.factor as f64 + part * way[a]);
                let (x, y) = (x.floor().clamp(0.0, wide), y.floor().clamp(0.0, high));
                picture.blend(x as usize, y as usize, colour, 255);
            }
        }
    }

    fn slice<'v, T>(&self, voxels: &'v [T], slice: usize) -> &'v [T] {
        let size = self.measured.size().iter().product::<usize>();
        &voxels[slice * size..(slice + 1) * size]
    }
}

/// Letters for the left and the right edge, by where the rows run to. Those of animals mean something else (PS3.3 C.7.6.1.1.1).
fn sides(subject: &Subject, measured: Measured) -> [String; 2] {
    if subject
        .source
        .text(tags::ANATOMICAL_ORIENTATION_TYPE)
        .is_some_and(|kind| kind == "QUADRUPED")
    {
        return Default::default();
    }
    let right = directions(subject.source, measured).into_iter().next().unwrap_or_default();
    let opposite = |letter: char| {
        let pairs = [('L', 'R'), ('A', 'P'), ('H', 'F')];
        let swapped = pairs.map(|(one, other)| (other, one));
        let found = pairs.into_iter().chain(swapped).find(|(one, _)| *one == letter);
        found.map(|(_, other)| other)
    };
    [right.chars().filter_map(opposite).collect(), right]
}

/// A tint inside and a full line along the border, in pixels of the picture.
pub fn tint(picture: &mut Picture, colour: Colour, inside: impl Fn(usize, usize) -> bool) {
    let (width, height) = (picture.width, picture.height);
    for y in 0..height {
        for x in (0..width).filter(|x| inside(*x, y)) {
            let border = x == 0
                || y == 0
                || x + 1 == width
                || y + 1 == height
                || !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
            picture.blend(x, y, colour, if border { 255 } else { TINT });
        }
    }
}

/// How many pixels one of the source becomes in each direction, so that words on it can be read.
pub fn factor(rows: usize, columns: usize) -> usize {
    LEGIBLE.div_ceil(columns.max(1)).min(TALLEST / rows.max(1)).max(1)
}
