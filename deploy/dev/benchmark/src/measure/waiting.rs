//! Waiting pages: what they cost the database while no worker runs.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sea_orm::{ConnectionTrait, Statement};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{confirm, create_session::paid_buyers};
use crate::{figures::Times, http::Connection, product::Product};

/// Time for which the database is watched.
const WATCHED: Duration = Duration::from_secs(5);
/// Pause before a count: the database counts a connection's work once it is idle for a moment.
const COUNTED: Duration = Duration::from_millis(1500);

#[derive(Debug, Serialize)]
pub struct Waiting {
    pub waiters: usize,
    /// Transactions a second that the database counts meanwhile.
    pub database_per_second: f64,
    /// Times from the start of a worker to the booking on each page.
    pub answered: Times,
}

/// Stops the worker, lets pages wait, and starts it again.
pub async fn waiting(product: &mut Product, waiters: usize) -> anyhow::Result<Waiting> {
    let sessions = paid_buyers(product, waiters).await?;
    product.stop_worker().await?;
    let mut pages = JoinSet::new();
    for session in sessions {
        let mut connection = Connection::open(product.target.address).await?;
        pages.spawn(async move {
            let wait = Some(("prefer", "wait=20"));
            let body = confirm::body(&session);
            let (status, answer) = connection.post(confirm::PATH, wait, body).await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            ensure!(answer["status"] == "confirmed", "{status} {answer}");
            Ok(Instant::now())
        });
    }
    // Until each page has asked once, and its job is on the queue.
    tokio::time::sleep(COUNTED).await;
    let before = transactions(product).await?;
    tokio::time::sleep(WATCHED).await;
    let counted = transactions(product).await? - before;
    product.start_worker()?;
    let start = Instant::now();
    let mut answered = Vec::new();
    while let Some(page) = pages.join_next().await {
        answered.push(page??.duration_since(start));
    }
    Ok(Waiting {
        waiters,
        database_per_second: counted as f64 / WATCHED.as_secs_f64(),
        answered: Times::of(answered),
    })
}

async fn transactions(product: &Product) -> anyhow::Result<i64> {
    let db = &product.target.rows.db;
    let statement = Statement::from_string(
        db.get_database_backend(),
        "SELECT xact_commit + xact_rollback AS count FROM pg_stat_database \
         WHERE datname = current_database()",
    );
    let row = db
        .query_one_raw(statement)
        .await?
        .context("pg_stat_database")?;
    Ok(row.try_get("", "count")?)
}
