//! Webhooks at a fixed rate: how soon they are answered, and how soon their rows are there.

use anyhow::ensure;
use serde::Serialize;

use super::Effort;
use crate::{figures::Times, target::Target};

#[derive(Debug, Serialize)]
pub struct Steady {
    /// Webhooks a second.
    pub rate: u32,
    pub answers: Times,
    /// From the arrival of a webhook to its visible row.
    pub rows: Times,
    /// Of the rows that were followed, those that took longer than ten seconds.
    pub late: usize,
}

pub async fn steady(target: &Target, rate: u32, effort: Effort) -> anyhow::Result<Steady> {
    let (mut answers, mut rows, mut late) = (vec![], vec![], 0);
    for _ in 0..effort.runs {
        let before = target.rows.count().await?;
        let buyers = rate.saturating_mul(u32::try_from(effort.time.as_secs())?);
        let generator = target.expect(buyers).await?;
        let posted = generator
            .at_rate(rate, effort.time, Some(target.rows.clone()))
            .await?;
        ensure!(posted.refused == 0, "{} refused", posted.refused);
        late += posted.rows_missing;
        target.rows.wait_for(before + posted.accepted).await?;
        answers.push(posted.answers);
        rows.extend(posted.rows);
    }
    Ok(Steady {
        rate,
        answers: Times::median(&answers),
        rows: Times::median(&rows),
        late,
    })
}
