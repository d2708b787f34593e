//! Webhooks at a fixed rate: how soon they are answered, and how soon their rows are there.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::{figures::Times, target::Target};

#[derive(Debug, Clone, Serialize)]
pub struct Steady {
    /// Webhooks a second.
    pub rate: u32,
    pub answers: Times,
    /// Times from the arrival of a webhook to its visible row.
    pub rows: Times,
    /// Followed rows that took longer than ten seconds.
    pub late: usize,
}

impl Steady {
    /// Median of runs at the same rate.
    pub fn median(runs: &[Self]) -> Self {
        Self {
            rate: runs.iter().map(|it| it.rate).max().unwrap_or_default(),
            answers: Times::median(runs.iter().map(|it| it.answers)),
            rows: Times::median(runs.iter().map(|it| it.rows)),
            late: runs.iter().map(|it| it.late).sum(),
        }
    }
}

pub async fn steady(target: &Target, rate: u32, time: Duration) -> anyhow::Result<Steady> {
    let before = target.rows.count().await?;
    let buyers = rate.saturating_mul(u32::try_from(time.as_secs())?);
    let generator = target.expect(buyers).await?;
    let posted = generator.at_rate(rate, time, &target.rows).await?;
    ensure!(posted.refused == 0, "{} refused", posted.refused);
    target.rows.wait_for(before + posted.accepted).await?;
    Ok(Steady {
        rate,
        answers: posted.answers,
        rows: posted.rows.context("rows were looked for")?,
        late: posted.rows_missing,
    })
}
