//! The records of an AE title (PS3.15 H.2): its instance in a domain, the title that it says to have, its servers.

use super::ask::{Dns, Fault, Said, Service};
use super::found::{ResolveError, Server};
use gantry_terms::ae_title::AeTitle;
use hickory_resolver::proto::rr::Name;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const SERVICE: &str = "_dicom";
const SERVICE_OVER_TLS: &str = "_dicom-tls";
/// How long it is believed that there is nothing, where the zone does not say.
const NOTHING_FOR: Duration = Duration::from_secs(60);

/// What is to be remembered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) servers: Vec<Server>,
    pub(super) source: String,
    pub(super) ttl: Duration,
}

/// What went wrong, and how long that is believed.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) why: ResolveError,
    pub(super) ttl: Duration,
}

/// In the first of the domains that has it; over TLS only where that is asked for, and then never without.
/// A domain that gives no answer ends the search: what a later one says
/// might be another peer.
pub(super) async fn discover(
    dns: &Arc<Dns>,
    title: &AeTitle,
    over_tls: bool,
    domains: &[String],
) -> Result<Answer, Failed> {
    let service = if over_tls { SERVICE_OVER_TLS } else { SERVICE };
    let mut nowhere = None;
    for domain in domains {
        match instance(dns, title, service, domain).await {
            Err(Failed { why: ResolveError::NotThere(_), ttl }) => {
                nowhere = Some(nowhere.map_or(ttl, |before: Duration| before.min(ttl)));
            }
            done => return done,
        }
    }
    if !over_tls && let Some(instance) = offered_over_tls(dns, title, domains).await {
        return Err(Failed { why: ResolveError::OnlyTls(instance), ttl: NOTHING_FOR });
    }
    let sought = domains.iter().map(|domain| format!("{title}.{service}._tcp.{domain}"));
    let sought: Vec<String> = sought.collect();
    let why = ResolveError::NotThere(format!("SRV record {}", sought.join(" or ")));
    Err(Failed { why, ttl: nowhere.unwrap_or(NOTHING_FOR) })
}

/// Of a host with its port.
pub(super) async fn host(
    dns: &Arc<Dns>,
    name: &str,
    port: u16,
    domains: &[String],
) -> Result<Answer, Failed> {
    let Said { what, ttl } = addresses(dns, name, domains).await?;
    let addresses = what.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    let server = Server { host: name.into(), addresses, priority: 0, weight: 0 };
    Ok(Answer { servers: vec![server], source: format!("A and AAAA of {name}"), ttl })
}

/// A name without a dot stands in one of the domains, or alone, as in /etc/hosts. No other suffix is
/// tried: what lists of the system append may lead out of the hospital.
pub(super) async fn addresses(
    dns: &Arc<Dns>,
    name: &str,
    domains: &[String],
) -> Result<Said<Vec<IpAddr>>, Failed> {
    let mut sought: Vec<String> = Vec::new();
    if !name.contains('.') {
        sought.extend(domains.iter().map(|domain| format!("{name}.{domain}")));
    }
    sought.push(name.into());
    let mut nothing_for = NOTHING_FOR;
    for full in sought {
        let asked = absolute(None, &full).ok_or_else(|| no_host(name, NOTHING_FOR))?;
        match dns.addresses(&asked).await {
            Ok(said) => return Ok(said),
            Err(Fault::Nothing(ttl)) => nothing_for = nothing_for.min(ttl.unwrap_or(NOTHING_FOR)),
            Err(Fault::Unanswered(why)) => return Err(unanswered(dns, &full, why)),
        }
    }
    Err(no_host(name, nothing_for))
}

async fn instance(
    dns: &Arc<Dns>,
    title: &AeTitle,
    service: &str,
    domain: &str,
) -> Result<Answer, Failed> {
    let shown = format!("{title}.{service}._tcp.{domain}");
    let Some(name) = absolute(Some((title, service)), domain) else {
        return Err(Failed { why: ResolveError::NotThere(shown), ttl: NOTHING_FOR });
    };
    let (services, texts) = tokio::join!(dns.services(&name), dns.texts(&name));
    let services = match services {
        Ok(services) => services,
        Err(Fault::Nothing(ttl)) => {
            let why = ResolveError::NotThere(shown);
            return Err(Failed { why, ttl: ttl.unwrap_or(NOTHING_FOR) });
        }
        Err(Fault::Unanswered(why)) => return Err(unanswered(dns, &shown, why)),
    };
    let mut ttl = services.ttl;
    match texts {
        Ok(texts) => {
            ttl = ttl.min(texts.ttl);
            if let Some(says) = other_title(&texts.what, title) {
                return Err(Failed {
                    why: ResolveError::OtherTitle { instance: shown, says },
                    ttl,
                });
            }
        }
        Err(Fault::Nothing(_)) => {}
        Err(Fault::Unanswered(why)) => return Err(unanswered(dns, &shown, why)),
    }
    let offered: Vec<Service> =
        services.what.into_iter().filter(|service| !service.target.is_root()).collect();
    if offered.is_empty() {
        return Err(Failed { why: ResolveError::OutOfService(shown), ttl });
    }
    let (servers, ttl) = servers(dns, offered, ttl).await?;
    Ok(Answer { servers, source: format!("SRV {shown}"), ttl })
}

/// Those that have addresses, asked for together; why there are none, if none has. One without costs the
/// others nothing.
async fn servers(
    dns: &Arc<Dns>,
    offered: Vec<Service>,
    mut ttl: Duration,
) -> Result<(Vec<Server>, Duration), Failed> {
    let mut asking = JoinSet::new();
    for service in offered {
        let dns = dns.clone();
        asking.spawn(async move { server(&dns, service).await });
    }
    let (mut servers, mut missing) = (Vec::new(), None);
    while let Some(asked) = asking.join_next().await {
        match asked {
            Ok(Ok((server, of_addresses))) => {
                ttl = ttl.min(of_addresses);
                servers.push(server);
            }
            Ok(Err(failed)) => missing = Some(failed),
            Err(_) => {}
        }
    }
    // By name, so that the same answer is the same whoever was faster.
    servers
        .sort_by(|one, other| one.host.cmp(&other.host).then(one.addresses.cmp(&other.addresses)));
    match missing {
        Some(failed) if servers.is_empty() => Err(failed),
        Some(_) => Ok((servers, ttl.min(NOTHING_FOR))),
        None => Ok((servers, ttl)),
    }
}

async fn server(dns: &Arc<Dns>, service: Service) -> Result<(Server, Duration), Failed> {
    let Service { priority, weight, port, target } = service;
    let host = without_dot(&target);
    if port == 0 {
        return Err(no_host(&format!("{host}:0"), NOTHING_FOR));
    }
    match dns.addresses(&target).await {
        Ok(Said { what, ttl }) => {
            let addresses = what.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            Ok((Server { host, addresses, priority, weight }, ttl))
        }
        Err(Fault::Nothing(ttl)) => Err(no_host(&host, ttl.unwrap_or(NOTHING_FOR))),
        Err(Fault::Unanswered(why)) => Err(unanswered(dns, &host, why)),
    }
}

/// Whether it could be had over TLS.
async fn offered_over_tls(dns: &Arc<Dns>, title: &AeTitle, domains: &[String]) -> Option<String> {
    for domain in domains {
        let name = absolute(Some((title, SERVICE_OVER_TLS)), domain)?;
        if dns.services(&name).await.is_ok() {
            return Some(format!("{title}.{SERVICE_OVER_TLS}._tcp.{domain}"));
        }
    }
    None
}

/// What a TXT record says instead of the title: DNS compares names without case, and an AE title is
/// compared as it stands. Without such a record the title is the one that was asked for.
fn other_title(texts: &[Vec<u8>], title: &AeTitle) -> Option<String> {
    let said = texts.iter().find_map(|text| {
        let at = text.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&text[..at], &text[at + 1..]);
        key.eq_ignore_ascii_case(b"AET").then(|| String::from_utf8_lossy(value).into_owned())
    })?;
    let said = said.trim_matches(['\0', ' ']);
    (said != title.as_str()).then(|| said.chars().take(16).collect())
}

/// The name with no suffix to come. Labels are bytes: a title may hold dots and spaces.
fn absolute(instance: Option<(&AeTitle, &str)>, domain: &str) -> Option<Name> {
    let mut labels: Vec<&[u8]> = Vec::new();
    if let Some((title, service)) = instance {
        labels.extend([title.as_str().as_bytes(), service.as_bytes(), b"_tcp"]);
    }
    labels.extend(domain.split('.').map(str::as_bytes));
    Name::from_labels(labels).ok()
}

fn without_dot(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

fn no_host(host: &str, ttl: Duration) -> Failed {
    Failed { why: ResolveError::NoHost(host.into()), ttl }
}

fn unanswered(dns: &Arc<Dns>, name: &str, why: String) -> Failed {
    let why = ResolveError::Unanswered { name: name.into(), asked: dns.asked(), why };
    Failed { why, ttl: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_label_whatever_it_holds() {
        let title = AeTitle::parse("CT ROOM.1").expect("a title");
        let name = absolute(Some((&title, SERVICE)), "hospital.example").expect("a name");
        assert_eq!(name.iter().next(), Some(&b"CT ROOM.1"[..]));
        assert_eq!(name.num_labels(), 5);
        assert!(name.is_fqdn());
        assert!(absolute(None, &"x".repeat(64)).is_none());
    }

    #[test]
    fn the_title_of_a_text_record_is_compared_as_it_stands() {
        let title = AeTitle::parse("PACS1").expect("a title");
        let check = |texts: &[&str], expected: Option<&str>| {
            let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert_eq!(other_title(&texts, &title).as_deref(), expected, "{texts:?}");
        };
        check(&[], None);
        check(&["PrimaryDeviceType=ARCHIVE"], None);
        check(&["PrimaryDeviceType=ARCHIVE", "AET=PACS1"], None);
        check(&["aet= PACS1 "], None);
        check(&["AET=pacs1"], Some("pacs1"));
        check(&["AET="], Some(""));
        check(&["AET", "=x"], None);
    }
}
