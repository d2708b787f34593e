//! How often one client may do what others pay for: an order keeps seats from them, and a webhook that Stripe
//! did not sign is read for nothing.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

/// After so many of all, clients are forgotten who came not lately.
const FORGET_EVERY: usize = 1000;
/// What a provider gives to one customer.
const IPV6_PREFIX_BITS: u32 = 64;

/// Counts for each client, in this process.
pub struct ClientLimit {
    clients: Option<DefaultKeyedRateLimiter<IpAddr>>,
    admitted: AtomicUsize,
}

impl ClientLimit {
    /// - `per_minute`: of one client: so many at once, and from then on so many in a minute. 0 is
    ///   no limit.
    pub fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            clients: quota.map(RateLimiter::keyed),
            admitted: AtomicUsize::new(0),
        }
    }

    /// Counts one more of `client`.
    ///
    /// # Errors
    ///
    /// It is one too many; the time until the next.
    pub fn admit(&self, client: IpAddr) -> Result<(), Duration> {
        let Some(clients) = &self.clients else {
            return Ok(());
        };
        clients
            .check_key(&customer(client))
            .map_err(|until| until.wait_time_from(clients.clock().now()))?;
        let admitted = self.admitted.fetch_add(1, Ordering::Relaxed);
        if admitted.is_multiple_of(FORGET_EVERY) {
            clients.retain_recent();
        }
        Ok(())
    }
}

fn customer(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(v6) => {
            let network = u128::MAX << (u128::BITS - IPV6_PREFIX_BITS);
            Ipv6Addr::from_bits(v6.to_bits() & network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_count() {
        let limit = ClientLimit::new(2);
        let admit = |client: &str| limit.admit(client.parse().unwrap()).is_ok();

        assert!(admit("192.0.2.1") && admit("192.0.2.1") && !admit("192.0.2.1"));
        assert!(admit("192.0.2.2"));
        assert!(admit("2001:db8::1") && admit("2001:db8::ffff:2") && !admit("2001:db8::3"));
        assert!(admit("2001:db8:0:1::1"));
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = ClientLimit::new(0);

        assert!((0..1000).all(|_| limit.admit([192, 0, 2, 1].into()).is_ok()));
    }
}
