//! Peers that only DNS knows: found, followed when they move, kept while the name servers are away, and told apart from impostors.

use gantry::config::Config;
use gantry::resolve::{ResolveError, Resolver, Server};
use gantry_terms::ae_title::AeTitle;
use kit::certificates::Authority;
use kit::dns::{Babbling, DOMAIN, NameServer, Silent, config, dnsmasq};
use kit::instance::Instance;
use kit::modality::{Association, Refused, dcmsend};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom, ports};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn zone(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| line.to_string()).collect()
}

/// A resolver by this `[dns]`, and the peers that it is asked for.
struct Asking {
    config: Config,
    resolver: Resolver,
    runtime: tokio::runtime::Runtime,
}

impl Asking {
    fn new(dns: &str, peers: &[(&str, &str)]) -> Self {
        let peers = peers
            .iter()
            .map(|(title, address)| format!("[[peer]]\nae-title = \"{title}\"\n{address}\n"));
        let peers: String = peers.collect();
        let text = format!("[node]\nae-title = \"GANTRY\"\n{dns}{peers}");
        let config = Config::parse(&text, Path::new("node.toml")).expect("good");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let resolver = Resolver::new(&config.dns);
        Self { config, resolver, runtime: runtime.expect("a runtime starts") }
    }

    fn find(&self, title: &str) -> Result<Vec<Server>, ResolveError> {
        self.found(title).map(|found| found.servers)
    }

    fn found(&self, title: &str) -> Result<gantry::resolve::Found, ResolveError> {
        let title = AeTitle::parse(title).expect("a title");
        self.runtime.block_on(self.resolver.find(&self.config.peers[&title]))
    }

    fn addresses(&self, title: &str) -> String {
        let servers = self.find(title).unwrap_or_else(|why| panic!("{title}: {why}"));
        let addresses = servers.iter().flat_map(|server| &server.addresses);
        addresses.map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn servers_come_by_priority_and_by_weight_and_hosts_with_all_their_addresses() {
    let Some(()) = dnsmasq() else { return };
    let dns = NameServer::up(&zone(&[
        "host pacs-a 127.0.0.1",
        "host pacs-b 127.0.0.2",
        "host pacs-dr 127.0.0.3",
        "host two 127.0.0.4",
        "host two 127.0.0.5",
        "host six ::1",
        "srv PACS pacs-a 11112 10 60",
        "srv PACS pacs-b 11112 10 40",
        "srv PACS pacs-dr 104 20 0",
        "txt PACS AET=PACS",
    ]));
    let peers = [
        ("PACS", "discover = true"),
        ("TWO", "address = \"two.hospital.test:104\""),
        ("SHORT", "address = \"two\""),
        ("SIX", "address = \"six.hospital.test:104\""),
        ("FIXED", "address = \"192.0.2.7:104\""),
    ];
    let asking = Asking::new(&dns.config(), &peers);
    let mut first = [0, 0];
    for _ in 0..200 {
        let found = asking.addresses("PACS");
        match &*found {
            "127.0.0.1:11112 127.0.0.2:11112 127.0.0.3:104" => first[0] += 1,
            "127.0.0.2:11112 127.0.0.1:11112 127.0.0.3:104" => first[1] += 1,
            other => panic!("{other}"),
        }
    }
    // 60 : 40, of which 200 draws stray so far once in a million times.
    assert!((85..=155).contains(&first[0]), "{first:?}");
    assert_eq!(asking.addresses("TWO"), "127.0.0.4:104 127.0.0.5:104");
    assert_eq!(asking.addresses("SHORT"), "127.0.0.4:11112 127.0.0.5:11112");
    assert_eq!(asking.addresses("SIX"), "[::1]:104");
    assert_eq!(asking.addresses("FIXED"), "192.0.2.7:104");
    let found = asking.found("PACS").expect("found");
    assert!(found.source.contains("SRV PACS._dicom._tcp.hospital.test"), "{found:?}");
    assert!(found.source.contains(&format!("127.0.0.1:{}", dns.port)), "{found:?}");
}

#[test]
fn an_answer_that_is_too_long_for_one_packet_and_a_host_that_is_an_alias_are_found() {
    let Some(()) = dnsmasq() else { return };
    let host =
        |number: u8| format!("a-host-with-a-name-that-takes-much-room-in-an-answer-{number}");
    let mut lines = zone(&["host real 127.0.0.7", "alias other real", "srv ALIAS other 104 0 0"]);
    for number in 1..=30 {
        lines.push(format!("host {} 127.0.1.{number}", host(number)));
        lines.push(format!("srv MANY {} 104 {number} 0", host(number)));
    }
    let dns = NameServer::up(&lines);
    let peers = [("MANY", "discover = true"), ("ALIAS", "discover = true")];
    let asking = Asking::new(&dns.config(), &peers);
    let found = asking.find("MANY").expect("found over TCP");
    let hosts: Vec<String> = found.iter().map(|server| server.host.clone()).collect();
    let expected: Vec<String> = (1..=30).map(|it| format!("{}.{DOMAIN}", host(it))).collect();
    assert_eq!(hosts, expected);
    assert_eq!(asking.addresses("ALIAS"), "127.0.0.7:104");
}

#[test]
fn why_a_peer_is_not_found_says_who_must_act() {
    let Some(()) = dnsmasq() else { return };
    let dns = NameServer::up(&zone(&[
        "host pacs-a 127.0.0.1",
        "host nowhere 0.0.0.0",
        "gone RETIRED",
        "srv Mixed pacs-a 104 0 0",
        "txt Mixed AET=Mixed",
        "srv hollow missing 104 0 0",
        "tls SECURE pacs-a 2762",
    ]));
    let peers = [
        ("UNKNOWN", "discover = true"),
        ("RETIRED", "discover = true"),
        ("MIXED", "discover = true"),
        ("Mixed", "discover = true"),
        ("HOLLOW", "discover = true"),
        ("SECURE", "discover = true"),
        ("HOST", "address = \"missing.hospital.test:104\""),
        ("ZERO", "address = \"nowhere.hospital.test:104\""),
        ("CALLS", ""),
    ];
    let asking = Asking::new(&dns.config(), &peers);
    let check = |title: &str, part: &str| {
        let said = asking.find(title).map_err(|why| why.to_string());
        let said = said.expect_err(title);
        assert!(said.contains(part), "{title}: {part:?} is not in {said:?}");
    };
    check("UNKNOWN", &format!("SRV record UNKNOWN._dicom._tcp.{DOMAIN}"));
    check("RETIRED", "out of service");
    // DNS compares without case, an AE title is compared as it stands.
    check("MIXED", "belongs to another AE title (\"Mixed\")");
    assert_eq!(asking.addresses("Mixed"), "127.0.0.1:104");
    check("HOLLOW", "no usable address of missing.hospital.test");
    check("SECURE", "TLS alone");
    check("HOST", "no usable address of missing.hospital.test");
    check("ZERO", "no usable address");
    check("CALLS", "it has no address");
}

#[test]
fn a_moved_peer_is_followed_when_its_record_has_run_out_and_an_old_answer_outlives_the_name_server()
{
    let Some(()) = dnsmasq() else { return };
    let at = |address: &str| zone(&[&format!("host pacs-a {address}"), "srv PACS pacs-a 104 0 0"]);
    let mut dns = NameServer::up(&at("127.0.0.1"));
    let asking = Asking::new(&dns.config(), &[("PACS", "discover = true")]);
    assert_eq!(asking.addresses("PACS"), "127.0.0.1:104");
    dns.come_up(&at("127.0.0.2"));
    let moved =
        ports::wait_for(PATIENCE, || (asking.addresses("PACS") == "127.0.0.2:104").then_some(()));
    assert!(moved.is_some(), "it is still sought where it was");
    dns.go_down();
    let old = ports::wait_for(PATIENCE, || {
        asking.found("PACS").ok().filter(|found| found.fault.is_some())
    });
    let old = old.expect("the answer runs out and is used all the same");
    assert_eq!(old.servers[0].addresses, [([127, 0, 0, 2], 104).into()]);
    assert!(matches!(old.fault, Some(ResolveError::Unanswered { .. })), "{old:?}");
    dns.come_up(&at("127.0.0.3"));
    let back =
        ports::wait_for(PATIENCE, || (asking.addresses("PACS") == "127.0.0.3:104").then_some(()));
    assert!(back.is_some(), "the name server is back, and not asked");
}

#[test]
fn a_name_server_that_is_silent_or_talks_nonsense_is_a_fault_and_never_an_answer() {
    let silent = Silent::up();
    let peers = [("PACS", "discover = true"), ("HOST", "address = \"pacs.hospital.test:104\"")];
    let asking = Asking::new(&config(silent.port), &peers);
    for title in ["PACS", "HOST"] {
        let said = asking.find(title).expect_err("nobody answers");
        assert!(matches!(said, ResolveError::Unanswered { .. }), "{said:?}");
    }
    for seed in 0..6 {
        let babbling = Babbling::up(seed);
        let asking = Asking::new(&config(babbling.port), &peers);
        for title in ["PACS", "HOST"] {
            // Whatever it makes of it: it comes to an end, and nothing that was said leads anywhere by a panic.
            let _ = asking.find(title);
        }
        assert!(babbling.stop() > 0, "it was not asked");
    }
}

const RULES: &str = r#"
[[rule]]
name = "to the archive"
on = "series"

[rule.select]
Modality = "CT"

[rule.then]
forward = ["PACS"]
"#;

fn send(node: &Node, name: &str) -> usize {
    let chest = phantom::small_chest(name);
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(&chest.instances[..3], folder.path());
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
    3
}

fn peer_of(node: &Node, title: &str) -> Value {
    let said = node.gantry(&["peers", "--json"]);
    assert!(said.success, "{said:?}");
    let all: Vec<Value> = serde_json::from_str(&said.out).expect("JSON");
    all.into_iter().find(|peer| peer["ae_title"] == title).expect("a peer of the configuration")
}

#[test]
fn a_node_delivers_to_a_pacs_that_only_dns_knows_and_goes_on_when_the_name_server_dies() {
    let (Some(()), Some(())) = (dnsmasq(), need::dcmtk()) else { return };
    let pacs = Pacs::up("PACS");
    let dead = ports::free();
    // The first server is dead, and so is the first address of the second.
    let mut dns = NameServer::up(&zone(&[
        "host dead 127.0.0.1",
        "host pacs-a 100::1",
        "host pacs-a 127.0.0.1",
        &format!("srv PACS dead {dead} 1 0"),
        &format!("srv PACS pacs-a {} 2 0", pacs.port),
        "txt PACS AET=PACS",
    ]));
    let peer = "\n[[peer]]\nae-title = \"PACS\"\ndiscover = true\n";
    let lost = "\n[[peer]]\nae-title = \"LOST\"\ndiscover = true\n";
    let setup = Setup::new().rules("a.toml", RULES).scanner("CT1");
    let node = setup.further(&format!("{peer}{lost}{}", dns.config())).start();
    let mut sent = send(&node, "found by name");
    assert_eq!(pacs.wait_for(sent, PATIENCE).len(), sent);

    let known = ports::wait_for(PATIENCE, || {
        let known = peer_of(&node, "PACS");
        (known["servers"].as_array().map(Vec::len) == Some(2)).then_some(known)
    });
    let known = known.expect("the node writes where it found it");
    assert_eq!(known["servers"][1]["host"], format!("pacs-a.{DOMAIN}"), "{known}");
    assert!(known["source"].as_str().is_some_and(|it| it.contains("SRV PACS._dicom._tcp")));
    assert!(known["answered"].is_i64() && known["until"].is_i64(), "{known}");
    let lost =
        ports::wait_for(PATIENCE, || peer_of(&node, "LOST")["fault"].as_str().map(String::from));
    assert!(lost.expect("a fault").contains("DNS knows no SRV record LOST"));
    let said = node.gantry(&["peers"]).out;
    for part in ["discovered", "priority 2", "receives nothing", "lasting: DNS knows no SRV"] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }

    let said = node.gantry(&["echo", "PACS"]);
    assert!(said.success, "{said:?}");
    for step in ["DNS", "TCP", "association", "context", "C-ECHO"] {
        let good = said.out.lines().any(|line| line.starts_with(step) && line.contains(" good "));
        assert!(good, "{step} in\n{}", said.out);
    }

    dns.go_down();
    let is_old = || peer_of(&node, "PACS")["fault"].as_str().map(String::from);
    let fault = ports::wait_for(PATIENCE, is_old).expect("that nobody answers is seen");
    assert!(fault.contains("did not say where"), "{fault}");
    sent += send(&node, "found by memory");
    assert_eq!(pacs.wait_for(sent, PATIENCE).len(), sent);
    let said = node.gantry(&["peers", "--now"]);
    assert!(!said.success && said.out.contains("did not say where"), "{said:?}");
}

#[test]
fn a_slow_name_server_holds_up_nobody_whose_address_is_known() {
    let Some(()) = need::dcmtk() else { return };
    let (silent, pacs) = (Silent::up(), Pacs::up("PACS"));
    let rules = RULES.replace("[\"PACS\"]", "[\"SLOW\", \"PACS\"]");
    let setup = Setup::new().rules("a.toml", &rules).scanner("CT1").pacs(&pacs);
    let slow = "\n[[peer]]\nae-title = \"SLOW\"\ndiscover = true\n";
    let node = setup.further(&format!("{slow}{}", config(silent.port))).start();
    let sent = send(&node, "beside a silent name server");
    assert_eq!(pacs.wait_for(sent, PATIENCE).len(), sent);
    let said = ports::wait_for(PATIENCE, || {
        Some(node.status()).filter(|said| said.contains("did not say where SLOW"))
    });
    let said = said.unwrap_or_else(|| panic!("{}", node.status()));
    assert!(said.contains("SLOW: 3 queued, 0 delivered, 0 parked"), "{said}");
}

#[test]
fn a_caller_that_is_not_where_dns_says_is_refused_and_for_now_only_when_dns_does_not_say() {
    let Some(()) = dnsmasq() else { return };
    let mut dns = NameServer::up(&zone(&[
        "host here 127.0.0.1",
        "host there 127.0.0.77",
        "srv HERE here 104 0 0",
        "srv THERE there 104 0 0",
        "srv LATER there 104 0 0",
    ]));
    let peer = |title: &str, lines: &str| {
        format!("\n[[peer]]\nae-title = \"{title}\"\n{lines}\nfrom = [\"@address\"]\n")
    };
    let peers = [
        peer("HERE", "discover = true"),
        peer("THERE", "discover = true"),
        peer("LATER", "discover = true"),
        peer("LOST", "discover = true"),
        peer("HOST", "address = \"here\""),
        peer("FIXED", "address = \"127.0.0.1:104\""),
        peer("ELSEWHERE", "address = \"127.0.0.5:104\""),
    ];
    let node = Setup::new().further(&(peers.concat() + &dns.config())).start();
    let check = |title: &str, expected: Result<(), &str>| {
        let answer = Association::request(title, AE_TITLE, node.port, &[]);
        let said = match answer {
            Ok(association) => {
                association.release();
                Ok(())
            }
            Err(Refused::Rejected(said)) => Err(said),
            Err(other) => panic!("{title}: {other:?}"),
        };
        match (said, expected) {
            (Ok(()), Ok(())) => {}
            (Err(said), Err(word)) => assert!(said.contains(word), "{title}: {said}"),
            (said, _) => panic!("{title}: {said:?}"),
        }
    };
    check("HERE", Ok(()));
    check("HOST", Ok(()));
    check("FIXED", Ok(()));
    check("THERE", Err("Permanent"));
    check("ELSEWHERE", Err("Permanent"));
    check("LOST", Err("Transient"));
    dns.go_down();
    // Who was let in before still is; who was not may come again.
    check("HERE", Ok(()));
    let transient = ports::wait_for(PATIENCE, || {
        let refused = Association::request("LATER", AE_TITLE, node.port, &[]).err();
        matches!(refused, Some(Refused::Rejected(said)) if said.contains("Transient")).then_some(())
    });
    assert!(transient.is_some(), "nobody is refused for good because a name server is down");
    let said = node.gantry(&["associations", "--refused"]).out;
    assert!(said.contains("may call from @address"), "{said}");
}

#[test]
fn echo_tells_faults_of_dns_tcp_association_and_context_apart() {
    let (Some(()), Some(())) = (dnsmasq(), need::dcmtk()) else { return };
    let (closed, pacs, secure) = (ports::free(), Pacs::up("PACS"), speaks_tls());
    let dns =
        NameServer::up(&zone(&["host here 127.0.0.1", &format!("srv DOWN here {closed} 0 0")]));
    // Of another node, which does not know GANTRY's title.
    let stranger = Setup::new().start();
    let peers = format!(
        "\n[[peer]]\nae-title = \"UNKNOWN\"\ndiscover = true\n\
         [[peer]]\nae-title = \"DOWN\"\ndiscover = true\n\
         [[peer]]\nae-title = \"GANTRY2\"\naddress = \"here:{}\"\n\
         [[peer]]\nae-title = \"PACS\"\naddress = \"here:{}\"\n\
         [[peer]]\nae-title = \"SECURE\"\naddress = \"here:{secure}\"\n",
        stranger.port, pacs.port
    );
    let node = Setup::new().further(&(peers + &dns.config())).lay_out();
    let check = |title: &str, step: &str, then: &str| {
        let said = node.gantry(&["echo", title, "--json"]);
        let steps: Vec<Value> = serde_json::from_str(&said.out).expect("JSON");
        let last = steps.last().expect("a step");
        assert!(!said.success && last["good"] == false, "{title}: {said:?}");
        assert_eq!(last["step"], step, "{title}: {said:?}");
        assert!(last["then"].as_str().is_some_and(|it| it.contains(then)), "{title}: {said:?}");
        assert!(steps.iter().rev().skip(1).all(|step| step["good"] == true), "{said:?}");
    };
    check("UNKNOWN", "DNS", "as in the zone");
    check("DOWN", "TCP", "is its DICOM service running");
    check("GANTRY2", "association", "admin");
    check("SECURE", "TLS", "without TLS");
    assert!(node.gantry(&["echo", "PACS"]).success);
    let said = node.gantry(&["echo", "NOBODY"]);
    assert!(!said.success && said.err.contains("those that receive: DOWN"), "{said:?}");
    let said = node.gantry(&["check"]).out;
    assert!(said.contains("warning: peer UNKNOWN is not found now: DNS knows no SRV"), "{said}");
    assert!(said.contains(&format!("PACS at here:{}", pacs.port)), "{said}");
}

/// `[tls]` with the files of this name.
fn tls(folder: &Path, name: &str, further: &str) -> String {
    let file = |file: &str| folder.join(file);
    let (certificate, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
    let trust = file("hospital.pem");
    format!(
        "\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\ntrust = [{trust:?}]\n{further}\n"
    )
}

#[test]
fn a_peer_that_is_called_over_tls_is_sought_as_such_and_its_certificate_is_not_dns_to_choose() {
    let Some(()) = dnsmasq() else { return };
    let (folder, authority) =
        (TempDir::new().expect("a temporary folder"), Authority::new("Hospital"));
    authority.write(&folder.path().join("hospital.pem"));
    for name in ["archive", "node"] {
        authority.issue(folder.path(), name, &[&format!("{name}.{DOMAIN}")], 30);
    }
    let (port, plain) = (ports::free(), ports::free());
    let dns = NameServer::up(&zone(&[
        "host host 127.0.0.1",
        &format!("tls {AE_TITLE} host {port}"),
        &format!("srv PLAIN host {plain} 0 0"),
    ]));
    let listen = tls(folder.path(), "archive", &format!("listen = \"127.0.0.1:{port}\""));
    let _archive = Setup::new().scanner(AE_TITLE).further(&listen).start();
    let peer = |title: &str, name: &str| {
        format!("\n[[peer]]\nae-title = \"{title}\"\ndiscover = true\ntls = true\n{name}")
    };
    let own = |peers: &str| {
        let further = format!("{peers}{}{}", tls(folder.path(), "node", ""), dns.config());
        Setup::new().further(&further).lay_out()
    };
    let node = own(&(peer(AE_TITLE, "tls-name = \"archive.hospital.test\"\n")
        + &peer("PLAIN", "tls-name = \"archive.hospital.test\"\n")));
    let said = node.gantry(&["echo", AE_TITLE]);
    assert!(said.success && said.out.contains("TLS          good"), "{said:?}");
    let said = node.gantry(&["echo", "PLAIN"]);
    assert!(!said.success && said.out.contains("SRV record PLAIN._dicom-tls._tcp"), "{said:?}");

    let node = own(&peer(AE_TITLE, "tls-name = \"another.hospital.test\"\n"));
    let said = node.gantry(&["echo", AE_TITLE]);
    assert!(!said.success && said.out.contains("TLS          FAILED"), "{said:?}");
    let said = own(&peer(AE_TITLE, "")).gantry(&["check"]);
    assert!(!said.success && said.err.contains("set tls-name"), "{said:?}");
}

/// A port where what is no TLS hears a protocol version alert (RFC 8446 section 6).
fn speaks_tls() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut heard = [0; 4096];
            let _ = stream.read(&mut heard);
            let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 70]);
        }
    });
    port
}
