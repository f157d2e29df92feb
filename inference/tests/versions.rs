//! Versions of a model side by side on disk: which are there, which is the first, and what is wrong with the others.

#[path = "kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::{Author, MANIFEST};
use gantry_inference::made_up;
use gantry_inference::models::{Catalogue, Models};
use std::path::Path;
use tempfile::tempdir;

/// A folder below `models`.
fn lay(models: &Path, name: &str, version: &str) {
    let manifest = MANIFEST.replace("version       = \"1\"", &format!("version = {version:?}"));
    let written = Author { manifest, ..Author::default() }.write(&models.join(".brought"));
    std::fs::rename(written.join("tiny"), models.join(name)).expect("laid down");
}

fn names(catalogue: &Catalogue, called: &str) -> Vec<String> {
    catalogue.versions(called).map(|model| model.name.clone()).collect()
}

#[test]
fn a_faulty_version_beside_costs_no_other_and_each_version_has_one_folder() {
    let folder = tempdir().expect("a folder");
    let models = folder.path();
    lay(models, "lung", "1");
    lay(models, "lung@2.0-rc.1", "2.0-rc.1");
    lay(models, "lung-base", "1");
    lay(models, "heart@7", "7");
    lay(models, "lung@1", "1");
    lay(models, "lung@3", "4");
    std::fs::create_dir(models.join("lung@5")).expect("an empty folder");
    std::fs::create_dir(models.join("lung@a b")).expect("an empty folder");
    let catalogue = Catalogue::load(models).expect("what is live is sound");
    assert_eq!(names(&catalogue, "lung"), ["lung", "lung@2.0-rc.1"]);
    assert_eq!(catalogue.names().into_iter().collect::<Vec<_>>(), ["heart", "lung", "lung-base"]);
    assert_eq!(catalogue.first("lung").map(|model| model.name.as_str()), Some("lung"));
    assert_eq!(catalogue.first("heart").map(|model| model.called()), Some("heart"));
    assert_eq!(catalogue.version("lung", "2.0-rc.1").map(|model| model.called()), Some("lung"));
    assert!(catalogue.version("lung", "4").is_none());
    let told: Vec<(&str, String)> = catalogue
        .faulty()
        .iter()
        .map(|faulty| (faulty.name.as_str(), faulty.problems[0].text.clone()))
        .collect();
    let expected = [
        ("lung@1", "version 1 of lung is there already, in lung"),
        ("lung@3", "the folder is of version 3, its manifest says 4"),
        ("lung@5", "each folder of a model has a model.toml"),
        ("lung@a b", "behind the @ stands the version"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((name, text), (expected_name, part)) in told.iter().zip(expected) {
        assert!(*name == expected_name && text.contains(part), "{name}: {text}");
    }
    let plain = Models::load(models).expect("sound");
    assert_eq!(plain.names().collect::<Vec<_>>(), ["lung", "lung-base"]);

    lay(models, "heart@8", "8");
    let catalogue = Catalogue::of_model(models, "heart").expect("sound");
    assert!(catalogue.first("heart").is_none(), "nobody said which");
    std::fs::create_dir(models.join("liver")).expect("an empty folder");
    assert!(Catalogue::load(models).is_err(), "what has no @ has to be a model");
}

#[test]
fn made_up_images_are_within_the_limits_of_the_manifest_and_not_constant() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let models = Models::load(&models).expect("they ship");
    for model in models.iter() {
        let images = made_up::images(model);
        assert_eq!(images.len(), model.manifest.inputs.len());
        for (input, images) in model.manifest.inputs.iter().zip(&images) {
            assert_eq!(images.numbers().len(), images.count());
            let least = images.numbers().iter().copied().fold(f32::INFINITY, f32::min);
            let most = images.numbers().iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(least < most && least.is_finite() && most.is_finite(), "{least} {most}");
            let gantry_terms::images::Images::Volume(volume) = images else { continue };
            let (geometry, limits) = (&volume.geometry, input.limits);
            assert!(limits.slices.holds(geometry.slices as f64), "{geometry:?}");
            assert!(limits.slice_step.holds(geometry.slice_step), "{geometry:?}");
            assert!(geometry.pixel_spacing.iter().all(|mm| limits.pixel_spacing.holds(*mm)));
            assert_eq!(volume.slices.len(), geometry.slices);
        }
    }
}
