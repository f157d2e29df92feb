//! Versions of models side by side: `NAME` is the one that was brought first, each `NAME@VERSION` another one.

use super::{Model, called, folders, load_model};
use crate::problem::ModelProblem;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Every version of every model on disk. A version beside that is faulty costs no other one.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// By their folders' names.
    versions: BTreeMap<String, Arc<Model>>,
    faulty: Vec<Faulty>,
}

/// A folder `NAME@VERSION` that is no model.
#[derive(Debug)]
pub struct Faulty {
    /// Of the folder.
    pub name: String,
    pub problems: Vec<ModelProblem>,
}

impl Catalogue {
    /// All problems of what has no `@` in its name come at once; a second folder of the same version
    /// is one, too.
    pub fn load(folder: &Path) -> Result<Self, Vec<ModelProblem>> {
        Self::of_folders(folder, |_| true)
    }

    /// The versions of one model alone.
    pub fn of_model(folder: &Path, name: &str) -> Result<Self, Vec<ModelProblem>> {
        Self::of_folders(folder, |folder| called(folder) == name)
    }

    fn of_folders(folder: &Path, counts: impl Fn(&str) -> bool) -> Result<Self, Vec<ModelProblem>> {
        let mut catalogue = Self::default();
        let mut problems = Vec::new();
        for entry in folders(folder).map_err(|problem| vec![problem])? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !counts(&name) {
                continue;
            }
            match load_model(&entry) {
                Ok(model) => catalogue.add(&entry, model),
                Err(faults) if name.contains('@') => {
                    catalogue.faulty.push(Faulty { name, problems: faults });
                }
                Err(faults) => problems.extend(faults),
            }
        }
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// Folders come in the order of their names, so that the one without an `@` is there first.
    fn add(&mut self, folder: &Path, model: Model) {
        match self.version(model.called(), model.version()) {
            Some(other) => {
                let text = format!(
                    "version {} of {} is there already, in {}: each version has one folder",
                    model.version(),
                    model.called(),
                    other.name
                );
                let problems = vec![ModelProblem::of_file(folder, text)];
                self.faulty.push(Faulty { name: model.name, problems });
            }
            None => drop(self.versions.insert(model.name.clone(), Arc::new(model))),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.versions.values()
    }

    pub fn faulty(&self) -> &[Faulty] {
        &self.faulty
    }

    /// Of one model, the one without an `@` first.
    pub fn versions<'a>(&'a self, called: &str) -> impl Iterator<Item = &'a Arc<Model>> {
        self.iter().filter(move |model| model.called() == called)
    }

    pub fn version(&self, called: &str, version: &str) -> Option<&Arc<Model>> {
        self.versions(called).find(|model| model.version() == version)
    }

    /// What is live where nobody has promoted anything: the folder without an `@`, or the only version.
    pub fn first(&self, called: &str) -> Option<&Arc<Model>> {
        let mut versions = self.versions(called);
        let first = versions.next()?;
        (!first.name.contains('@') || versions.next().is_none()).then_some(first)
    }

    /// What rules may call.
    pub fn names(&self) -> BTreeSet<&str> {
        self.iter().map(|model| model.called()).collect()
    }
}

/// What may stand behind the `@`.
pub(super) fn names_a_folder(version: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    (1..=64).contains(&version.len()) && version.bytes().all(fits)
}
