//! Which addresses a webhook may be posted to. An endpoint's URL comes from outside, and must not lead
//! into the network the worker is in, by whatever name.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::Name;
use ipnet::IpNet;

/// Networks that are no part of the public internet.
///
/// Source: <https://www.iana.org/assignments/iana-ipv4-special-registry/>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry/>
const NOT_PUBLIC: [&str; 27] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// What an address may be.
#[derive(Debug, Clone)]
pub struct AddressGuard {
    /// Also if it is not public.
    allowed: Vec<IpNet>,
    /// Any public one may be.
    public: bool,
}

impl AddressGuard {
    /// Public addresses, and those in `allowed`.
    pub fn public_or(allowed: &[IpNet]) -> Self {
        Self {
            allowed: allowed.to_vec(),
            public: true,
        }
    }

    /// Those in `allowed`.
    pub fn only(allowed: &[IpNet]) -> Self {
        Self {
            allowed: allowed.to_vec(),
            public: false,
        }
    }

    /// Whether `address` may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = meant(address);
        self.allowed.iter().any(|it| it.contains(&address)) || (self.public && is_public(address))
    }
}

fn is_public(address: IpAddr) -> bool {
    let mut networks = NOT_PUBLIC.iter().map(|it| it.parse::<IpNet>());
    // One that cannot be read would let all pass.
    networks.all(|it| it.is_ok_and(|network| !network.contains(&address)))
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, or translated on the way.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let embedded = |at: usize| -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = v6.octets().get(at..)?.get(..4)?.try_into().ok()?;
        Some(bytes.into())
    };
    let begins = |prefix: Ipv6Addr, bytes: usize| {
        v6.octets()
            .iter()
            .zip(prefix.octets())
            .take(bytes)
            .all(|(is, wanted)| *is == wanted)
    };
    // NAT64, and 6to4.
    let v4 = if begins(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 12) {
        embedded(12)
    } else if begins(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 2) {
        embedded(2)
    } else {
        None
    };
    v4.map_or(IpAddr::V6(v6), IpAddr::V4)
}

/// Resolves names, and leaves out what may not be connected to: what is checked here is what is
/// connected to, however often the name is resolved.
impl tower::Service<Name> for AddressGuard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found.filter(|it| guard.allows(it.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, NotAllowed));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// An address may not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("a private address; ENDPOINT_NETWORKS does not name its network")]
pub struct NotAllowed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_refused_however_it_is_written() {
        let guard = AddressGuard::public_or(&[]);

        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "192.168.1.1",
            "172.31.255.255",
            "100.100.100.200",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!guard.allows(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ] {
            assert!(guard.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_network_can_be_read() {
        assert!(NOT_PUBLIC.iter().all(|it| it.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn networks_that_are_named_are_allowed() {
        let named = ["10.1.0.0/16".parse().unwrap()];
        let (more, only) = (AddressGuard::public_or(&named), AddressGuard::only(&named));

        let allowed = |guard: &AddressGuard, address: &str| guard.allows(address.parse().unwrap());
        assert!(allowed(&more, "10.1.2.3") && allowed(&more, "1.1.1.1"));
        assert!(allowed(&only, "::ffff:10.1.2.3") && !allowed(&only, "1.1.1.1"));
        assert!(!allowed(&more, "10.2.0.1"));
    }
}
