//! Who is on the other side: the address of a client, seen through proxies that we trust.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Where a request comes from, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The client's own address.
    At(IpAddr),
    /// This peer's, and behind it may be many: a trusted proxy that does not name them, or a private address,
    /// which may well be a proxy that is missing in `TRUSTED_PROXIES`.
    Behind(IpAddr),
}

impl Client {
    /// Its own address, if it is known.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::At(address) => Some(address),
            Self::Behind(_) => None,
        }
    }
}

/// The client of a request.
///
/// `X-Forwarded-For` says whatever its senders like, in any bytes. It is read from the right, from
/// the proxy next to us up to the first address that is not one of `trusted`.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return if is_public(peer) {
            Client::At(peer)
        } else {
            Client::Behind(peer)
        };
    }
    let forwarded = headers.get_all("X-Forwarded-For").iter().rev();
    let named = forwarded
        .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
        .map(hop)
        .find(|address| !address.as_ref().is_some_and(is_trusted))
        .flatten();
    named.map_or(Client::Behind(peer), Client::At)
}

/// Some proxies add the port.
fn hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(with_port);
    address.map(|address| address.to_canonical())
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, 64..=127, ..]);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn address(peer: &str, forwarded: &[&str]) -> Option<String> {
        let trusted = ["10.0.0.0/8", "203.0.113.7/32"].map(|network| network.parse().unwrap());
        let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        let headers = forwarded
            .iter()
            .map(|text| ("x-forwarded-for".parse().unwrap(), value(text)))
            .collect();
        let client = client(peer.parse().unwrap(), &headers, &trusted);
        client.address().map(|it| it.to_string())
    }

    #[test]
    fn a_header_counts_only_from_the_nearest_trusted_proxy_on() {
        for (peer, forwarded, expected) in [
            ("198.51.100.1", &["192.0.2.1"][..], Some("198.51.100.1")),
            ("10.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("::ffff:10.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("10.0.0.1", &["192.0.2.9, 192.0.2.1"], Some("192.0.2.1")),
            (
                "10.0.0.1",
                &["192.0.2.9", "192.0.2.1, 203.0.113.7"],
                Some("192.0.2.1"),
            ),
            ("10.0.0.1", &["192.0.2.1:4711"], Some("192.0.2.1")),
            ("10.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            ("10.0.0.1", &["é, 192.168.0.5"], Some("192.168.0.5")),
            ("10.0.0.1", &["192.0.2.1, unknown"], None),
            ("10.0.0.1", &[], None),
        ] {
            assert_eq!(
                address(peer, forwarded).as_deref(),
                expected,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn a_private_address_that_nobody_named_may_be_a_proxy() {
        for peer in [
            "127.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(address(peer, &["192.0.2.1"]), None, "{peer}");
        }
    }
}
