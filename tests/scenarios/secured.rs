//! TLS both ways, against DCMTK's: who comes in, who does not, what is never sent in clear, and certificates that change.

use gantry::config::Config;
use gantry::dimse::requestor::{Association, Proposed, RequestError, RequestTimers, Target};
use gantry::tls::Tls;
use gantry::tls::certificate::Fingerprint;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use kit::certificates::{Authority, Issued};
use kit::instance::{Instance, ReceivedFile, files_below};
use kit::node::{AE_TITLE, Node, Setup};
use kit::{need, phantom, ports};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const FORWARD: &str = "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
                       [rule.then]\nforward = [\"PACS\"]\n";
const VERIFICATION: &str = "1.2.840.10008.1.1";

/// An authority, the node's certificate and a scanner's, and where the node listens for TLS.
struct Site {
    folder: TempDir,
    authority: Authority,
    trust: PathBuf,
    scanner: Issued,
    port: u16,
}

impl Site {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let authority = Authority::new("Hospital");
        let trust = authority.write(&folder.path().join("hospital.pem"));
        authority.issue(folder.path(), "node", &["127.0.0.1", "localhost"], 365);
        let scanner = authority.issue(folder.path(), "ct1", &["ct1.example.org"], 365);
        Self { folder, authority, trust, scanner, port: ports::free() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `[tls]` of the node; `further` keys of it.
    fn tls(&self, further: &str) -> String {
        let file = |name: &str| self.path().join(name);
        format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\ntrust = [{:?}]\nlisten = \"127.0.0.1:{}\"\n{further}",
            file("node.pem"),
            file("node.key"),
            self.trust,
            self.port
        )
    }

    /// The scanner sends one image by storescu; whether it was taken, and what was said.
    fn send(&self, port: u16, further: &[&str], image: &Path) -> (bool, String) {
        let output = Command::new("storescu")
            .env("TCP_NODELAY", "1")
            .args(["-v", "-aet", "CT1", "-aec", AE_TITLE])
            .args(further)
            .args(["127.0.0.1", &port.to_string()])
            .arg(image)
            .output()
            .expect("storescu starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// The options by which DCMTK shows this certificate and trusts that file.
fn tls_options<'a>(own: &'a Issued, trust: &'a Path) -> [&'a str; 5] {
    let text = |path: &'a Path| path.to_str().expect("a path in UTF-8");
    ["+tls", text(&own.key), text(&own.certificate), "+cf", text(trust)]
}

/// DCMTK's storescp behind TLS, or without it.
struct Archive {
    folder: TempDir,
    process: Child,
}

impl Archive {
    fn up(port: u16, tls: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let process = Command::new("storescp")
            .env("TCP_NODELAY", "1")
            .args(["--accept-all", "--bit-preserving", "--aetitle", "PACS"])
            .args(tls)
            .arg("--output-directory")
            .arg(folder.path())
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("storescp starts");
        let up = ports::wait_for(PATIENCE, || ports::somebody_listens(port).then_some(()));
        assert!(up.is_some(), "storescp does not listen");
        Self { folder, process }
    }

    fn received(&self) -> Vec<ReceivedFile> {
        let files = files_below(self.folder.path());
        files.iter().filter_map(|file| ReceivedFile::read(file)).collect()
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One image of the phantom, as a file.
fn image(site: &Site) -> (Instance, PathBuf) {
    let instance = phantom::small_chest("secured").instances.remove(3);
    let folder = site.path().join("image");
    fs::create_dir_all(&folder).expect("a fresh folder can be written");
    Instance::write_all(std::slice::from_ref(&instance), &folder);
    (instance, files_below(&folder).remove(0))
}

fn wait_for_words(node: &Node, command: &[&str], words: &str) -> String {
    let said = ports::wait_for(PATIENCE, || {
        Some(node.gantry(command).out).filter(|out| out.contains(words))
    });
    said.unwrap_or_else(|| panic!("{words:?} is not in:\n{}", node.gantry(command).out))
}

#[test]
fn an_image_comes_and_goes_over_tls_and_is_the_same() {
    let Some(()) = need::dcmtk() else { return };
    let site = Site::new();
    let (sent, file) = image(&site);
    let archive = site.authority.issue(site.path(), "pacs", &["127.0.0.1"], 20);
    let port = ports::free();
    let pacs = Archive::up(port, &tls_options(&archive, &site.trust));
    let peers = format!(
        "{}[[peer]]\nae-title = \"CT1\"\ntls = true\ntls-name = \"ct1.example.org\"\n\
         [[peer]]\nae-title = \"PACS\"\naddress = \"127.0.0.1:{port}\"\ntls = true\n",
        site.tls("")
    );
    let node = Setup::new().rules("archive.toml", FORWARD).further(&peers).start();
    let checked = node.gantry(&["check"]);
    assert!(checked.success && checked.out.contains("certificate    "), "{checked:?}");

    // Both profiles that are not retired, and whatever else DCMTK's default speaks.
    for profile in ["+px", "+py"] {
        let options = tls_options(&site.scanner, &site.trust);
        let options = [&options[..], &[profile]].concat();
        let (taken, said) = site.send(site.port, &options, &file);
        assert!(taken, "{profile}: {said}");
    }
    let arrived = ports::wait_for(PATIENCE, || Some(pacs.received()).filter(|all| !all.is_empty()));
    let arrived = arrived.unwrap_or_else(|| panic!("nothing arrived:\n{}", node.status()));
    assert!(Instance::read(&arrived[0].path) == sent, "byte for byte");
    let told = wait_for_words(&node, &["associations"], "; over TLS 1.");
    assert!(told.contains("released"), "{told}");
    let status = node.status();
    assert!(
        status.contains("tls       this node's certificate in node.pem ends in 36"),
        "{status}"
    );
}

#[test]
fn whoever_has_no_certificate_of_its_own_is_kept_out_and_the_admin_reads_why() {
    let Some(()) = need::dcmtk() else { return };
    let site = Site::new();
    let (_, file) = image(&site);
    let other = site.authority.issue(site.path(), "ct2", &["ct2.example.org"], 365);
    let stranger = Authority::new("Stranger");
    let unknown = stranger.issue(site.path(), "unknown", &["ct1.example.org"], 365);
    let peers = format!(
        "{}[[peer]]\nae-title = \"CT1\"\ntls = true\ntls-name = \"ct1.example.org\"\n",
        site.tls("")
    );
    let node = Setup::new().further(&peers).start();
    let own = tls_options(&site.scanner, &site.trust);
    let cases: [(&str, u16, &[&str], &str); 5] = [
        ("without a certificate", site.port, &["+tla", "-ic"], "TLS: peer sent no certificates"),
        (
            "signed by a stranger",
            site.port,
            &tls_options(&unknown, &site.trust),
            "TLS: invalid peer certificate: UnknownIssuer",
        ),
        ("without TLS where TLS is spoken", site.port, &[], "TLS: received corrupt message"),
        ("without TLS where anybody may", node.port, &[], "certificate of its own (1/1/3)"),
        (
            "with the certificate of another",
            site.port,
            &tls_options(&other, &site.trust),
            "tls-name and pin say which certificates are its own",
        ),
    ];
    for (what, port, options, words) in cases {
        let (taken, said) = site.send(port, options, &file);
        assert!(!taken, "{what}: {said}");
        wait_for_words(&node, &["associations", "--refused"], words);
    }
    let (taken, said) = site.send(node.port, &own, &file);
    assert!(!taken, "TLS where none is spoken: {said}");
    let (taken, said) = site.send(site.port, &own, &file);
    assert!(taken, "{said}");
}

#[test]
fn a_certificate_that_is_pinned_needs_no_authority_and_no_other_is_good_beside_it() {
    let Some(()) = need::dcmtk() else { return };
    let site = Site::new();
    let (_, file) = image(&site);
    let unknown = Authority::new("Stranger").issue(site.path(), "unknown", &["x.example"], 365);
    let pin = Fingerprint::of(&unknown.der);
    let peers =
        format!("{}[[peer]]\nae-title = \"CT1\"\ntls = true\npin = [\"{pin}\"]\n", site.tls(""));
    let node = Setup::new().further(&peers).start();
    let (taken, said) = site.send(site.port, &tls_options(&unknown, &site.trust), &file);
    assert!(taken, "{said}");
    let (taken, said) = site.send(site.port, &tls_options(&site.scanner, &site.trust), &file);
    assert!(!taken, "{said}");
    wait_for_words(&node, &["associations", "--refused"], "certificate of its own (1/1/3)");
}

#[test]
fn a_pacs_that_cannot_be_trusted_gets_nothing_and_never_anything_in_clear() {
    let Some(()) = need::dcmtk() else { return };
    let site = Site::new();
    let (_, file) = image(&site);
    let wrong_name = site.authority.issue(site.path(), "elsewhere", &["pacs.example.org"], 365);
    let stranger = Authority::new("Stranger").issue(site.path(), "pacs", &["127.0.0.1"], 365);
    let cases: [(&str, Option<&Issued>, &str); 3] = [
        ("another authority's", Some(&stranger), "none of [tls] trust"),
        ("another host's", Some(&wrong_name), "set tls-name of the peer"),
        ("no TLS at all", None, "no TLS with 127.0.0.1"),
    ];
    for (what, certificate, words) in cases {
        let port = ports::free();
        let options = certificate.map(|own| tls_options(own, &site.trust));
        let pacs = Archive::up(port, options.as_ref().map_or(&[], |options| &options[..]));
        let peers = format!(
            "{}[[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"PACS\"\n\
             address = \"127.0.0.1:{port}\"\ntls = true\n",
            site.tls("")
        );
        let node = Setup::new().rules("archive.toml", FORWARD).further(&peers).start();
        let (taken, said) = site.send(node.port, &[], &file);
        assert!(taken, "{said}");
        wait_for_words(&node, &["status"], words);
        assert!(pacs.received().is_empty(), "{what}");
    }
}

/// It took the image, and refuses this node's certificate when it is to promise that it keeps it: an alert behind the handshake.
#[test]
fn a_pacs_whose_tls_fails_when_it_is_asked_to_commit_is_named_and_asked_again() {
    let Some(()) = need::dcmtk() else { return };
    let site = Site::new();
    let (_, file) = image(&site);
    let port = ports::free();
    let own = site.authority.issue(site.path(), "pacs", &["127.0.0.1"], 365);
    let strangers = Authority::new("Stranger").write(&site.path().join("stranger.pem"));
    let pacs = Archive::up(port, &tls_options(&own, &site.trust));
    let peers = format!(
        "{}[[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"PACS\"\n\
         address = \"127.0.0.1:{port}\"\ntls = true\ncommitment = true\n",
        site.tls("")
    );
    let node = Setup::new().rules("archive.toml", FORWARD).further(&peers).start();
    let (taken, said) = site.send(node.port, &[], &file);
    assert!(taken, "{said}");
    wait_for_words(&node, &["status"], "PACS: 0 queued, 1 delivered");
    drop(pacs);
    let pacs = Archive::up(port, &tls_options(&own, &strangers));
    let refused = "it refuses this node's certificate (UnknownCA): its admin must trust this node's certificate";
    wait_for_words(
        &node,
        &["status"],
        &format!("last trouble: storage commitment: no TLS with 127.0.0.1:{port}: {refused}"),
    );
    drop(pacs);
    // With TLS mended the next one is asked over it: it is no archive that commits, and says so.
    let _pacs = Archive::up(port, &tls_options(&own, &site.trust));
    wait_for_words(&node, &["status"], "last trouble: storage commitment: SOP class not supported");
    wait_for_words(&node, &["status"], "PACS: 0 committed, 0 asked, 1 to ask, 0 sent again");
}

#[test]
fn a_renewed_certificate_is_taken_while_associations_go_on_and_a_broken_one_is_not() {
    let site = Site::new();
    let peers = format!("{}[[peer]]\nae-title = \"CT1\"\ntls = true\n", site.tls(""));
    let node = Setup::new().further(&peers).start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut open = runtime.block_on(associate(&site, &site.trust)).expect("accepted");

    fs::write(site.path().join("node.pem"), "half a certif").expect("written");
    wait_for_words(&node, &["status"], "what was in force stays so");
    runtime.block_on(associate(&site, &site.trust)).expect("by what was in force");

    // Another authority altogether: whoever trusts the old one only has to be refused by it.
    let new = Authority::new("Renewed");
    let trust = new.write(&site.path().join("renewed.pem"));
    new.issue(site.path(), "node", &["127.0.0.1"], 10);
    wait_for_words(&node, &["status"], "certificates renewed");
    assert_eq!(runtime.block_on(open.echo()).expect("the open association goes on"), 0);
    runtime.block_on(associate(&site, &trust)).expect("by the new one");
    let by_the_old = runtime.block_on(associate(&site, &site.trust));
    let said = by_the_old.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said.contains("none of [tls] trust"), "{said}");

    let told = wait_for_words(
        &node,
        &["status"],
        "this node's certificate in node.pem ends in 9 days: renew it",
    );
    assert!(told.contains("renew it SOON"), "{told}");
    let metrics = node.gantry(&["status", "--metrics"]).out;
    let name = "gantry_certificate_not_after_seconds{certificate=\"this node's certificate in node.pem\"} ";
    assert!(metrics.contains(name), "{metrics}");
    assert!(node.log().contains("a certificate ends soon"), "{}", node.log());
}

/// An association of a scanner that trusts this authority.
async fn associate(site: &Site, trust: &Path) -> Result<Association, RequestError> {
    let text = format!(
        "[node]\nae-title = \"CT1\"\n[tls]\ncertificate = {:?}\nkey = {:?}\ntrust = [{trust:?}]\n\
         [[peer]]\nae-title = \"{AE_TITLE}\"\naddress = \"127.0.0.1:{}\"\ntls = true\n",
        site.scanner.certificate, site.scanner.key, site.port
    );
    let config = Config::parse(&text, &site.path().join("node.toml")).expect("good");
    let called = AeTitle::parse(AE_TITLE).expect("a title");
    let tls = Tls::open(&Arc::new(config.clone())).expect("good files").expect("[tls] is there");
    let target = Target {
        servers: vec![vec![([127, 0, 0, 1], site.port).into()]],
        secured: tls.secured(&config.peers[&called]),
        reports: false,
        identity: None,
        called,
        calling: config.ae_title.clone(),
        timers: RequestTimers::default(),
        maximum_pdu: 131_072,
    };
    let uid = |text| Uid::parse(text).expect("a UID");
    let proposed = [Proposed {
        sop_class: uid(VERIFICATION),
        transfer_syntaxes: vec![uid("1.2.840.10008.1.2")],
    }];
    Association::request(&target, &proposed).await
}

#[test]
fn files_that_are_no_good_stop_the_start_and_say_which() {
    let site = Site::new();
    let key = site.path().join("node.key");
    let open = |mode| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("one's own file");
    };
    open(0o644);
    let node = Setup::new().further(&site.tls("")).lay_out();
    assert!(node.refuses_to_start().contains("others can read"));
    open(0o600);
    fs::copy(&site.scanner.key, &key).expect("copied");
    assert!(node.refuses_to_start().contains("tls.key does not belong to tls.certificate"));
    fs::write(site.path().join("node.pem"), "no PEM").expect("written");
    assert!(node.refuses_to_start().contains("holds no certificate in PEM"));
}
