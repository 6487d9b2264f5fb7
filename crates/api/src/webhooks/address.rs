//! Where events may be sent: an https address on the public internet, unless the operator allows more.
//!
//! Whoever holds an API key may name an address, and the server connects to it from inside the operator's network. So
//! the name is looked up here, every address it has is judged, and the connection goes to one that was judged: a name
//! that means something else a moment later changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::Uri;
use axum::http::uri::{PathAndQuery, Scheme};

/// Longest address of an endpoint.
pub(crate) const MAX_URL: usize = 2_048;

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookRules {
    /// `http:` too: events can then be read on their way.
    pub allow_plain: bool,
    /// Addresses of this machine and of private networks too.
    pub allow_private: bool,
}

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not an address of the web, or with a user name.
    Malformed,
    /// Not encrypted.
    Plain,
    /// Not public.
    Private,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) encrypted: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the `Host` header has it.
    pub(crate) authority: String,
    pub(crate) path: PathAndQuery,
}

impl Target {
    /// Reads and judges an address as far as it can be judged without looking it up.
    pub(crate) fn parse(url: &str, rules: WebhookRules) -> Result<Self, Unfit> {
        if url.len() > MAX_URL || url.contains('#') {
            return Err(Unfit::Malformed);
        }
        let parts = url.parse::<Uri>().map_err(|_| Unfit::Malformed)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(Unfit::Malformed) };
        let encrypted = if scheme == Scheme::HTTPS {
            true
        } else if scheme == Scheme::HTTP {
            false
        } else {
            return Err(Unfit::Malformed);
        };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(Unfit::Malformed);
        }
        if !encrypted && !rules.allow_plain {
            return Err(Unfit::Plain);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if let Ok(ip) = host.parse::<IpAddr>()
            && !rules.allows(ip)
        {
            return Err(Unfit::Private);
        }
        Ok(Self {
            encrypted,
            host,
            port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// Its addresses that may be connected to. Empty: it has none at all.
    pub(crate) async fn resolve(&self, rules: WebhookRules) -> Result<Vec<SocketAddr>, Unfit> {
        let found: Vec<SocketAddr> = match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(found) => found.collect(),
            Err(_) => Vec::new(),
        };
        let known = !found.is_empty();
        let allowed: Vec<_> = found.into_iter().filter(|address| rules.allows(address.ip())).collect();
        if known && allowed.is_empty() { Err(Unfit::Private) } else { Ok(allowed) }
    }
}

impl WebhookRules {
    fn allows(self, ip: IpAddr) -> bool {
        // To nobody in particular there is nothing to send, whatever is allowed.
        let particular = !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST);
        particular && (self.allow_private || is_public(ip))
    }
}

/// Globally reachable, by the registries of IANA (RFC 6890). An IPv6 address that stands for an IPv4 one is judged as
/// that one.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(ip) => is_public_v4(ip),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_unspecified()
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        // Shared between providers and their customers (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments, and the old 6to4 relays.
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        // Measurements (RFC 2544).
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // Only 2000::/3 is given out at all (RFC 4291); of it not protocol assignments, documentation and 6to4.
    let special = matches!((a, b), (0x2001, 0..0x0200 | 0x0db8) | (0x3fff, 0..0x1000));
    a & 0xe000 == 0x2000 && !special
}

/// Of mapped (RFC 4291), translated (RFC 6052) and 6to4 (RFC 3056) addresses.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if high != 0 => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::{any, proptest};

    use super::*;

    const STRICT: WebhookRules = WebhookRules { allow_plain: false, allow_private: false };
    const OPEN: WebhookRules = WebhookRules { allow_plain: true, allow_private: true };

    #[test]
    fn an_address_of_the_web_is_taken_apart() {
        let target = Target::parse("https://Example.org/hooks?a=b", STRICT).unwrap();
        assert_eq!((target.encrypted, target.port, target.path.as_str()), (true, 443, "/hooks?a=b"));
        let target = Target::parse("https://[2606:4700::1]:8443", STRICT).unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("2606:4700::1", 8_443, "/"));
        assert_eq!(target.authority, "[2606:4700::1]:8443");
    }

    #[test]
    fn what_is_not_https_or_not_an_address_is_refused() {
        assert_eq!(Target::parse("http://example.org/", STRICT), Err(Unfit::Plain));
        assert!(Target::parse("http://example.org/", OPEN).is_ok());
        for url in ["", "/hooks", "example.org", "ftp://example.org/", "https://", "https://a:b@example.org/"] {
            assert_eq!(Target::parse(url, OPEN), Err(Unfit::Malformed), "{url}");
        }
        assert_eq!(Target::parse("https://example.org/#x", OPEN), Err(Unfit::Malformed));
        assert_eq!(Target::parse(&format!("https://example.org/{}", "x".repeat(MAX_URL)), OPEN), Err(Unfit::Malformed));
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "203.0.113.1",
            "[::]",
            "[::1]",
            "[fc00::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:0.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[100::1]",
        ] {
            let told = Target::parse(&format!("https://{host}/"), STRICT);
            assert_eq!(told, Err(Unfit::Private), "{host}");
        }
        for host in ["8.8.8.8", "[2606:4700::1]", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]"] {
            assert!(Target::parse(&format!("https://{host}/"), STRICT).is_ok(), "{host}");
        }
        assert!(Target::parse("https://127.0.0.1/", OPEN).is_ok());
        assert_eq!(Target::parse("https://0.0.0.0/", OPEN), Err(Unfit::Private), "nobody in particular");
    }

    #[tokio::test]
    async fn a_name_that_means_a_private_address_is_refused_when_it_is_looked_up() {
        let target = Target::parse("https://localhost/", STRICT).unwrap();
        assert_eq!(target.resolve(STRICT).await, Err(Unfit::Private));
        assert!(!target.resolve(OPEN).await.unwrap().is_empty());
        // A number that only a resolver takes for an address.
        if let Ok(target) = Target::parse("https://2130706433/", STRICT) {
            assert!(target.resolve(STRICT).await.map_or(true, |found| found.is_empty()));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(url in any::<String>(), host in "[0-9a-f:.\\[\\]@%]{0,40}") {
            let _ = Target::parse(&url, STRICT);
            let _ = Target::parse(&format!("https://{host}/"), STRICT);
        }

        #[test]
        fn what_is_private_in_ipv4_is_private_in_every_disguise(bits in any::<u32>()) {
            let ip = Ipv4Addr::from(bits);
            let [a, b, c, d] = ip.octets().map(u16::from);
            let translated = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            for disguise in [ip.to_ipv6_mapped(), translated] {
                proptest::prop_assert_eq!(is_public(disguise.into()), is_public_v4(ip));
            }
        }
    }
}
