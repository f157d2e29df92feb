//! The rules folder: which of its files are rules, and their bytes.

use gantry_routing::rules::{RuleSet, SourceFile};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Rules are written by hand. What is longer was put there by mistake, and would be read every two seconds.
const LONGEST: u64 = 4 << 20;

/// In the rules folder from before a rollback alters the first file until it has altered the last: in
/// between they are the rules of nobody. Holds the digest that is laid down.
pub const MARKER: &str = ".gantry-rollback";

/// Whether the files are partly those of earlier rules, and partly of later ones.
pub fn is_rolling_back(folder: &Path) -> bool {
    folder.join(MARKER).symlink_metadata().is_ok()
}

/// What an admin has to do when a rollback was broken off, as by a power cut.
pub fn rolled_back_halfway(folder: &Path) -> Option<String> {
    is_rolling_back(folder).then(|| {
        format!(
            "a rollback of the rules in {} was broken off, or is under way\n  help: run `gantry rules \
             rollback` again, which ends it; or, if the files are as you want them, remove {MARKER}",
            folder.display()
        )
    })
}

/// The files of rules as they were seen, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnDisk(Vec<(PathBuf, Vec<u8>)>);

impl OnDisk {
    /// Those whose names end in `.toml`, of the folder itself. Hidden ones are what editors and
    /// copying programs lay there for a while.
    pub fn look(folder: &Path) -> Result<Self, String> {
        let cannot = |error: io::Error| {
            format!(
                "cannot read the rules folder {}: {error}\n  help: node.rules names it",
                folder.display()
            )
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if is_of_rules(&path)? {
                paths.push(path);
            }
        }
        paths.sort();
        let read = |path: PathBuf| match read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        };
        paths.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub fn of(rules: &RuleSet) -> Self {
        let bytes = |file: &SourceFile| (file.path.clone(), file.text.clone().into_bytes());
        Self(rules.files().iter().map(bytes).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(path, _)| path.file_name()?.to_str())
    }

    /// Of the file with this name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let file = self.0.iter().find(|(path, _)| path.file_name().is_some_and(|it| it == name));
        file.map(|(_, bytes)| bytes.as_slice())
    }

    /// As texts. The faults name the files that are none.
    pub fn texts(&self) -> Result<Vec<SourceFile>, Vec<String>> {
        let mut faults = Vec::new();
        let mut files = Vec::new();
        for (path, bytes) in &self.0 {
            match std::str::from_utf8(bytes) {
                Ok(text) => files.push(SourceFile { path: path.clone(), text: text.into() }),
                Err(error) => {
                    let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
                    faults.push(format!("{}:{line}: this is not UTF-8", name(path)));
                }
            }
        }
        if faults.is_empty() { Ok(files) } else { Err(faults) }
    }
}

/// The name comes into the database and back, so that it has to be a text.
fn is_of_rules(path: &Path) -> Result<bool, String> {
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(false);
    }
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(!name.starts_with('.')),
        None => Err(format!("the name of {} is not UTF-8", path.display())),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("longer than {} MiB", LONGEST >> 20)));
    }
    Ok(bytes)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_lay_beside_rules_is_no_rule() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["b.toml", "a.toml", ".a.toml.swp", "a.toml~", ".hidden.toml", "README.md"] {
            std::fs::write(path(name), name).expect("written");
        }
        std::fs::create_dir(path("replaced-20260101-000000")).expect("made");
        std::os::unix::fs::symlink("nobody@nowhere:1", path(".#a.toml")).expect("made");
        let seen = OnDisk::look(folder.path()).expect("a folder that can be read");
        assert_eq!(seen.names().collect::<Vec<_>>(), ["a.toml", "b.toml"]);
        assert_eq!(seen.bytes("b.toml"), Some(&b"b.toml"[..]));
    }

    #[test]
    fn a_file_that_is_no_text_or_far_too_long_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        std::fs::write(&path, b"ok\n\xFF").expect("written");
        let seen = OnDisk::look(folder.path()).expect("read");
        assert_eq!(seen.texts().expect_err("no text"), ["a.toml:2: this is not UTF-8"]);
        std::fs::write(&path, vec![b' '; LONGEST as usize + 1]).expect("written");
        let said = OnDisk::look(folder.path()).expect_err("too long");
        assert!(said.contains("a.toml: longer than 4 MiB"), "{said}");
    }
}
