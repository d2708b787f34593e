//! How often one client may do what others pay for: an order keeps seats from them, and a webhook that Stripe
//! did not sign is read for nothing.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use crate::http::client_address::Client;

/// After so many of all, clients are forgotten who came not lately.
const FORGET_EVERY: usize = 1000;
/// A provider gives a /64 to a customer, and a /48, of 65,536 of those, to one that asks for it.
const CUSTOMER_HOST_BITS: u32 = 64;
const LARGE_CUSTOMER_HOST_BITS: u32 = 80;
/// What a large customer may do, in customers.
pub const LARGE_CUSTOMER: u32 = 8;
/// What all may do together who are behind one peer, in clients: it may be a busy shop's proxy, or one person who
/// comes by a way that names no client.
pub const BEHIND_ONE_PEER: u32 = 20;

type Limiter = DefaultKeyedRateLimiter<IpAddr>;

/// Counts for each client, in this process.
pub struct ClientLimit {
    limits: Option<Limits>,
    asked: AtomicUsize,
}

struct Limits {
    customers: Limiter,
    large_customers: Limiter,
    peers: Limiter,
}

impl ClientLimit {
    /// - `per_minute`: of one client: so many at once, and from then on so many in a minute. 0 is
    ///   no limit.
    pub fn new(per_minute: u32) -> Self {
        let limiter = |clients| {
            let quota = NonZeroU32::new(per_minute.saturating_mul(clients))?;
            Some(RateLimiter::keyed(Quota::per_minute(quota)))
        };
        let limits = || {
            Some(Limits {
                customers: limiter(1)?,
                large_customers: limiter(LARGE_CUSTOMER)?,
                peers: limiter(BEHIND_ONE_PEER)?,
            })
        };
        Self {
            limits: limits(),
            asked: AtomicUsize::new(0),
        }
    }

    /// Counts `more` of `client`.
    ///
    /// # Errors
    ///
    /// They are too many; the time until they are not.
    pub fn admit(&self, client: Client, more: NonZeroU32) -> Result<(), Duration> {
        let Some(limits) = &self.limits else {
            return Ok(());
        };
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked.is_multiple_of(FORGET_EVERY) {
            limits.customers.retain_recent();
            limits.large_customers.retain_recent();
            limits.peers.retain_recent();
        }
        match client {
            Client::At(address) => {
                check(&limits.customers, customer(address), more)?;
                if address.is_ipv6() {
                    check(&limits.large_customers, large_customer(address), more)?;
                }
                Ok(())
            }
            Client::Behind(peer) => check(&limits.peers, peer, more),
        }
    }
}

/// More than there may be at once count as all of them.
fn check(limiter: &Limiter, key: IpAddr, more: NonZeroU32) -> Result<(), Duration> {
    let checked = limiter.check_key_n(&key, more);
    let checked = checked.or_else(|most| {
        let most = NonZeroU32::new(most.0).unwrap_or(NonZeroU32::MIN);
        limiter.check_key_n(&key, most)
    });
    match checked {
        Ok(Err(until)) => Err(until.wait_time_from(limiter.clock().now())),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

/// The address, or the network, by which one customer is told from others.
pub fn customer(address: IpAddr) -> IpAddr {
    network(address, CUSTOMER_HOST_BITS)
}

/// The same of a customer who may have many networks.
pub fn large_customer(address: IpAddr) -> IpAddr {
    network(address, LARGE_CUSTOMER_HOST_BITS)
}

/// - `host_bits`: those that tell IPv6 addresses of one network apart.
fn network(address: IpAddr, host_bits: u32) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            let mask = u128::MAX.unbounded_shl(host_bits);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn at(client: &str) -> Client {
        Client::At(client.parse().unwrap())
    }

    #[test]
    fn each_client_has_its_own_count() {
        let limit = ClientLimit::new(2);
        let admit = |client: &str| limit.admit(at(client), ONE).is_ok();

        assert!(admit("192.0.2.1") && admit("192.0.2.1") && !admit("192.0.2.1"));
        assert!(admit("192.0.2.2"));
        assert!(admit("2001:db8::1") && admit("2001:db8::ffff:2") && !admit("2001:db8::3"));
        assert!(admit("2001:db8:0:1::1"));
    }

    #[test]
    fn a_customer_with_many_networks_has_a_count_for_all_of_them() {
        let limit = ClientLimit::new(1);
        let admit = |network: u16| limit.admit(at(&format!("2001:db8:0:{network:x}::1")), ONE);

        assert!((0..8).all(|network| admit(network).is_ok()));
        assert!(admit(8).is_err());
        assert!(limit.admit(at("2001:db8:1::1"), ONE).is_ok());
    }

    #[test]
    fn who_is_behind_one_peer_shares_its_count() {
        let limit = ClientLimit::new(2);
        let behind = |peer: [u8; 4]| limit.admit(Client::Behind(peer.into()), ONE).is_ok();

        assert!((0..40).all(|_| behind([10, 0, 0, 1])));
        assert!(!behind([10, 0, 0, 1]));
        assert!(behind([10, 0, 0, 2]));
        assert!(limit.admit(at("192.0.2.1"), ONE).is_ok());
    }

    #[test]
    fn several_count_as_several_and_too_many_as_all() {
        let limit = ClientLimit::new(5);
        let admit = |client: &str, more| limit.admit(at(client), NonZeroU32::new(more).unwrap());

        assert!(admit("192.0.2.1", 3).is_ok() && admit("192.0.2.1", 3).is_err());
        assert!(admit("192.0.2.1", 2).is_ok());
        assert!(admit("192.0.2.2", 20).is_ok() && admit("192.0.2.2", 1).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = ClientLimit::new(0);

        assert!((0..1000).all(|_| limit.admit(at("192.0.2.1"), ONE).is_ok()));
    }
}
