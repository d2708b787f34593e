//! Soak test: whether memory stays flat over many minutes of a busy shop. The times are of tables
//! that grow all the while.

use std::{collections::BTreeMap, io::Write, time::Duration};

use super::{confirm::confirm, create_session::create_session, steady::steady};
use crate::product::Product;

/// Webhooks a second.
const RATE: u32 = 500;
/// Part of each minute; preparing the buyers takes up the rest.
const WEBHOOKS: Duration = Duration::from_secs(40);
const CONFIRMS: Duration = Duration::from_secs(5);
const SESSIONS: Duration = Duration::from_secs(5);

/// Prints a line of a table for each minute, as it ends.
pub async fn soak(product: &Product, minutes: u32) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| minute | answer p50 / p99 ms | row p50 / p99 ms | rows after 10 s | memory, MB |"
    )?;
    writeln!(out, "| ---: | ---: | ---: | ---: | --- |")?;
    for minute in 1..=minutes {
        let webhooks = steady(&product.target, RATE, WEBHOOKS).await?;
        confirm(&product.target, CONFIRMS).await?;
        create_session(product, SESSIONS).await?;
        let (answers, rows) = (webhooks.answers, webhooks.rows);
        let memory = words(&product.target.memory_mb()?);
        writeln!(
            out,
            "| {minute} | {:.1} / {:.1} | {:.1} / {:.1} | {} | {memory} |",
            answers.p50, answers.p99, rows.p50, rows.p99, webhooks.late
        )?;
    }
    Ok(())
}

fn words(memory: &BTreeMap<&'static str, f64>) -> String {
    let each = memory.iter().map(|(name, mb)| format!("{name} {mb:.0}"));
    each.collect::<Vec<_>>().join(", ")
}
