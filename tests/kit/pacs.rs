//! A PACS: DCMTK's storescp, which lays what it receives into a folder, byte for byte.

use crate::instance::{ReceivedFile, files_below};
use crate::ports;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::{NamedTempFile, TempDir};

pub const STRUCTURED_REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.34";

/// Classes of colour Secondary Capture: single-frame and multi-frame true colour.
pub const SECONDARY_CAPTURES: [&str; 2] =
    ["1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.4"];

pub struct Pacs {
    pub ae_title: String,
    pub port: u16,
    folder: TempDir,
    process: Option<Child>,
    /// The file of an association profile, where it takes some SOP classes alone.
    profile: Option<NamedTempFile>,
}

impl Pacs {
    /// A PACS that is up.
    pub fn up(ae_title: &str) -> Self {
        let mut pacs = Self::down(ae_title);
        pacs.come_up();
        pacs
    }

    /// A PACS that is up and takes these SOP classes alone, in Explicit VR Little Endian.
    pub fn taking(ae_title: &str, sop_classes: &[&str]) -> Self {
        Self::taking_in(ae_title, sop_classes, &["LittleEndianExplicit"])
    }

    /// A PACS that is up and takes these SOP classes alone, in the transfer syntaxes that DCMTK calls so.
    pub fn taking_in(ae_title: &str, sop_classes: &[&str], syntaxes: &[&str]) -> Self {
        let mut profile = NamedTempFile::new().expect("a temporary file");
        let contexts = sop_classes.iter().zip(1..);
        let contexts: String = contexts
            .map(|(class, number)| format!("PresentationContext{number} = {class}\\Only\n"))
            .collect();
        let syntaxes = syntaxes.iter().zip(1..);
        let syntaxes: String = syntaxes
            .map(|(syntax, number)| format!("TransferSyntax{number} = {syntax}\n"))
            .collect();
        write!(
            profile,
            "[[TransferSyntaxes]]\n[Only]\n{syntaxes}\
             [[PresentationContexts]]\n[Some]\n{contexts}\
             [[Profiles]]\n[Default]\nPresentationContexts = Some\n"
        )
        .expect("written");
        let mut pacs = Self::down(ae_title);
        pacs.profile = Some(profile);
        pacs.come_up();
        pacs
    }

    /// A PACS that has an address, but is switched off.
    pub fn down(ae_title: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self {
            ae_title: ae_title.into(),
            port: ports::free(),
            folder,
            process: None,
            profile: None,
        }
    }

    pub fn come_up(&mut self) {
        let mut command = Command::new("storescp");
        match &self.profile {
            None => command.arg("--accept-all"),
            Some(profile) => command.arg("--config-file").arg(profile.path()).arg("Default"),
        };
        let process = command
            .env("TCP_NODELAY", "1")
            .args(["--bit-preserving", "--max-pdu", "131072"])
            .args(["--aetitle", &self.ae_title, "--output-directory"])
            .arg(self.folder.path())
            .arg(self.port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("storescp starts");
        self.process = Some(process);
        let up = ports::wait_for(Duration::from_secs(20), || {
            ports::somebody_listens(self.port).then_some(())
        });
        assert!(up.is_some(), "storescp does not listen on port {}", self.port);
    }

    /// Where it lays what it receives.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it at once, whatever it has in hand, by SIGKILL.
    pub fn go_down(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// What it has received and can be read as a whole.
    pub fn received(&self) -> Vec<ReceivedFile> {
        files_below(self.folder.path()).iter().filter_map(|path| ReceivedFile::read(path)).collect()
    }

    /// Waits until it has as many objects; all that it has then.
    pub fn wait_for(&self, objects: usize, patience: Duration) -> Vec<ReceivedFile> {
        let enough = || Some(self.received()).filter(|received| received.len() >= objects);
        ports::wait_for(patience, enough).unwrap_or_else(|| {
            panic!("the PACS has {} of {objects} objects after {patience:?}", self.received().len())
        })
    }
}

impl Drop for Pacs {
    fn drop(&mut self) {
        self.go_down();
    }
}

impl ReceivedFile {
    pub fn is_report(&self) -> bool {
        self.sop_class == STRUCTURED_REPORT
    }

    pub fn is_capture(&self) -> bool {
        SECONDARY_CAPTURES.contains(&self.sop_class.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modality::{Association, dcmsend};
    use crate::{instance::Instance, need, phantom};

    #[test]
    fn both_scanners_reach_the_pacs_without_a_node_between_them() {
        let Some(()) = need::dcmtk() else { return };
        let pacs = Pacs::up("PACS");
        let chest = phantom::small_chest("kit");
        let mut association =
            Association::request("CT1", "PACS", pacs.port, &chest.instances).expect("accepted");
        assert_eq!(association.echo().map(|answer| answer.status), Ok(0x0000));
        let answer = association.store(&chest.instances[0]);
        assert_eq!(answer.map(|answer| answer.status), Ok(0x0000));
        association.release();
        let folder = TempDir::new().expect("a temporary folder");
        Instance::write_all(&chest.instances[1..], folder.path());
        dcmsend("CT2", "PACS", pacs.port, folder.path()).expect("all are stored");
        let mut received = pacs.wait_for(chest.instances.len(), Duration::from_secs(10));
        received.sort_by_key(|file| file.path.clone());
        for file in &received {
            let sent = chest.instances.iter().find(|one| one.sop_instance == file.sop_instance);
            assert!(Some(&Instance::read(&file.path)) == sent, "byte for byte");
        }
    }
}
