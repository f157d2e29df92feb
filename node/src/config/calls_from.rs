//! Where a peer may call from: an address, a network, a host name, or where it listens itself.

use super::address::host_name;
use std::fmt;
use std::net::IpAddr;

/// How it is written.
const OWN_ADDRESS: &str = "@address";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallsFrom {
    /// The first so many bits count.
    Network {
        address: IpAddr,
        bits: u8,
    },
    Name(String),
    /// Where the peer itself listens, by its address or by what DNS says of it.
    OwnAddress,
}

impl CallsFrom {
    /// `10.1.2.3`, `10.0.0.0/8`, `2001:db8::/32`, `ct1.example.org` or `@address`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == OWN_ADDRESS {
            return Ok(Self::OwnAddress);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network { address: address.to_canonical(), bits: width(address) });
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| "before the / stands no address")?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(address));
            let bits = bits.ok_or("behind the / stands no number of bits of that address")?;
            let network = Self::Network { address, bits };
            return match network.has_host_bits() {
                true => Err("bits behind the network's are set: which network is meant?"),
                false => Ok(network),
            };
        }
        let name = host_name(text);
        name.map(Self::Name).ok_or("this is no address, no network (10.0.0.0/8) and no host name")
    }

    /// Whether the address lies in this network; a name has none before it is resolved.
    pub fn contains(&self, caller: IpAddr) -> bool {
        let Self::Network { address, bits } = self else { return false };
        let caller = caller.to_canonical();
        width(*address) == width(caller) && (to_bits(*address) ^ to_bits(caller)) & mask(*bits) == 0
    }

    fn has_host_bits(&self) -> bool {
        let Self::Network { address, bits } = self else { return false };
        to_bits(*address) & !mask(*bits) != 0
    }
}

impl fmt::Display for CallsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { address, bits } if *bits == width(*address) => address.fmt(f),
            Self::Network { address, bits } => write!(f, "{address}/{bits}"),
            Self::Name(name) => f.write_str(name),
            Self::OwnAddress => f.write_str(OWN_ADDRESS),
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address at the top of the number, whatever its width.
fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(four.to_bits()) << 96,
        IpAddr::V6(six) => six.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_network_and_a_name_are_told_apart_and_what_is_none_of_them_is_refused() {
        for good in [
            "10.1.2.3",
            "10.0.0.0/8",
            "2001:db8::/32",
            "::1",
            "ct1.example.org",
            "ct-1",
            "@address",
        ] {
            assert_eq!(CallsFrom::parse(good).map(|from| from.to_string()), Ok(good.into()));
        }
        let everything = CallsFrom::parse("0.0.0.0/0").expect("a network");
        assert!(everything.contains(IpAddr::from([255, 1, 2, 3])));
        for bad in [
            "",
            "10.1.2",
            "10.1.2.999",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "x/8",
            "a b",
            "ct..x",
            "10.0.0.0/",
            "@addres",
        ] {
            assert!(CallsFrom::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_holds_its_own_addresses_and_no_others() {
        let check = |network: &str, caller: &str, expected: bool| {
            let network = CallsFrom::parse(network).expect("good");
            let caller = caller.parse().expect("an address");
            assert_eq!(network.contains(caller), expected, "{network} {caller}");
        };
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "::ffff:10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("10.1.2.0/23", "10.1.3.255", true);
        check("10.1.2.0/23", "10.1.4.0", false);
        check("2001:db8::/33", "2001:db8:7fff::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        check("0.0.0.0/0", "::1", false);
        check("ct1.example.org", "10.1.2.3", false);
    }
}
