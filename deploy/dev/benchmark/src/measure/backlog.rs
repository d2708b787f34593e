//! Backlog: many events wait on the queue when the worker comes back. How fast they become rows,
//! and how long a buyer who asks meanwhile has to wait.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{confirm, create_session::paid_buyers};
use crate::{
    closed_loop::CONNECTIONS,
    figures::{Times, per_second},
    http::Connection,
    product::Product,
};

/// Pause between two buyers.
const PAUSE: Duration = Duration::from_millis(50);
/// Buyers; more than can ask one after the other meanwhile.
const BUYERS: usize = 800;
/// Pause between two counts of the rows.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for all rows.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug, Serialize)]
pub struct Backlog {
    pub events: usize,
    pub per_second: f64,
    /// CPU time of the worker for each event.
    pub worker_cpu_ms: f64,
    /// Times from confirm to booking, for a buyer whose webhook is behind the whole backlog.
    pub confirms: Times,
    pub confirmed: usize,
    /// Seconds since the worker was started, and rows by then.
    pub progress: Vec<(f64, usize)>,
}

/// Stops the worker, and starts it again once `events` wait on the queue.
pub async fn backlog(product: &mut Product, events: u32) -> anyhow::Result<Backlog> {
    product.stop_worker().await?;
    let generator = product.target.expect(events).await?;
    let posted = generator
        .as_fast_as_answered(CONNECTIONS, events, Duration::from_mins(2))
        .await?;
    ensure!(posted.refused == 0, "{} refused", posted.refused);
    let events = posted.accepted;
    let buyers = paid_buyers(product, BUYERS).await?;
    let before = product.target.rows.count().await?;
    let drained = CancellationToken::new();
    let asking = tokio::spawn(ask(product.target.address, buyers, drained.clone()));
    product.start_worker()?;
    let start = Instant::now();
    let mut progress = Vec::new();
    loop {
        let rows = product.target.rows.count().await? - before;
        progress.push((start.elapsed().as_secs_f64(), rows));
        // Includes buyers who asked and those whom reconcile found: a few in a thousand.
        if rows >= events {
            break;
        }
        ensure!(start.elapsed() < PATIENCE, "{rows} of {events} rows");
        tokio::time::sleep(LOOK).await;
    }
    let took = start.elapsed();
    let cpu_ms = product.target.cpu_ms()?;
    drained.cancel();
    let times = asking.await??;
    Ok(Backlog {
        events,
        per_second: per_second(events, took),
        worker_cpu_ms: cpu_ms["worker"] / events.max(1) as f64,
        confirmed: times.len(),
        confirms: Times::of(times),
        progress,
    })
}

/// Confirms for one buyer after the other, until `enough`.
async fn ask(
    address: SocketAddr,
    sessions: Vec<String>,
    enough: CancellationToken,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    // The worker is still starting.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut connection = Connection::open(address).await?;
    for session in sessions {
        if enough.is_cancelled() {
            break;
        }
        let began = Instant::now();
        let wait = Some(("prefer", "wait=10"));
        let body = confirm::body(&session);
        let (status, answer) = connection.post(confirm::PATH, wait, body).await?;
        times.push(began.elapsed());
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["status"] == "confirmed", "{status} {answer}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}
