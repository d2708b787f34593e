//! One buyer: orders, pays or does not, and what the merchant and the bank do afterwards.

use std::time::Duration;

use anyhow::{Context, bail};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait};
use serde_json::{Value, json};
use shared::{clock, db::slot};
use stripe_sim::{Outcome, Verdict};
use testkit::{insert_slot, tomorrow};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::environment::Environment;

/// Between two tries, while the shop is down.
const PAUSE: Duration = Duration::from_millis(200);
/// Longer than any outage of a drill.
const TRIES: usize = 3000;

/// What becomes of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    Pay,
    DeclineThenPay,
    DelayThenPaid,
    DelayThenFailed,
    Expire,
    RefundAll,
    RefundPart,
    RefundThatFails,
    Dispute,
    /// Has two tabs open and pays in one of them, or in both.
    TwoTabs,
    /// Pays after the hold has ended here and another buyer has the seat: the money goes back.
    PayTooLate,
}

const PLANS: [(Plan, u32); 10] = [
    (Plan::Pay, 50),
    (Plan::DeclineThenPay, 5),
    (Plan::DelayThenPaid, 10),
    (Plan::DelayThenFailed, 5),
    (Plan::Expire, 5),
    (Plan::RefundAll, 5),
    (Plan::RefundPart, 7),
    (Plan::RefundThatFails, 3),
    (Plan::Dispute, 3),
    (Plan::PayTooLate, 7),
];

/// A buyer who is going to do something.
#[derive(Debug, Clone)]
pub struct Buyer {
    pub plan: Plan,
    /// Whether the browser comes back and asks.
    asks: bool,
    key: Uuid,
    slot: Uuid,
}

impl Buyer {
    /// A buyer drawn from `random`.
    pub fn random(random: &mut StdRng, slots: &[Uuid]) -> Self {
        let plan = PLANS.choose_weighted(random, |(_, weight)| *weight);
        Self {
            plan: plan.map_or(Plan::Pay, |(plan, _)| *plan),
            asks: random.random_bool(0.5),
            key: Uuid::from_u128(random.random()),
            slot: slots.choose(random).copied().unwrap_or_default(),
        }
    }

    /// Does it all. Returns the session, and when it was paid, if it was.
    pub async fn buy(
        &self,
        environment: &Environment,
    ) -> anyhow::Result<(String, Option<OffsetDateTime>)> {
        let stripe = &environment.stripe;
        if self.plan == Plan::PayTooLate {
            let session = self.pay_too_late(environment).await?;
            return Ok((session, Some(clock::system())));
        }
        if self.plan == Plan::TwoTabs {
            return self.pay_in_tabs(environment).await;
        }
        let session = order(environment, self.slot, self.key).await?;
        let paid_at = clock::system();
        match self.plan {
            Plan::DeclineThenPay => stripe.pay(&session, Outcome::Decline).await?,
            Plan::DelayThenPaid | Plan::DelayThenFailed => {
                stripe.pay(&session, Outcome::Delay).await?;
                tokio::time::sleep(PAUSE).await;
                let succeeded = self.plan == Plan::DelayThenPaid;
                stripe.settle(&session, succeeded).await?;
            }
            Plan::Expire => stripe.expire(&session)?,
            _ => {}
        }
        match self.plan {
            Plan::Expire | Plan::DelayThenPaid | Plan::DelayThenFailed => {}
            _ => stripe.pay(&session, Outcome::Succeed).await?,
        }
        match self.plan {
            Plan::RefundAll => drop(stripe.refund(&session, None)?),
            Plan::RefundPart => {
                stripe.refund(&session, Some(1000))?;
                stripe.refund(&session, Some(500))?;
            }
            Plan::RefundThatFails => {
                let refund = stripe.refund(&session, None)?;
                stripe.fail_refund(&refund)?;
            }
            Plan::Dispute => {
                let dispute = stripe.dispute(&session, false)?;
                stripe.close_dispute(&dispute, Verdict::Lost)?;
            }
            _ => {}
        }
        if self.asks {
            ask(environment, &session).await;
        }
        let paid = !matches!(self.plan, Plan::Expire | Plan::DelayThenFailed);
        Ok((session, paid.then_some(paid_at)))
    }

    /// One wish, so one of them is booked.
    async fn pay_in_tabs(
        &self,
        environment: &Environment,
    ) -> anyhow::Result<(String, Option<OffsetDateTime>)> {
        let mut body = testkit::order(self.slot, 1);
        body["customer"]["email"] = json!(format!("{}@example.com", self.key.simple()));
        body["once_per_email"] = json!(true);
        let first = place(environment, &body, self.key).await?;
        let other = Uuid::from_u128(self.key.as_u128() ^ 1);
        let other = place(environment, &body, other).await?;
        let paid_at = clock::system();
        environment.stripe.pay(&first, Outcome::Succeed).await?;
        // By chance, as by the key: the other one may be expired by now.
        if self.asks {
            environment.stripe.pay(&other, Outcome::Succeed).await?;
        }
        ask(environment, &first).await;
        Ok((first, Some(paid_at)))
    }

    /// The seat is the only one of its slot. Our side gives it up, another buyer takes it, and
    /// then the first buyer pays.
    async fn pay_too_late(&self, environment: &Environment) -> anyhow::Result<String> {
        let slot = until_it_works(async || {
            let any = slot::Entity::find_by_id(self.slot)
                .one(&environment.db)
                .await?;
            let offering = any.and_then(|it| it.offering_id).context("a slot")?;
            insert_slot(&environment.db, offering, tomorrow(), (1, 0)).await
        })
        .await?;
        let late = order(environment, slot, self.key).await?;
        until_it_works(async || {
            let tx = environment.db.begin().await?;
            let given_up = format!(
                "UPDATE checkout SET state = 'expired', seats_held = false \
                 WHERE session_id = '{late}' AND seats_held"
            );
            if tx.execute_unprepared(&given_up).await?.rows_affected() == 1 {
                let freed = format!("UPDATE slot SET seats_taken = 0 WHERE id = '{slot}'");
                let freed = match tx.get_database_backend() {
                    // It keeps ids as bytes.
                    sea_orm::DbBackend::Sqlite => {
                        freed.replace(&format!("'{slot}'"), &format!("x'{}'", slot.simple()))
                    }
                    _ => freed,
                };
                tx.execute_unprepared(&freed).await?;
            }
            Ok(tx.commit().await?)
        })
        .await?;
        let quick = order(environment, slot, Uuid::from_u128(self.key.as_u128() ^ 1)).await?;
        environment.stripe.pay(&quick, Outcome::Succeed).await?;
        // Booked first, or both would be in a race that either may win.
        for _ in 0..TRIES {
            if ask(environment, &quick).await.as_deref() == Some("confirmed") {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        environment.stripe.pay(&late, Outcome::Succeed).await?;
        Ok(late)
    }
}

/// Holds a seat and opens a session, however long it takes.
async fn order(environment: &Environment, slot: Uuid, key: Uuid) -> anyhow::Result<String> {
    place(environment, &testkit::order(slot, 1), key).await
}

async fn place(environment: &Environment, body: &Value, key: Uuid) -> anyhow::Result<String> {
    for _ in 0..TRIES {
        let request = environment
            .http
            .post(format!("{}/api/create-checkout-session", environment.url))
            .header("idempotency-key", key.to_string())
            .json(body);
        if let Ok(answer) = request.send().await
            && answer.status().is_success()
            && let Ok(answer) = answer.json::<Value>().await
            && let Some(id) = answer["session_id"].as_str()
        {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("nothing could be ordered")
}

/// The buyer's page asks a few times. Returns the last word.
async fn ask(environment: &Environment, session: &str) -> Option<String> {
    let mut status = None;
    for _ in 0..3 {
        let request = environment
            .http
            .post(format!("{}/api/payment/confirm", environment.url))
            .header("prefer", "wait=2")
            .json(&json!({ "session_id": session }));
        if let Ok(answer) = request.send().await
            && let Ok(answer) = answer.json::<Value>().await
        {
            status = answer["status"].as_str().map(str::to_owned);
            if answer["retry_after_ms"].is_null() {
                break;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    status
}

/// Of the drill's own steps in the database, which may be down as well.
async fn until_it_works<T>(step: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut last = None;
    for _ in 0..TRIES {
        match step().await {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last.context("never tried")?)
}
