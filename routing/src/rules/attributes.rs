//! What each image of one judgement has for a tag. What is different from image to image is gone through once.

use super::judge::ImageFacts;
use foldhash::HashMap;
use gantry_terms::header::{Attribute, Header, Tag};

pub(super) struct Attributes<'c> {
    images: &'c [ImageFacts<'c>],
    /// Where images differ from what they share: their places in ascending order, each with what it
    /// has, or that it has none.
    own: HashMap<Tag, Vec<(usize, Option<&'c Attribute>)>>,
}

impl<'c> Attributes<'c> {
    pub(super) fn of(images: &'c [ImageFacts<'c>]) -> Self {
        let mut own: HashMap<Tag, Vec<_>> = HashMap::default();
        for (at, image) in images.iter().enumerate() {
            for (tag, attribute) in image.header.own() {
                own.entry(tag).or_default().push((at, attribute));
            }
        }
        Self { images, own }
    }

    pub(super) fn images(&self) -> &'c [ImageFacts<'c>] {
        self.images
    }

    /// One for each image, in their order.
    pub(super) fn each(&self, tag: Tag) -> impl Iterator<Item = Option<&'c Attribute>> {
        let mut own = self.own.get(&tag).into_iter().flatten().peekable();
        let mut shared: Option<(&Header, Option<&'c Attribute>)> = None;
        self.images.iter().enumerate().map(move |(at, image)| {
            if let Some((_, attribute)) = own.next_if(|(place, _)| *place == at) {
                return *attribute;
            }
            let base = image.header.base();
            match shared {
                Some((known, attribute)) if std::ptr::eq(known, base) => attribute,
                _ => {
                    let attribute = base.attribute(tag);
                    shared = Some((base, attribute));
                    attribute
                }
            }
        })
    }
}
