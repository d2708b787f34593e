//! Closed loop: each connection asks again as soon as it is answered.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;

use crate::{
    figures::{Times, per_second},
    http::Connection,
};

/// Connections of a run that posts as fast as answers come.
pub const CONNECTIONS: usize = 32;

/// Returns answers a second, and their times.
///
/// - `ask`: sends one request; its number counts the requests before it.
pub async fn closed_loop(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    ask: impl AsyncFn(&mut Connection, usize) -> anyhow::Result<()>,
) -> anyhow::Result<(f64, Times)> {
    let asked = AtomicUsize::new(0);
    let start = Instant::now();
    let one = async || {
        let mut connection = Connection::open(address).await?;
        let mut times = Vec::new();
        while start.elapsed() < time {
            let began = Instant::now();
            ask(&mut connection, asked.fetch_add(1, Ordering::Relaxed)).await?;
            times.push(began.elapsed());
        }
        anyhow::Ok(times)
    };
    let times = try_join_all((0..connections).map(|_| one())).await?;
    let times = times.concat();
    Ok((per_second(times.len(), start.elapsed()), Times::of(times)))
}
