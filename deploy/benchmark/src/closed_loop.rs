//! So many who ask again as soon as they are answered.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;

use crate::{
    figures::{Times, median, per_second},
    http::Connection,
    measure::Effort,
};

/// Medians of the runs: answers a second, and how long each took.
///
/// - `ask`: one question, and the number of those before it.
pub async fn closed_loop(
    address: SocketAddr,
    connections: usize,
    effort: Effort,
    ask: impl AsyncFn(&mut Connection, usize) -> anyhow::Result<()>,
) -> anyhow::Result<(f64, Times)> {
    let (mut rates, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..effort.runs {
        let (times, took) = run(address, connections, effort.time, &ask).await?;
        rates.push(per_second(times.len(), took));
        answers.push(Times::of(times));
    }
    Ok((median(rates), Times::median(&answers)))
}

async fn run(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    ask: &impl AsyncFn(&mut Connection, usize) -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
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
    Ok((times.concat(), start.elapsed()))
}
