//! Looking into a result as a receiver would.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use gantry_results::ResultObject;

pub type Object = InMemDicomObject;

pub fn open(result: &ResultObject) -> Object {
    let syntax = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
    Object::read_dataset_with_ts(result.data_set.as_slice(), &syntax).expect("a data set")
}

/// The values joined as in the file; `-` when the attribute is absent.
pub fn text(object: &Object, tag: Tag) -> String {
    object.get(tag).map_or("-".into(), |e| e.to_str().expect("text").trim_end().to_owned())
}

pub fn items(object: &Object, tag: Tag) -> &[Object] {
    object.get(tag).and_then(|element| element.items()).unwrap_or(&[])
}

/// Decimals of a DS attribute.
pub fn numbers(object: &Object, tag: Tag) -> Vec<f64> {
    object.element(tag).expect("an attribute").to_multi_float64().expect("numbers")
}

/// Value of the code in a sequence of one.
pub fn code(object: &Object, tag: Tag) -> String {
    items(object, tag).first().map_or("-".into(), |item| text(item, tags::CODE_VALUE))
}

/// Content items below `parent` whose concept name has this code value.
pub fn content<'a>(parent: &'a Object, name: &str) -> Vec<&'a Object> {
    let children = items(parent, tags::CONTENT_SEQUENCE).iter();
    children.filter(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == name).collect()
}

/// Every referenced instance anywhere below, in order.
pub fn referenced(object: &Object) -> Vec<String> {
    let mut found = Vec::new();
    for element in object {
        if element.header().tag == tags::REFERENCED_SOP_INSTANCE_UID {
            found.push(element.to_str().expect("text").trim_end_matches('\0').to_owned());
        }
        for item in element.items().unwrap_or(&[]) {
            found.extend(referenced(item));
        }
    }
    found
}
