//! `[[detection]]`: where a graph says that something is, which numbers make a box, and which boxes count.

use super::Activation;
use crate::voxels::boxes::VoxelBox;
use gantry_terms::code::Code;
use serde::Deserialize;

/// Boxes of one finding.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionOutput {
    pub key: String,
    pub label: String,
    pub boxes: BoxTensor,
    /// A float32 tensor `[n]`, or `[n, classes]` where `class` is named and `labels` are not.
    pub scores: String,
    /// An int32 or int64 tensor `[n]`.
    pub labels: Option<String>,
    /// None: every box is one of this finding.
    pub class: Option<usize>,
    pub activation: Activation,
    /// Of a probability, from 0 to 1.
    pub score_at_least: f64,
    /// Of two boxes that share more of what they hold together, only the better one counts.
    pub overlap_at_most: f64,
    pub most_boxes: usize,
    pub finding: Code,
    pub site: Option<Code>,
    pub method: Option<Code>,
    /// Of the probability as it is told.
    pub concept: Code,
    pub unit: Code,
    /// 1, or 100 for per cent.
    pub scale: f64,
    /// sRGB.
    pub colour: [u8; 3],
}

/// A float32 tensor `[n, columns]` of voxels of the model's grid.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxTensor {
    pub tensor: String,
    /// Of each axis that occurs either both ends, or the centre and the size.
    pub columns: Vec<Column>,
    pub zero: Zero,
}

/// What one number of a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Column {
    /// Of the model's grid, the slowest first.
    pub axis: usize,
    pub part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Low,
    High,
    Centre,
    Size,
}

/// Where on the first voxel the number 0 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zero {
    /// On its outer face.
    #[default]
    Corner,
    Centre,
}

const AXES: [&str; 3] = ["slice", "row", "column"];
const PARTS: [(&str, Part); 4] =
    [("low", Part::Low), ("high", Part::High), ("centre", Part::Centre), ("size", Part::Size)];

impl TryFrom<String> for Column {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let known = written.split_once('-').and_then(|(axis, part)| {
            let axis = AXES.iter().position(|name| *name == axis)?;
            let part = PARTS.iter().find(|(name, _)| *name == part)?.1;
            Some(Self { axis, part })
        });
        known.ok_or_else(|| {
            format!(
                "`{written}` is no number of a box: `slice-`, `row-` or `column-` with `low`, `high`, \
                 `centre` or `size`"
            )
        })
    }
}

impl BoxTensor {
    /// Whether its boxes lie in one slice each.
    pub fn is_flat(&self) -> bool {
        self.columns.iter().all(|column| column.axis != 0)
    }

    /// What the numbers of a box are behind a run in pieces: of a flat one its slice is told, too.
    pub fn placed_columns(&self, in_slices: bool) -> Vec<Column> {
        let of_slice = [Part::Low, Part::High].map(|part| Column { axis: 0, part });
        let more = if in_slices && self.is_flat() { &of_slice[..] } else { &[] };
        [&self.columns, more].concat()
    }

    /// How far the number 0 lies behind the outer face of the first voxel.
    pub fn zero_at(&self) -> f64 {
        match self.zero {
            Zero::Corner => 0.0,
            Zero::Centre => 0.5,
        }
    }

    /// One row of the tensor, with these columns. An axis that they do not name goes from 0 to 1.
    pub fn voxel_box(&self, columns: &[Column], row: &[f32]) -> VoxelBox {
        let number = |axis, part| {
            let at = columns.iter().position(|column| *column == Column { axis, part })?;
            row.get(at).map(|number| f64::from(*number))
        };
        let ends = [0, 1, 2].map(|axis| {
            let ends = (number(axis, Part::Low), number(axis, Part::High));
            let middle = (number(axis, Part::Centre), number(axis, Part::Size));
            match (ends, middle) {
                ((Some(low), Some(high)), _) => [low + self.zero_at(), high + self.zero_at()],
                (_, (Some(centre), Some(size))) => {
                    let centre = centre + self.zero_at();
                    [centre - size / 2.0, centre + size / 2.0]
                }
                _ => [0.0, 1.0],
            }
        });
        VoxelBox { low: ends.map(|[low, _]| low), high: ends.map(|[_, high]| high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(columns: &[&str], zero: Zero) -> BoxTensor {
        let column = |name: &&str| Column::try_from(name.to_string()).unwrap();
        BoxTensor { tensor: "boxes".into(), columns: columns.iter().map(column).collect(), zero }
    }

    #[test]
    fn the_same_box_is_read_from_every_form() {
        let expected = VoxelBox { low: [1.0, 2.0, 3.0], high: [4.0, 6.0, 8.0] };
        let check = |columns: &[&str], zero, row: &[f32]| {
            let tensor = boxes(columns, zero);
            assert_eq!(tensor.voxel_box(&tensor.columns, row), expected, "{columns:?}");
        };
        let corners =
            ["column-low", "row-low", "slice-low", "column-high", "row-high", "slice-high"];
        check(&corners, Zero::Corner, &[3.0, 2.0, 1.0, 8.0, 6.0, 4.0]);
        check(&corners, Zero::Centre, &[2.5, 1.5, 0.5, 7.5, 5.5, 3.5]);
        let pairs = ["slice-low", "slice-high", "row-low", "row-high", "column-low", "column-high"];
        check(&pairs, Zero::Corner, &[1.0, 4.0, 2.0, 6.0, 3.0, 8.0]);
        let middles = [
            "slice-centre",
            "row-centre",
            "column-centre",
            "slice-size",
            "row-size",
            "column-size",
        ];
        check(&middles, Zero::Corner, &[2.5, 4.0, 5.5, 3.0, 4.0, 5.0]);
        check(&middles, Zero::Centre, &[2.0, 3.5, 5.0, 3.0, 4.0, 5.0]);
    }
}
