//! One question to the name servers at a time: addresses of a host, services and texts of an instance.

use crate::config::DnsConfig;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A name server has so long for an answer, and is asked once more.
const TIMEOUT: Duration = Duration::from_secs(1);
const FURTHER_TRIES: usize = 1;
/// What the system says about names; read again when one of them changes.
const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Behind it, an answer has more than anybody would write.
const MOST_RECORDS: usize = 32;
const MOST_ADDRESSES: usize = 16;

/// What the name servers say, and for how long.
#[derive(Debug)]
pub(super) struct Said<T> {
    pub(super) what: T,
    pub(super) ttl: Duration,
}

/// Why there are no records.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// This is an answer: there are none, and that holds for so long.
    Nothing(Option<Duration>),
    /// The network, or the name servers.
    Unanswered(String),
}

/// One SRV record (RFC 2782).
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: Name,
}

/// The name servers of the configuration, or of the system.
pub(super) struct Dns {
    servers: Vec<SocketAddr>,
    current: Mutex<Option<(Stamps, TokioResolver)>>,
}

/// When the system's files were written.
type Stamps = [Option<SystemTime>; SYSTEM_FILES.len()];

impl Dns {
    pub(super) fn new(config: &DnsConfig) -> Self {
        Self { servers: config.servers.clone(), current: Mutex::default() }
    }

    /// Who is asked, for an admin.
    pub(super) fn asked(&self) -> String {
        if self.servers.is_empty() {
            return "the name servers of /etc/resolv.conf".into();
        }
        self.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    pub(super) async fn services(&self, name: &Name) -> Result<Said<Vec<Service>>, Fault> {
        self.records(name, RecordType::SRV, MOST_RECORDS, |data| match data {
            RData::SRV(srv) => Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.clone(),
            }),
            _ => None,
        })
        .await
    }

    /// The strings of all TXT records.
    pub(super) async fn texts(&self, name: &Name) -> Result<Said<Vec<Vec<u8>>>, Fault> {
        let texts = self.records(name, RecordType::TXT, MOST_RECORDS, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.iter().map(|text| text.to_vec()).collect()),
            _ => None,
        });
        let Said { what, ttl } = texts.await?;
        let all: Vec<Vec<Vec<u8>>> = what;
        Ok(Said { what: all.concat(), ttl })
    }

    /// Those of version 6 and of version 4 by turns (RFC 8305 section 4), each in their own order: a name server
    /// turns them round, and that is no news.
    pub(super) async fn addresses(&self, host: &Name) -> Result<Said<Vec<IpAddr>>, Fault> {
        let of_kind = |kind| self.records(host, kind, MOST_ADDRESSES, RData::ip_addr);
        let (six, four) = tokio::join!(of_kind(RecordType::AAAA), of_kind(RecordType::A));
        let mut said = match (six, four) {
            (Ok(mut six), Ok(four)) => {
                six.ttl = six.ttl.min(four.ttl);
                six.what.extend(four.what);
                six
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => one,
            (Err(Fault::Nothing(ttl)), Err(Fault::Nothing(other))) => {
                return Err(Fault::Nothing(ttl.into_iter().chain(other).min()));
            }
            (Err(fault @ Fault::Unanswered(_)), _) | (_, Err(fault)) => return Err(fault),
        };
        said.what.retain(is_of_use);
        said.what.sort();
        let (four, six) = said.what.into_iter().partition(IpAddr::is_ipv4);
        let what = by_turns(six, four);
        match what.is_empty() {
            true => Err(Fault::Nothing(Some(said.ttl))),
            false => Ok(Said { what, ttl: said.ttl }),
        }
    }

    async fn records<T>(
        &self,
        name: &Name,
        kind: RecordType,
        most: usize,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Said<Vec<T>>, Fault> {
        let lookup = self.resolver()?.lookup(name.clone(), kind).await.map_err(fault)?;
        let ttl = ttl(&lookup);
        let all = lookup.answers().iter().filter_map(|record| read(&record.data));
        let what: Vec<T> = all.take(most).collect();
        match what.is_empty() {
            true => Err(Fault::Nothing(None)),
            false => Ok(Said { what, ttl }),
        }
    }

    fn resolver(&self) -> Result<TokioResolver, Fault> {
        let stamps = SYSTEM_FILES.map(written);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, resolver)) = current.as_ref()
            && *at == stamps
        {
            return Ok(resolver.clone());
        }
        let resolver = self.made().map_err(|error| Fault::Unanswered(error.to_string()))?;
        *current = Some((stamps, resolver.clone()));
        Ok(resolver)
    }

    fn made(&self) -> Result<TokioResolver, NetError> {
        if self.servers.is_empty() {
            // Without name servers there is still /etc/hosts.
            return TokioResolver::builder_tokio().map_or_else(|_| built(&[]), finished);
        }
        built(&self.servers)
    }
}

fn built(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let servers = servers.iter().map(name_server).collect();
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    finished(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
}

fn finished(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    set(builder.options_mut());
    builder.build()
}

/// Nothing is remembered here: the answers themselves are.
fn set(options: &mut ResolverOpts) {
    options.timeout = TIMEOUT;
    options.attempts = FURTHER_TRIES;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Always;
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}

fn written(file: &str) -> Option<SystemTime> {
    Path::new(file).metadata().and_then(|metadata| metadata.modified()).ok()
}

/// The shortest of all records, aliases too.
fn ttl(lookup: &Lookup) -> Duration {
    let shortest = lookup.answers().iter().map(|record| record.ttl).min();
    Duration::from_secs(shortest.unwrap_or_default().into())
}

/// Without what the error quotes: the name is told beside it.
fn fault(error: NetError) -> Fault {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => {
                Fault::Nothing(none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into())))
            }
            code => Fault::Unanswered(code.to_str().into()),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => Fault::Unanswered(code.to_str().into()),
        NetError::NoConnections => Fault::Unanswered("no name server is configured".into()),
        NetError::Timeout => Fault::Unanswered("no answer in time".into()),
        error => Fault::Unanswered(error.to_string()),
    }
}

fn by_turns(one: Vec<IpAddr>, other: Vec<IpAddr>) -> Vec<IpAddr> {
    let longer = one.len().max(other.len());
    let turns = (0..longer).flat_map(|at| [one.get(at), other.get(at)]);
    turns.flatten().copied().collect()
}

/// No single host listens there, or none that another host means by that address.
fn is_of_use(address: &IpAddr) -> bool {
    let nowhere = address.is_unspecified() || address.is_multicast();
    let on_one_wire = match address.to_canonical() {
        IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    !nowhere && !on_one_wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_name_servers_still_knows_itself_and_says_what_it_lacks() {
        let resolver = built(&[]).expect("nothing is asked yet");
        let current = Mutex::new(Some((SYSTEM_FILES.map(written), resolver)));
        let dns = Dns { servers: Vec::new(), current };
        let name = |text| Name::from_ascii(text).expect("a name");
        let itself = dns.addresses(&name("localhost.")).await.expect("itself");
        assert!(itself.what.iter().all(IpAddr::is_loopback), "{itself:?}");
        match dns.addresses(&name("pacs.hospital.test.")).await {
            Err(Fault::Unanswered(why)) => assert_eq!(why, "no name server is configured"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_of_both_versions_come_by_turns_and_those_of_no_single_host_not_at_all() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (six, four) = (vec![ip("::1"), ip("::2")], vec![ip("10.0.0.1")]);
        assert_eq!(by_turns(six, four), [ip("::1"), ip("10.0.0.1"), ip("::2")]);
        for good in ["10.0.0.1", "127.0.0.1", "2001:db8::1"] {
            assert!(is_of_use(&ip(good)), "{good}");
        }
        for bad in
            ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "169.254.1.1", "fe80::1", "ff02::1"]
        {
            assert!(!is_of_use(&ip(bad)), "{bad}");
        }
    }
}
