//! Checkouts that begin: a hold, and a Checkout Session from a slow Stripe.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;
use stripe_sim::{Faults, Outcome};
use uuid::Uuid;

use crate::{
    closed_loop::closed_loop,
    figures::{Times, median},
    http::Connection,
    product::Product,
};

const PATH: &str = "/api/create-checkout-session";
/// Latency of Stripe.
const LATENCY: Duration = Duration::from_millis(50);
/// Buyers at once.
const AT_ONCE: usize = 64;
/// Slots to choose from; with one slot, buyers would wait for each other.
const SLOTS: usize = 50;

#[derive(Debug, Clone, Serialize)]
pub struct CreateSession {
    pub per_second: f64,
    pub answers: Times,
    /// Answers with one buyer at a time, less Stripe's latency.
    pub ours_alone: Times,
}

impl CreateSession {
    pub fn median(runs: &[Self]) -> Self {
        Self {
            per_second: median(runs.iter().map(|it| it.per_second)),
            answers: Times::median(runs.iter().map(|it| it.answers)),
            ours_alone: Times::median(runs.iter().map(|it| it.ours_alone)),
        }
    }
}

pub async fn create_session(product: &Product, time: Duration) -> anyhow::Result<CreateSession> {
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
    let address = product.target.address;
    let (per_second, answers) = closed_loop(address, AT_ONCE, time, async |connection, number| {
        begin(connection, slots[number % slots.len()]).await?;
        Ok(())
    })
    .await?;
    product.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    Ok(CreateSession {
        per_second,
        answers,
        ours_alone: Times::of(alone),
    })
}

/// Adds slots with far more seats than buyers.
async fn slots(product: &Product) -> anyhow::Result<Vec<Uuid>> {
    let holds = product.target.holds.as_ref().context("no catalogue")?;
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(holds.slot(1_000_000, 0).await?);
    }
    Ok(slots)
}

/// Returns sessions of `count` buyers who have paid, and whose webhooks never come.
pub(super) async fn paid_buyers(product: &Product, count: usize) -> anyhow::Result<Vec<String>> {
    let slots = slots(product).await?;
    let mut connection = Connection::open(product.target.address).await?;
    let mut sessions = Vec::new();
    for slot in slots.iter().cycle().take(count) {
        let session = begin(&mut connection, *slot).await?;
        product.stripe.pay(&session, Outcome::Succeed).await?;
        sessions.push(session);
    }
    Ok(sessions)
}

/// Begins one buyer's checkout. Returns the session's id.
async fn begin(connection: &mut Connection, slot: Uuid) -> anyhow::Result<String> {
    let order = testkit::order(slot, 1).to_string();
    let (status, body) = connection.post(PATH, None, order).await?;
    ensure!(
        status == StatusCode::OK || status == StatusCode::CREATED,
        "{status}"
    );
    let answer: Value = serde_json::from_slice(&body)?;
    let id = answer["session_id"].as_str().context("session_id")?;
    Ok(id.to_owned())
}
