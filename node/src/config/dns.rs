//! `[dns]`: which name servers are asked, in which domains AE titles are sought, and how long an answer holds.

use super::address::host_name;
use super::span;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where name servers listen.
const PORT: u16 = 53;

#[derive(Debug, Clone, PartialEq)]
pub struct DnsConfig {
    /// Where AE titles and names without a dot are sought, in this order.
    pub domains: Vec<String>,
    /// Empty: those of /etc/resolv.conf.
    pub servers: Vec<SocketAddr>,
    /// An answer holds for as long as it says, but not shorter ...
    pub shortest: Duration,
    /// ... and not longer.
    pub longest: Duration,
    /// While no name server answers, the last answer is used for so long behind its end.
    pub old_answers: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenDns {
    domains: Vec<String>,
    servers: Vec<String>,
    shortest_seconds: f64,
    longest_seconds: f64,
    old_answers_hours: f64,
}

impl Default for WrittenDns {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            servers: Vec::new(),
            shortest_seconds: 5.0,
            longest_seconds: 3600.0,
            old_answers_hours: 24.0,
        }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        WrittenDns::default().mean(&mut Vec::new())
    }
}

impl WrittenDns {
    pub(super) fn mean(self, problems: &mut Vec<String>) -> DnsConfig {
        let shortest = span(self.shortest_seconds, "dns.shortest-seconds", problems);
        let longest = span(self.longest_seconds, "dns.longest-seconds", problems);
        if shortest.is_zero() {
            problems.push("dns.shortest-seconds = 0 would ask for every association".into());
        }
        if longest < shortest {
            problems.push("dns.longest-seconds is shorter than dns.shortest-seconds".into());
        }
        let mut domains = Vec::new();
        for text in &self.domains {
            match host_name(text) {
                Some(domain) => domains.push(domain),
                None => problems.push(format!("dns.domains: {text:?} is no domain")),
            }
        }
        let mut servers = Vec::new();
        for text in &self.servers {
            match server(text) {
                Some(server) => servers.push(server),
                None => problems.push(format!(
                    "dns.servers: {text:?}: write it as an address, as in \"10.0.0.53\" or \"10.0.0.53:53\""
                )),
            }
        }
        let old_answers = span(self.old_answers_hours * 3600.0, "dns.old-answers-hours", problems);
        DnsConfig { domains, servers, shortest, longest, old_answers }
    }
}

fn server(text: &str) -> Option<SocketAddr> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    address.or_else(|_| text.parse()).ok().filter(|server| server.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Result<DnsConfig, String> {
        let written: WrittenDns = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut problems = Vec::new();
        let dns = written.mean(&mut problems);
        if problems.is_empty() { Ok(dns) } else { Err(problems.join("\n")) }
    }

    #[test]
    fn domains_and_servers_are_read_and_what_is_none_is_named() {
        let dns = meant(
            "domains = [\"Hospital.Example.\"]\nservers = [\"10.0.0.53\", \"[::1]:5353\", \"::1\"]",
        );
        let dns = dns.expect("good");
        assert_eq!(dns.domains, ["hospital.example"]);
        let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.53:53", "[::1]:5353", "[::1]:53"]);
        for (text, part) in [
            ("domains = [\"a b\"]", "\"a b\" is no domain"),
            ("servers = [\"ns.example\"]", "write it as an address"),
            ("shortest-seconds = 0", "every association"),
            ("shortest-seconds = 10\nlongest-seconds = 5", "shorter than"),
            ("old-answers-hours = -1", "dns.old-answers-hours"),
        ] {
            let said = meant(text).expect_err("refused");
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    }
}
