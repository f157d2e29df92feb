//! Where a peer listens: an address, a host name, or whatever DNS says of its AE title.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The ports that IANA registered for DICOM; 104, the other one, belongs to ACR-NEMA there.
const PORT: u16 = 11112;
const PORT_FOR_TLS: u16 = 2762;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Fixed(SocketAddr),
    /// A host name, in lower case.
    Host {
        name: String,
        port: u16,
    },
    /// By service discovery (PS3.15 H.2): DNS knows host and port.
    Discovered,
}

impl Address {
    /// `host:port` or `host`, where a host is a name or an address (of version 6: in brackets).
    pub fn parse(text: &str, over_tls: bool) -> Result<Self, &'static str> {
        Self::parse_with_port(text, if over_tls { PORT_FOR_TLS } else { PORT })
    }

    /// The same for another service.
    pub(super) fn parse_with_port(text: &str, registered: u16) -> Result<Self, &'static str> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err("nobody listens on port 0"),
                _ => Ok(Self::Fixed(address)),
            };
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Fixed(SocketAddr::new(address, registered)));
        }
        let (name, port) = match text.rsplit_once(':') {
            None => (text, registered),
            Some((name, port)) => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (name, port.ok_or("behind the : stands no port")?)
            }
        };
        let name = host_name(name).ok_or("this is no address and no host name")?;
        Ok(Self::Host { name, port })
    }

    /// What a name server has to be asked for.
    pub fn is_looked_up(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(address) => address.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Discovered => f.write_str("discovered"),
        }
    }
}

/// The name in lower case, without the dot at its end; nothing when it is none.
pub(super) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let mut labels = name.split('.');
    let is_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    // What looks like an address and is none would be asked of a name server.
    let is_numeric = labels.clone().all(|l| l.bytes().all(|b| b.is_ascii_digit()));
    (labels.all(is_label) && !is_numeric && name.len() <= 253).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_host_and_a_host_with_a_port_are_told_apart() {
        let check = |text: &str, expected: Result<&str, ()>| {
            let said =
                Address::parse(text, false).map(|address| address.to_string()).map_err(|_| ());
            assert_eq!(said, expected.map(String::from), "{text}");
        };
        check("10.1.2.3:104", Ok("10.1.2.3:104"));
        check("10.1.2.3", Ok("10.1.2.3:11112"));
        check("[2001:db8::1]:104", Ok("[2001:db8::1]:104"));
        check("[2001:db8::1]", Ok("[2001:db8::1]:11112"));
        check("2001:db8::1", Ok("[2001:db8::1]:11112"));
        check("Pacs.Hospital.Example.:104", Ok("pacs.hospital.example:104"));
        check("pacs", Ok("pacs:11112"));
        for bad in ["", ":104", "pacs:", "pacs:0", "pacs:65536", "pacs:x", "10.1.2.999", "a b:104"]
        {
            check(bad, Err(()));
        }
        let secured = |text| Address::parse(text, true).map(|address| address.to_string());
        assert_eq!(secured("pacs"), Ok("pacs:2762".into()));
        assert_eq!(secured("pacs:104"), Ok("pacs:104".into()));
        check("10.1.2.3:0", Err(()));
        check("pacs..example:104", Err(()));
    }
}
