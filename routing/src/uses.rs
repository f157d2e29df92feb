//! What models worked on, for whoever keeps account of it.

use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model read images of a study, or something was made of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub study: Uid,
    /// One of the images, of whose patient it was.
    pub image: Uid,
    /// Name of its folder, which says its version.
    pub model: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// How many images of each SOP class.
    Read(BTreeMap<Uid, u64>),
    /// The instances that were made.
    Made(Vec<Uid>),
}

/// Told of each; nothing waits for it.
pub type Uses = Arc<dyn Fn(Use) + Send + Sync>;

impl Use {
    /// Nothing without images.
    pub(crate) fn read(study: &Uid, model: &str, images: &[Images]) -> Option<Self> {
        let mut classes: BTreeMap<Uid, u64> = BTreeMap::new();
        let sources: Vec<(&Uid, &Uid)> = images.iter().flat_map(Images::sources).collect();
        for (class, _) in &sources {
            *classes.entry((*class).clone()).or_default() += 1;
        }
        let (_, image) = sources.first()?;
        let (study, image, model) = (study.clone(), (*image).clone(), model.into());
        Some(Self { study, image, model, what: What::Read(classes) })
    }

    /// Of the same images.
    pub(crate) fn made(&self, instances: &[Uid]) -> Self {
        Self { what: What::Made(instances.into()), ..self.clone() }
    }
}
