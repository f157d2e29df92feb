//! A disk that fills while a scanner sends: it hears A700, then that it shall come back, and is served again when there is room.

use kit::modality::Refused;
use kit::need;
use kit::node::Setup;
use kit::ports;
use kit::template::{Number, Template};
use kit::wire::Wire;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const OUT_OF_RESOURCES: u16 = 0xA700;

/// A file system of its own in memory; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// Where this user may mount.
    fn mount(mib: u32) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        need::skipped("only root can mount a small disk");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_scanner_hears_that_the_disk_is_full_comes_back_and_is_served_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(240) else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 80 << 20]).expect("there is room");
    // In the configuration of the kit 64 MiB are kept in reserve.
    let setup = Setup::new().scanner("CT1").data(&disk.path().join("data")).segment_mib(16);
    let mut node = setup.start();
    let ask = || Wire::request("CT1", node.port, Template::SOP_CLASS);
    let mut images = Template::ct(512, 512);
    let mut sent = 0;
    let mut send = |wire: &mut Wire| {
        sent += 1;
        let number = Number { run: 1, scanner: 1, study: 1, series: 1, image: sent };
        let instance = number.sop_instance_uid();
        (wire.store(&instance, images.image(number)).expect("an answer"), instance)
    };

    let (mut wire, mut kept) = (ask().expect("accepted"), Vec::new());
    let refused = loop {
        match send(&mut wire) {
            (0x0000, instance) => kept.push(instance),
            (status, instance) => break (status, instance),
        }
        assert!(kept.len() < 480, "the disk is smaller than what was kept");
        // As fast as a scanner is: the node looks at the disk twice a second.
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(refused.0, OUT_OF_RESOURCES);
    assert!(kept.len() > 10, "there was room at first: {}", kept.len());
    // The association stands, and whoever asks for another one is told to come back.
    assert_eq!(send(&mut wire).0, OUT_OF_RESOURCES);
    wire.release();
    let rejected =
        Err(Refused::Rejected("Transient ServiceProviderPresentation(TemporaryCongestion)".into()));
    let sent_away = ports::wait_for(PATIENCE, || (ask().map(|_| ()) == rejected).then_some(()));
    assert!(sent_away.is_some(), "{}", node.log());
    let told = ports::wait_for(PATIENCE, || {
        let said = node.gantry(&["associations", "--refused"]).out;
        let status = node.status();
        let all = said.contains("2/3/1") && status.contains("answered A700: the disk");
        (all && status.contains(&refused.1)).then_some(())
    });
    assert!(told.is_some(), "the admin can see it: {}", node.status());

    std::fs::remove_file(ballast).expect("room is made");
    let again = ports::wait_for(PATIENCE, || ask().ok());
    let mut again = again.expect("it goes on by itself");
    let (status, instance) = send(&mut again);
    assert_eq!(status, 0x0000, "{}", node.status());
    kept.push(instance);
    again.release();
    node.wait_until_indexed();
    assert!(node.status().contains(&format!("{} instances", kept.len())), "{}", node.status());
    let verified = node.gantry(&["verify"]);
    assert!(verified.success, "{verified:?}");
    assert!(node.stop().success());
}
