//! Webhooks as fast as they are answered.

use std::{collections::BTreeMap, time::Duration};

use anyhow::ensure;
use hyper::StatusCode;
use serde::Serialize;

use super::{CONNECTIONS, Effort};
use crate::{
    event::Names,
    figures::{Times, median, per_second},
    generator::Posted,
    http::Connection,
    target::Target,
};

/// Webhooks in, rows out.
#[derive(Debug, Serialize)]
pub struct Throughput {
    pub accepted_per_second: f64,
    /// Until the last row was there.
    pub rows_per_second: f64,
    pub answers: Times,
    /// Of an event, by process.
    pub cpu_ms: BTreeMap<&'static str, f64>,
    /// Each run's `accepted_per_second`.
    pub runs: Vec<f64>,
}

/// Webhooks in, while nobody turns them into rows.
#[derive(Debug, Serialize)]
pub struct Spike {
    pub accepted_per_second: f64,
    pub answers: Times,
    /// Each run's `accepted_per_second`.
    pub runs: Vec<f64>,
    /// What waits on the queue now.
    pub queued: usize,
}

/// Brings caches and pools to life, and sees whether what is measured is right: a forgery is
/// refused, and an event that comes twice leads to one row.
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
    Ok(())
}

pub async fn throughput(target: &Target, effort: Effort) -> anyhow::Result<Throughput> {
    let (mut accepted, mut rows, mut answers, mut cpu) = (vec![], vec![], vec![], vec![]);
    for _ in 0..effort.runs {
        let before = target.rows.count().await?;
        let generator = target.expect(effort.buyers()?).await?;
        let cpu_before = target.cpu_ms()?;
        let posted = run(&generator, effort).await?;
        let drained = target.rows.wait_for(before + posted.accepted).await?;
        let cpu_after = target.cpu_ms()?;
        accepted.push(posted.accepted_per_second());
        rows.push(per_second(posted.accepted, posted.time + drained));
        answers.push(posted.answers);
        cpu.push((cpu_before, cpu_after, posted.accepted));
    }
    let cpu_ms = target.processes.keys().map(|name| {
        let of_event = cpu
            .iter()
            .map(|(before, after, events)| (after[name] - before[name]) / (*events).max(1) as f64);
        (*name, median(of_event))
    });
    Ok(Throughput {
        accepted_per_second: median(accepted.iter().copied()),
        rows_per_second: median(rows),
        answers: Times::median(&answers),
        cpu_ms: cpu_ms.collect(),
        runs: accepted,
    })
}

/// The same while no worker runs.
pub async fn spike(target: &Target, effort: Effort) -> anyhow::Result<Spike> {
    let (mut accepted, mut answers, mut queued) = (vec![], vec![], 0);
    for _ in 0..effort.runs {
        let generator = target.expect(effort.buyers()?).await?;
        let posted = run(&generator, effort).await?;
        accepted.push(posted.accepted_per_second());
        answers.push(posted.answers);
        queued += posted.accepted;
    }
    Ok(Spike {
        accepted_per_second: median(accepted.iter().copied()),
        answers: Times::median(&answers),
        runs: accepted,
        queued,
    })
}

async fn run(generator: &crate::generator::Generator, effort: Effort) -> anyhow::Result<Posted> {
    let posted = generator
        .as_fast_as_answered(CONNECTIONS, effort.buyers()?, effort.time)
        .await?;
    ensure!(posted.refused == 0, "{} refused", posted.refused);
    Ok(posted)
}
