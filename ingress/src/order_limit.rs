//! How many orders one client may make: each of them keeps seats from other buyers.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use crate::http::error::ApiError;

/// After so many orders, clients are forgotten who made none lately.
const FORGET_EVERY: usize = 1000;
/// What a provider gives to one customer.
const IPV6_PREFIX_BITS: u32 = 64;

/// Counts the orders of each client, in this process.
pub struct OrderLimit {
    clients: Option<DefaultKeyedRateLimiter<IpAddr>>,
    orders: AtomicUsize,
}

impl OrderLimit {
    /// - `per_minute`: of one client: so many at once, and from then on so many in a minute. 0 is
    ///   no limit.
    pub fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            clients: quota.map(RateLimiter::keyed),
            orders: AtomicUsize::new(0),
        }
    }

    /// Counts an order of `client`.
    ///
    /// # Errors
    ///
    /// [`ApiError::TooManyOrders`], with the time until the next one.
    pub fn admit(&self, client: IpAddr) -> Result<(), ApiError> {
        let Some(clients) = &self.clients else {
            return Ok(());
        };
        let order = self.orders.fetch_add(1, Ordering::Relaxed);
        if order.is_multiple_of(FORGET_EVERY) {
            clients.retain_recent();
        }
        clients
            .check_key(&customer(client))
            .map_err(|until| ApiError::TooManyOrders(until.wait_time_from(clients.clock().now())))
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
        let limit = OrderLimit::new(2);
        let orders = |client: &str| limit.admit(client.parse().unwrap()).is_ok();

        assert!(orders("192.0.2.1") && orders("192.0.2.1") && !orders("192.0.2.1"));
        assert!(orders("192.0.2.2"));
        assert!(orders("2001:db8::1") && orders("2001:db8::ffff:2") && !orders("2001:db8::3"));
        assert!(orders("2001:db8:0:1::1"));
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = OrderLimit::new(0);

        assert!((0..1000).all(|_| limit.admit([192, 0, 2, 1].into()).is_ok()));
    }
}
