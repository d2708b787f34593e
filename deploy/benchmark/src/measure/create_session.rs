//! Buyers who begin: a hold, and a Checkout Session at a Stripe that takes its time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;
use stripe_sim::Faults;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Effort;
use crate::{
    figures::{Times, median, per_second},
    http::Connection,
    product::Product,
};

const PATH: &str = "/api/create-checkout-session";
/// Of Stripe.
pub const LATENCY: Duration = Duration::from_millis(50);
/// Buyers at once.
pub const AT_ONCE: usize = 64;
/// Slots they choose from; one alone would have them wait for each other.
const SLOTS: usize = 50;

#[derive(Debug, Serialize)]
pub struct CreateSession {
    pub per_second: f64,
    pub answers: Times,
    /// The same with one buyer at a time, less what Stripe takes.
    pub ours_alone: Times,
}

pub async fn create_session(product: &Product, effort: Effort) -> anyhow::Result<CreateSession> {
    let slots = slots(product).await?;
    let slow = Faults {
        deliver_webhooks: false,
        create_latency_ms: u64::try_from(LATENCY.as_millis())?,
        ..Faults::default()
    };
    product.stripe.set_faults(slow);
    let mut alone = Vec::new();
    let mut connection = Connection::open(product.target.address).await?;
    for slot in slots.iter().cycle().take(100) {
        let began = Instant::now();
        begin(&mut connection, *slot).await?;
        alone.push(began.elapsed().saturating_sub(LATENCY));
    }
    let (mut rates, mut answers) = (vec![], vec![]);
    for _ in 0..effort.runs {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..AT_ONCE {
            let mut connection = Connection::open(product.target.address).await?;
            let slots = slots.clone();
            tasks.spawn(async move {
                let mut times = Vec::new();
                for slot in slots.iter().cycle().skip(number) {
                    let began = Instant::now();
                    if start.elapsed() > effort.time {
                        break;
                    }
                    begin(&mut connection, *slot).await?;
                    times.push(began.elapsed());
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(more) = tasks.join_next().await {
            times.extend(more??);
        }
        rates.push(per_second(times.len(), start.elapsed()));
        answers.push(Times::of(times));
    }
    product.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    Ok(CreateSession {
        per_second: median(rates),
        answers: Times::median(&answers),
        ours_alone: Times::of(alone),
    })
}

/// Slots that nobody fills.
pub(super) async fn slots(product: &Product) -> anyhow::Result<Arc<Vec<Uuid>>> {
    let holds = product.target.holds.as_ref().context("no catalogue")?;
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(holds.slot(1_000_000, 0).await?);
    }
    Ok(Arc::new(slots))
}

/// One buyer begins. Returns the session's id.
pub(super) async fn begin(connection: &mut Connection, slot: Uuid) -> anyhow::Result<String> {
    let order = serde_json::json!({
        "slot_id": slot,
        "quantity": 1,
        "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
    });
    let (status, body) = connection.post(PATH, None, order.to_string()).await?;
    ensure!(
        status == StatusCode::OK || status == StatusCode::CREATED,
        "{status}"
    );
    let answer: Value = serde_json::from_slice(&body)?;
    let id = answer["session_id"].as_str().context("session_id")?;
    Ok(id.to_owned())
}
