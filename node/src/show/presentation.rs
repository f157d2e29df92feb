//! A presentation state in words: what it draws, and on how many images.

use super::content::Item;
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

/// Whether an object is a presentation state for images, of whatever class.
pub fn is_one(object: &Item) -> bool {
    object.text(tags::MODALITY).as_deref() == Some("PR")
        && !object.items(tags::DISPLAYED_AREA_SELECTION_SEQUENCE).is_empty()
}

/// One line for the state and one for each layer, in their order.
pub fn lines(state: &Item) -> Vec<String> {
    let series = state.items(tags::REFERENCED_SERIES_SEQUENCE).iter();
    let images: usize = series.map(|of| of.items(tags::REFERENCED_IMAGE_SEQUENCE).len()).sum();
    let [label, words] = [tags::CONTENT_LABEL, tags::CONTENT_DESCRIPTION]
        .map(|tag| state.text(tag).unwrap_or_default());
    let mut lines = vec![format!("{label}: {words} (over {images} images)")];
    lines.extend(state.items(tags::GRAPHIC_LAYER_SEQUENCE).iter().map(|of| layer(state, of)));
    lines
}

fn layer(state: &Item, layer: &Item) -> String {
    let name = layer.text(tags::GRAPHIC_LAYER);
    let of_layer = || {
        let annotations = state.items(tags::GRAPHIC_ANNOTATION_SEQUENCE).iter();
        annotations.filter(|annotation| annotation.text(tags::GRAPHIC_LAYER) == name)
    };
    let drawn: usize =
        of_layer().map(|annotation| annotation.items(tags::GRAPHIC_OBJECT_SEQUENCE).len()).sum();
    let references = of_layer().flat_map(|of| of.items(tags::REFERENCED_IMAGE_SEQUENCE));
    let images: BTreeSet<[Option<String>; 2]> = references
        .map(|of| {
            [tags::REFERENCED_SOP_INSTANCE_UID, tags::REFERENCED_FRAME_NUMBER]
                .map(|tag| of.text(tag))
        })
        .collect();
    let texts: BTreeSet<String> = of_layer()
        .flat_map(|of| of.items(tags::TEXT_OBJECT_SEQUENCE))
        .filter_map(|text| text.text(tags::UNFORMATTED_TEXT_VALUE))
        .collect();
    let place = match images.len() {
        0 => "on all images".to_owned(),
        1 => "on 1 image".to_owned(),
        number => format!("on {number} images"),
    };
    let label = layer.text(tags::GRAPHIC_LAYER_DESCRIPTION).unwrap_or_default();
    let said = texts.into_iter().next().map_or(String::new(), |text| format!(", \"{text}\""));
    format!("layer {}, {label}: {drawn} lines {place}{said}", name.unwrap_or_default())
}
