//! So many who ask again as soon as they are answered.

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

/// Answers a second, and how long each took.
///
/// - `ask`: one question, and the number of those before it.
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
