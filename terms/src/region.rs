//! Where a thing that was found lies: a rectangle of a film, or a box in the patient and its outline on each slice.

use crate::geometry::{Geometry, dot};
use serde::{Deserialize, Serialize};

/// What a model found at one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// sRGB, to draw it in.
    pub colour: [u8; 3],
    pub place: Place,
}

/// In what a report tells where a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regions {
    /// In pixels of each image that shows it (SCOORD, PS3.3 C.18.6).
    #[default]
    Images,
    /// In mm of the patient, where the images have a frame of reference (SCOORD3D, PS3.3 C.18.9).
    Patient,
}

impl Regions {
    pub const ALL: [Self; 2] = [Self::Images, Self::Patient];

    /// As rules and the store write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Patient => "patient",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Place {
    Film(Rectangle),
    Patient(Parallelepiped),
}

/// In pixels of the film: 0 is the outer edge of the first one (PS3.3 C.18.6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rectangle {
    pub top: f64,
    pub left: f64,
    pub bottom: f64,
    pub right: f64,
}

/// A box whose sides lie in any direction, in mm of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Parallelepiped {
    pub corner: [f64; 3],
    /// From the corner to its three neighbours.
    pub edges: [[f64; 3]; 3],
}

/// What one slice shows of a box.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    pub slice: usize,
    /// Column and row of each corner in turn, the first one not again: 0 is the outer edge of the first pixel.
    pub corners: Vec<[f64; 2]>,
}

impl Rectangle {
    /// The corners as column and row, in turn.
    pub fn corners(&self) -> Vec<[f64; 2]> {
        let Self { top, left, bottom, right } = *self;
        vec![[left, top], [right, top], [right, bottom], [left, bottom]]
    }
}

impl Parallelepiped {
    pub fn centre(&self) -> [f64; 3] {
        let half = |a: usize| self.edges.iter().map(|edge| edge[a]).sum::<f64>() / 2.0;
        [0, 1, 2].map(|a| self.corner[a] + half(a))
    }

    /// On each slice whose middle it reaches; of a box that lies between two of them, on the nearer one.
    /// Empty where it lies beside the images.
    pub fn outlines(&self, geometry: &Geometry) -> Vec<Outline> {
        let through: Vec<Outline> = self.through(geometry).collect();
        if through.is_empty() { self.between(geometry).into_iter().collect() } else { through }
    }

    /// Whether an image shows it: `outlines` is not empty, told by the first of them.
    pub fn is_on(&self, geometry: &Geometry) -> bool {
        self.through(geometry).next().is_some() || self.between(geometry).is_some()
    }

    fn through(&self, geometry: &Geometry) -> impl Iterator<Item = Outline> {
        let [least, most] = self.reach(geometry);
        // As far as the slices go; a number that is none reaches none.
        let (first, last) = (least.floor().max(0.0) as usize, most.ceil());
        let past = if last >= 0.0 { (last as usize).saturating_add(1) } else { 0 };
        (first..past.min(geometry.slices))
            .filter_map(|slice| self.outline(geometry, slice, slice as f64))
    }

    /// On the nearer one of the two slices that it lies between.
    fn between(&self, geometry: &Geometry) -> Option<Outline> {
        let last = geometry.slices.checked_sub(1)?;
        let at = along(self.centre(), geometry);
        let nearest = at.round();
        let inside = nearest >= 0.0 && nearest <= last as f64;
        inside.then(|| self.outline(geometry, nearest as usize, at)).flatten()
    }

    /// From where to where it reaches among the slices, in slices.
    fn reach(&self, geometry: &Geometry) -> [f64; 2] {
        let corner = along(self.corner, geometry);
        let steps = self.edges.map(|edge| dot(edge, geometry.normal()) / geometry.slice_step);
        let below: f64 = steps.iter().map(|step| step.min(0.0)).sum();
        let above: f64 = steps.iter().map(|step| step.max(0.0)).sum();
        [corner + below, corner + above]
    }

    fn outline(&self, geometry: &Geometry, slice: usize, at: f64) -> Option<Outline> {
        let corners = self.section(geometry, at);
        (corners.len() > 2).then_some(Outline { slice, corners })
    }

    /// What of the pixels lies inside, in the plane of a slice or between two of them.
    fn section(&self, geometry: &Geometry, slice: f64) -> Vec<[f64; 2]> {
        let (width, height) = (geometry.columns as f64, geometry.rows as f64);
        let mut corners = vec![[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        for inside in self.faces(geometry, slice) {
            corners = cut(&corners, inside);
        }
        corners
    }

    /// For each face a number for column, one for row, and one to add: the sum is not below 0 inside.
    fn faces(&self, geometry: &Geometry, slice: f64) -> Vec<[f64; 3]> {
        let [between_rows, between_columns] = geometry.pixel_spacing;
        let normal = geometry.normal();
        // The outer corner of the first pixel, from the corner of the box.
        let start: [f64; 3] = std::array::from_fn(|a| {
            geometry.origin[a] + normal[a] * slice * geometry.slice_step
                - geometry.row_direction[a] * between_columns / 2.0
                - geometry.column_direction[a] * between_rows / 2.0
                - self.corner[a]
        });
        let along = |axis: [f64; 3]| {
            [
                dot(axis, geometry.row_direction) * between_columns,
                dot(axis, geometry.column_direction) * between_rows,
                dot(axis, start),
            ]
        };
        let way = self.inverse().map(along);
        way.iter().flat_map(|[c, r, one]| [[*c, *r, *one], [-c, -r, 1.0 - one]]).collect()
    }

    /// What goes from 0 to 1 along each edge.
    fn inverse(&self) -> [[f64; 3]; 3] {
        let [a, b, c] = self.edges;
        let volume = dot(a, crate::geometry::cross(b, c));
        let of = |x, y| crate::geometry::cross(x, y).map(|part| part / volume);
        [of(b, c), of(c, a), of(a, b)]
    }
}

/// Where a place in the patient lies among the slices: 0 is the middle of the first one.
fn along(place: [f64; 3], geometry: &Geometry) -> f64 {
    let way = [0, 1, 2].map(|a| place[a] - geometry.origin[a]);
    dot(way, geometry.normal()) / geometry.slice_step
}

/// What of a convex polygon lies on the inner side of a line (Sutherland and Hodgman, 1974).
fn cut(corners: &[[f64; 2]], [column, row, one]: [f64; 3]) -> Vec<[f64; 2]> {
    // Edges that lie on the line belong to it, whatever was rounded.
    const TIE: f64 = 1e-9;
    let height = |at: [f64; 2]| column * at[0] + row * at[1] + one;
    let mut kept = Vec::with_capacity(corners.len() + 1);
    for (number, corner) in corners.iter().enumerate() {
        let before = corners[(number + corners.len() - 1) % corners.len()];
        let (was, is) = (height(before), height(*corner));
        if (was >= -TIE) != (is >= -TIE) {
            let part = (was / (was - is)).clamp(0.0, 1.0);
            kept.push([0, 1].map(|a| before[a] + part * (corner[a] - before[a])));
        }
        if is >= -TIE {
            kept.push(*corner);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axial() -> Geometry {
        Geometry {
            slices: 4,
            rows: 10,
            columns: 20,
            origin: [-10.0, -20.0, 100.0],
            row_direction: [1.0, 0.0, 0.0],
            column_direction: [0.0, 1.0, 0.0],
            pixel_spacing: [2.0, 0.5],
            slice_step: 3.0,
        }
    }

    fn box_of(corner: [f64; 3], sides: [f64; 3]) -> Parallelepiped {
        let edge = |a: usize| std::array::from_fn(|b| if a == b { sides[a] } else { 0.0 });
        Parallelepiped { corner, edges: [0, 1, 2].map(edge) }
    }

    fn rounded(outline: &Outline) -> Vec<[f64; 2]> {
        let mut corners: Vec<[f64; 2]> =
            outline.corners.iter().map(|c| c.map(|x| (x * 1e6).round() / 1e6)).collect();
        corners.sort_by(|a, b| a.partial_cmp(b).unwrap());
        corners
    }

    #[test]
    fn a_box_along_the_images_is_a_rectangle_on_each_slice_that_it_goes_through() {
        // Columns 4 to 8, rows 3 to 6, slices 1 and 2, from outer face to outer face.
        let found = box_of([-10.25 + 2.0, -21.0 + 6.0, 101.5], [2.0, 6.0, 6.0]).outlines(&axial());
        assert_eq!(found.iter().map(|o| o.slice).collect::<Vec<_>>(), [1, 2]);
        for outline in &found {
            assert_eq!(rounded(outline), [[4.0, 3.0], [4.0, 6.0], [8.0, 3.0], [8.0, 6.0]]);
        }
    }

    #[test]
    fn a_thin_box_lies_on_the_nearest_slice_and_one_beside_the_images_on_none() {
        let thin = box_of([-8.0, -15.0, 104.0], [2.0, 6.0, 0.5]).outlines(&axial());
        assert_eq!(thin.iter().map(|o| o.slice).collect::<Vec<_>>(), [1]);
        assert!(box_of([500.0, 0.0, 100.0], [2.0, 2.0, 2.0]).outlines(&axial()).is_empty());
        assert!(box_of([-8.0, -15.0, 300.0], [2.0, 6.0, 0.5]).outlines(&axial()).is_empty());
    }

    /// Boxes all around the images, along them and oblique: the outlines are those of each slice asked one by one.
    #[test]
    fn no_slice_that_shows_a_box_is_passed_over_and_whether_there_is_one_is_known_at_once() {
        let (geometry, mut on, mut beside) = (axial(), 0, 0);
        for number in 0..4000u32 {
            let part = |a: u32| f64::from((number * (7919 + 104 * a) + 31 * a) % 997) / 997.0;
            let skew = if number % 2 == 0 { 0.0 } else { 6.0 };
            let corner = [part(1) * 16.0 - 15.0, part(2) * 26.0 - 24.0, part(3) * 18.0 + 94.0];
            let edge = |a: usize, b: usize| match (a == b, part((3 * a + b) as u32 + 4)) {
                (true, part) => part * 6.0 + 0.1,
                (false, part) => (part - 0.5) * skew,
            };
            let found =
                Parallelepiped { corner, edges: [0, 1, 2].map(|a| [0, 1, 2].map(|b| edge(a, b))) };
            let one_by_one: Vec<Outline> = (0..geometry.slices)
                .filter_map(|slice| found.outline(&geometry, slice, slice as f64))
                .collect();
            let outlines = found.outlines(&geometry);
            assert_eq!(found.is_on(&geometry), !outlines.is_empty(), "{found:?}");
            assert!(one_by_one.is_empty() || outlines == one_by_one, "{found:?}");
            if outlines.is_empty() { beside += 1 } else { on += 1 }
        }
        assert!(on > 500 && beside > 500, "{on} on the images, {beside} beside them");
    }

    #[test]
    fn a_box_beyond_the_border_is_cut_there_and_a_turned_one_keeps_its_corners() {
        let wide = box_of([-1000.0, -1000.0, 99.0], [2000.0, 2000.0, 2.0]).outlines(&axial());
        assert_eq!(rounded(&wide[0]), [[0.0, 0.0], [0.0, 10.0], [20.0, 0.0], [20.0, 10.0]]);
        // Turned by 45 degrees around the patient's long axis: a square on its tip.
        let (half, centre) = (1.0, [-5.25, -11.0, 99.0]);
        let turned = Parallelepiped {
            corner: [centre[0] - half, centre[1], centre[2]],
            edges: [[half, -half, 0.0], [half, half, 0.0], [0.0, 0.0, 2.0]],
        };
        let corners = rounded(&turned.outlines(&axial())[0]);
        assert_eq!(corners, [[8.0, 5.0], [10.0, 4.5], [10.0, 5.5], [12.0, 5.0]]);
    }
}
