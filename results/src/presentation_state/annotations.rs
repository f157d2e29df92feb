//! Layers and marks as Graphic Layer and Graphic Annotation modules (PS3.3 C.10.7, C.10.5).

use crate::data_set::DataSet;
use crate::header::RESEARCH_ONLY;
use crate::presentation_state::contours::Point;
use crate::presentation_state::marks::{Layer, Mark};
use crate::segmentation::colour::cielab;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;

/// 65,534 bytes of Graphic Data are what a value of this VR can hold where it is written with its VR (PS3.5 7.1.2).
const MOST_POINTS: usize = 8191;
const NOTICE: &str = "NOTICE";
const WHITE: [u8; 3] = [255, 255, 255];

/// One item for each layer that draws something, and one for the notice.
pub fn graphic_layers(layers: &[(usize, &Layer)], notice: bool) -> Vec<DataSet> {
    let drawn = layers.iter().map(|(number, layer)| (name(*number), &*layer.label, layer.colour));
    let notice = notice.then(|| (NOTICE.to_owned(), RESEARCH_ONLY, WHITE));
    let items = drawn.chain(notice).zip(1..).map(|((name, label, colour), order): (_, u32)| {
        let lab = PrimitiveValue::U16(cielab(colour).as_slice().into());
        let mut item = DataSet::new();
        item.text(tags::GRAPHIC_LAYER, &name)
            .text(tags::GRAPHIC_LAYER_ORDER, &order.to_string())
            .text(tags::GRAPHIC_LAYER_DESCRIPTION, label)
            .put(DataElement::new(
                tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
                VR::US,
                lab,
            ));
        item
    });
    items.collect()
}

/// The layer's name (CS): its number among the findings, which the marks on all states of a job share.
fn name(number: usize) -> String {
    format!("FINDING_{}", number + 1)
}

/// One layer on one image.
pub fn annotation(number: usize, layer: &Layer, mark: &Mark, image: DataSet) -> DataSet {
    let pieces = mark.lines.iter().flat_map(|line| pieces(line));
    let lines = pieces.map(|points| graphic(&points, layer)).collect();
    let mut item = DataSet::new();
    item.item(tags::REFERENCED_IMAGE_SEQUENCE, image)
        .text(tags::GRAPHIC_LAYER, &name(number))
        .items(tags::GRAPHIC_OBJECT_SEQUENCE, lines)
        .item(tags::TEXT_OBJECT_SEQUENCE, beside(mark));
    item
}

/// On each image, in a corner of the screen.
pub fn notice() -> DataSet {
    let mut text = DataSet::new();
    text.text(tags::BOUNDING_BOX_ANNOTATION_UNITS, "DISPLAY")
        .text(tags::UNFORMATTED_TEXT_VALUE, RESEARCH_ONLY)
        .text(tags::BOUNDING_BOX_TEXT_HORIZONTAL_JUSTIFICATION, "LEFT");
    floats(&mut text, tags::BOUNDING_BOX_TOP_LEFT_HAND_CORNER, &[[0.02, 0.94]]);
    floats(&mut text, tags::BOUNDING_BOX_BOTTOM_RIGHT_HAND_CORNER, &[[0.6, 0.98]]);
    let mut item = DataSet::new();
    item.text(tags::GRAPHIC_LAYER, NOTICE).item(tags::TEXT_OBJECT_SEQUENCE, text);
    item
}

/// Closed, and where it has more points than fit in pieces that begin where the one before ends.
fn pieces(line: &[Point]) -> Vec<Vec<Point>> {
    let closed: Vec<Point> = line.iter().chain(line.first()).copied().collect();
    let starts = (0..closed.len().saturating_sub(1)).step_by(MOST_POINTS - 1);
    starts.map(|at| closed[at..closed.len().min(at + MOST_POINTS)].to_vec()).collect()
}

fn graphic(points: &[Point], layer: &Layer) -> DataSet {
    let (tracking, uid) = &layer.tracking;
    let mut item = DataSet::new();
    item.text(tags::GRAPHIC_ANNOTATION_UNITS, "PIXEL")
        .number(tags::GRAPHIC_DIMENSIONS, 2)
        .number(tags::NUMBER_OF_GRAPHIC_POINTS, points.len().min(MOST_POINTS) as u16)
        .text(tags::GRAPHIC_TYPE, "POLYLINE")
        .text(tags::GRAPHIC_FILLED, "N")
        .text(tags::TRACKING_ID, tracking)
        .uid(tags::TRACKING_UID, uid);
    floats(&mut item, tags::GRAPHIC_DATA, points);
    item
}

/// The words, from the rightmost of the upper corners of the longest line on.
fn beside(mark: &Mark) -> DataSet {
    let corners = mark.lines.iter().take(1).flatten();
    let anchor = corners.copied().reduce(|a, b| if b[0] - b[1] > a[0] - a[1] { b } else { a });
    let mut text = DataSet::new();
    text.text(tags::ANCHOR_POINT_ANNOTATION_UNITS, "PIXEL")
        .text(tags::UNFORMATTED_TEXT_VALUE, &mark.text)
        .text(tags::ANCHOR_POINT_VISIBILITY, "N");
    floats(&mut text, tags::ANCHOR_POINT, &[anchor.unwrap_or_default()]);
    text
}

fn floats(item: &mut DataSet, tag: Tag, points: &[Point]) {
    let numbers: Vec<f32> = points.iter().flat_map(|at| at.map(|pixels| pixels as f32)).collect();
    item.put(DataElement::new(tag, VR::FL, PrimitiveValue::F32(numbers.into())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_into_pieces_that_hang_together_and_close() {
        let line: Vec<Point> = (0..20_000).map(|at| [f64::from(at), f64::from(at % 2)]).collect();
        let pieces = pieces(&line);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [8191, 8191, 3621]);
        assert!(pieces.windows(2).all(|two| two[0].last() == two[1].first()));
        assert_eq!(pieces[2].last(), Some(&line[0]));
    }
}
