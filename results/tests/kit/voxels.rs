//! Voxels as readers of other makers find them in what was written, and as they are.

use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;
use std::fmt::Write;

/// highdicom, of a segmentation: segment, source image, how many voxels, and the sum of their indices in the slice.
pub const BY_SOURCE: &str = "
import sys, numpy, highdicom
seg = highdicom.seg.segread(sys.argv[1])
sources = sorted({r.ReferencedSOPInstanceUID for s in seg.ReferencedSeriesSequence for r in s.ReferencedInstanceSequence})
planes = seg.get_pixels_by_source_instance(sources, assert_missing_frames_are_empty=True, rescale_fractional=False)
for source, plane in zip(sources, planes):
    for segment in range(plane.shape[-1]):
        values = plane[..., segment].ravel().astype('int64')
        print(segment + 1, source, numpy.count_nonzero(values), int((values * numpy.arange(values.size)).sum()))
";

/// The same of these voxels, a slice after the other for each segment, in the order of text.
pub fn by_source<'a>(volume: &Volume, segments: impl Iterator<Item = &'a Vec<u8>>) -> Vec<String> {
    let size = volume.geometry.rows * volume.geometry.columns;
    let mut lines = Vec::new();
    for (voxels, segment) in segments.zip(1..) {
        for (slice, source) in voxels.chunks(size).zip(&volume.slices) {
            let count = slice.iter().filter(|voxel| **voxel != 0).count();
            let sum: u64 = (0..).zip(slice).map(|(at, voxel)| at * u64::from(*voxel)).sum();
            lines.push(format!("{segment} {} {count} {sum}", source.sop_instance));
        }
    }
    lines.sort();
    lines
}

/// What lies in a mask that is drawn later is taken out of those before it.
pub fn taken_apart(mut findings: Findings) -> Findings {
    for later in (1..findings.masks.len()).rev() {
        let (before, from) = findings.masks.split_at_mut(later);
        for mask in before {
            mask.voxels.iter_mut().zip(&from[0].voxels).for_each(|(a, b)| *a &= 1 - b);
        }
    }
    findings
}

/// The centre of a voxel of a slice, by the position of that very slice.
pub fn centre(volume: &Volume, slice: usize, row: usize, column: usize) -> [f64; 3] {
    let geometry = &volume.geometry;
    std::array::from_fn(|axis| {
        volume.slices[slice].position[axis]
            + geometry.row_direction[axis] * geometry.pixel_spacing[1] * column as f64
            + geometry.column_direction[axis] * geometry.pixel_spacing[0] * row as f64
    })
}

/// A line with three coordinates for each voxel that is to be there.
pub fn points(volume: &Volume, there: impl Fn(usize) -> bool) -> String {
    let geometry = &volume.geometry;
    let size = geometry.rows * geometry.columns;
    let mut text = String::new();
    for at in (0..geometry.voxels()).filter(|at| there(*at)) {
        let within = at % size;
        let [x, y, z] =
            centre(volume, at / size, within / geometry.columns, within % geometry.columns);
        writeln!(text, "{x} {y} {z}").expect("written to memory");
    }
    text
}
