//! The value that one image has for the key of a condition, as a trace would show it.

use super::evaluate::shown;
use super::judge::ImageFacts;
use super::literal::Patterns;
use super::reader::Reader;
use super::rule_set::World;
use super::subject::Subject;
use std::path::Path;

/// `(absent)`, `(present)` for what tells who the patient is, or the value. Nothing for keys that
/// are no attribute and no fact of an image by itself, such as `any`.
pub fn value_of(key: &str, image: &ImageFacts) -> Option<String> {
    let world = World::default();
    let patterns = Patterns::default();
    let mut reader = Reader::new(Path::new(""), key, &world, &patterns);
    if key == "arrival-order" {
        return None;
    }
    let subject = Subject::read(&mut reader, &[(key.to_string(), 0..key.len())])?;
    Some(shown(&subject, &subject.held(image)))
}
