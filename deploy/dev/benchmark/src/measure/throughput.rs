//! Webhooks as fast as they are answered.

use std::{collections::BTreeMap, time::Duration};

use anyhow::ensure;
use hyper::StatusCode;
use serde::Serialize;

use crate::{
    closed_loop::CONNECTIONS,
    event::Names,
    figures::{Times, median, median_by_process, per_second},
    generator::{Generator, Posted},
    http::Connection,
    limits,
    target::Target,
};

/// Holds made for each second of a run, which ends early if it uses them all: after many more,
/// the database would still be vacuuming while the run goes on.
const MOST_PER_SECOND: u32 = 6_000;
/// Connections of a spike: as many as the broker's own limit has confirms in flight.
pub const SPIKE_CONNECTIONS: usize = limits::IN_FLIGHT;

/// Webhooks in, rows out.
#[derive(Debug, Clone, Serialize)]
pub struct Throughput {
    pub accepted_per_second: f64,
    /// Rate until the last row was visible.
    pub rows_per_second: f64,
    pub answers: Times,
    /// CPU time of an event until it is handed on, by process.
    pub cpu_ms: BTreeMap<&'static str, f64>,
    /// The same of broker and database.
    pub servers_cpu_ms: BTreeMap<&'static str, f64>,
    /// What the database has written to its log for an event, if it is PostgreSQL.
    pub wal_bytes: Option<f64>,
}

impl Throughput {
    pub fn median(runs: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(runs.iter().map(value));
        Self {
            accepted_per_second: of(|it| it.accepted_per_second),
            rows_per_second: of(|it| it.rows_per_second),
            answers: Times::median(runs.iter().map(|it| it.answers)),
            cpu_ms: median_by_process(runs.iter().map(|it| &it.cpu_ms)),
            servers_cpu_ms: median_by_process(runs.iter().map(|it| &it.servers_cpu_ms)),
            wal_bytes: runs
                .first()
                .and_then(|it| it.wal_bytes)
                .map(|_| median(runs.iter().filter_map(|it| it.wal_bytes))),
        }
    }
}

/// Webhooks in, while no worker turns them into rows.
#[derive(Debug, Clone, Serialize)]
pub struct Spike {
    pub accepted_per_second: f64,
    pub answers: Times,
}

impl Spike {
    pub fn median(runs: &[Self]) -> Self {
        Self {
            accepted_per_second: median(runs.iter().map(|it| it.accepted_per_second)),
            answers: Times::median(runs.iter().map(|it| it.answers)),
        }
    }
}

/// Warms caches and pools, and checks that the target is right: a forgery is refused, and an
/// event that comes twice leads to one row.
pub async fn warm_up(target: &Target) -> anyhow::Result<()> {
    const BUYERS: u32 = 2000;
    let before = target.rows.count().await?;
    let generator = target.expect(BUYERS).await?;
    for _ in 0..2 {
        let posted = generator
            .as_fast_as_answered(16, BUYERS, Duration::from_mins(1))
            .await?;
        ensure!(posted.refused == 0, "{} refused", posted.refused);
    }
    let mut connection = Connection::open(target.address).await?;
    let body = target.template.body(&Names::of(generator.run, 0));
    let forged = format!(
        "t={},v1={}",
        time::UtcDateTime::now().unix_timestamp(),
        "0".repeat(64)
    );
    let header = Some(("stripe-signature", forged.as_str()));
    let (status, _) = connection
        .post("/api/payment/webhook", header, body)
        .await?;
    ensure!(
        status == StatusCode::BAD_REQUEST,
        "a forgery was answered {status}"
    );
    let rows = usize::try_from(BUYERS)?;
    target.rows.wait_for(before + rows).await?;
    target.rows.wait_for_rest().await?;
    Ok(())
}

pub async fn throughput(target: &Target, time: Duration) -> anyhow::Result<Throughput> {
    let before = target.rows.count().await?;
    let generator = target.expect(buyers(time)?).await?;
    let (cpu, servers_cpu) = (target.cpu_ms()?, target.servers_cpu_ms()?);
    let wal = target.rows.wal_bytes().await?;
    let posted = run(&generator, CONNECTIONS, time).await?;
    let drained = target.rows.wait_for(before + posted.accepted).await?;
    // An event costs until what it led to is handed on.
    target.rows.wait_for_rest().await?;
    let events = posted.accepted.max(1) as f64;
    let wal = target.rows.wal_bytes().await?.zip(wal);
    Ok(Throughput {
        accepted_per_second: posted.accepted_per_second(),
        rows_per_second: per_second(posted.accepted, posted.time + drained),
        cpu_ms: each(&cpu, target.cpu_ms()?, events),
        servers_cpu_ms: each(&servers_cpu, target.servers_cpu_ms()?, events),
        wal_bytes: wal.map(|(after, before)| (after - before) / events),
        answers: posted.answers,
    })
}

/// What each of them took for one event.
fn each(
    before: &BTreeMap<&'static str, f64>,
    after: BTreeMap<&'static str, f64>,
    events: f64,
) -> BTreeMap<&'static str, f64> {
    let took =
        |(name, after): (&'static str, f64)| Some((name, (after - before.get(name)?) / events));
    after.into_iter().filter_map(took).collect()
}

/// Posts webhooks over [`SPIKE_CONNECTIONS`], while no worker runs.
///
/// Returns also the number of events left on the queue.
pub async fn spike(target: &Target, time: Duration) -> anyhow::Result<(Spike, usize)> {
    let generator = target.expect(buyers(time)?).await?;
    let posted = run(&generator, SPIKE_CONNECTIONS, time).await?;
    let spike = Spike {
        accepted_per_second: posted.accepted_per_second(),
        answers: posted.answers,
    };
    Ok((spike, posted.accepted))
}

async fn run(generator: &Generator, connections: usize, time: Duration) -> anyhow::Result<Posted> {
    let posted = generator
        .as_fast_as_answered(connections, buyers(time)?, time)
        .await?;
    ensure!(posted.refused == 0, "{} refused", posted.refused);
    Ok(posted)
}

/// Number of buyers for a run of `time`.
fn buyers(time: Duration) -> anyhow::Result<u32> {
    let seconds = u32::try_from(time.as_secs().max(1))?;
    Ok(seconds.saturating_mul(MOST_PER_SECOND))
}
