//! Checkout Sessions after their creation: paid, settled or expired.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    account::Account,
    charge,
    checkout_session::add_up,
    delivery, discount,
    entry::{Entry, Outcome},
    error::ApiError,
    objects::{example, merge, new_id, now},
    store::text,
};

/// How long Stripe holds a buyer's redirect for the webhook to be answered.
const REDIRECT_WAIT: Duration = Duration::from_secs(10);

/// Next page of the buyer.
pub enum Next {
    /// Goes to the shop.
    Redirect(String),
    /// Stays on the payment page, which says why.
    Stay(&'static str),
}

/// Carries out the buyer's action.
pub async fn act(sim: &Arc<Account>, id: &str, entry: &Entry) -> Result<Next, ApiError> {
    let mut session = find(sim, id)?;
    match text(&session, "status") {
        "open" => {}
        "complete" => return Ok(Next::Redirect(success_url(&session))),
        _ => return Ok(Next::Stay("This checkout has expired.")),
    }
    if matches!(entry.outcome, Outcome::Succeed | Outcome::Delay)
        && let Err(why) = settle_amount(sim, &mut session, entry)
    {
        return Ok(Next::Stay(why));
    }
    match entry.outcome {
        Outcome::Cancel => Ok(Next::Redirect(text(&session, "cancel_url").to_owned())),
        Outcome::Decline => Ok(Next::Stay("Your card was declined. No money was taken.")),
        Outcome::Succeed => complete(sim, &session, "paid", "succeeded").await,
        Outcome::Delay => {
            let next = complete(sim, &session, "unpaid", "processing").await?;
            if let Some(after_ms) = sim.faults().settle_after_ms {
                let (sim, id) = (sim.clone(), id.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    // A test may have settled the payment in between.
                    settle(&sim, &id, true).await.ok();
                });
            }
            Ok(next)
        }
    }
}

/// Applies a promotion code and the taxes, now that Stripe knows the buyer.
fn settle_amount(sim: &Account, session: &mut Value, entry: &Entry) -> Result<(), &'static str> {
    let store = sim.store();
    if !entry.promotion_code.is_empty() {
        let allowed = session["allow_promotion_codes"] == true;
        let currency = text(session, "currency");
        let discounts = discount::of_code(&store, &entry.promotion_code)
            .filter(|discounts| allowed && discount::fits(&store, discounts, currency));
        session["discounts"] = discounts.ok_or("This code is invalid.")?;
    }
    let taxed = session["automatic_tax"]["enabled"] == true;
    let tax_percent = taxed.then(|| sim.faults().tax_percent);
    if taxed {
        session["automatic_tax"]["status"] = json!("complete");
    }
    // A session of an older snapshot has no line items: it costs what it said.
    if let Some(items) = store.line_items.get(text(session, "id")) {
        add_up(&store, session, items, tax_percent)
            .map_err(|_| "The total is too small or too large to be paid.")?;
    }
    if !entry.presentment_currency.is_empty() {
        let total = session["amount_total"].as_i64().unwrap_or_default();
        session["presentment_details"] = json!({
            "presentment_amount": total.saturating_mul(2),
            "presentment_currency": entry.presentment_currency,
        });
    }
    Ok(())
}

/// Completes a session, with its PaymentIntent and charge.
async fn complete(
    sim: &Arc<Account>,
    priced: &Value,
    payment_status: &str,
    intent_status: &str,
) -> Result<Next, ApiError> {
    let id = text(priced, "id");
    let free = priced["amount_total"] == 0;
    let payment_status = if free {
        "no_payment_required"
    } else {
        payment_status
    };
    let intent = (!free).then(|| {
        example("payment_intent", json!({
            "id": new_id("pi_", 24),
            "amount": priced["amount_total"],
            "amount_received": if payment_status == "paid" { priced["amount_total"].clone() } else { json!(0) },
            "canceled_at": null,
            "client_secret": null,
            "created": now(),
            "currency": priced["currency"],
            "last_payment_error": null,
            "latest_charge": new_id("ch_", 24),
            "metadata": sim.store().intent_metadata(id),
            "next_action": null,
            "processing": null,
            "shipping": null,
            "status": intent_status,
            "transfer_data": null,
        }))
    });
    let completed = {
        let mut store = sim.store();
        let session = store
            .sessions
            .get_mut(id)
            .ok_or_else(|| no_such_session(id))?;
        if text(session, "status") != "open" {
            return Ok(Next::Redirect(success_url(session)));
        }
        merge(session, priced.clone());
        merge(
            session,
            json!({
                "payment_intent": intent.as_ref().map(|intent| intent["id"].clone()),
                "payment_status": payment_status,
                "status": "complete",
                "url": null,
            }),
        );
        let completed = session.clone();
        if let Some(intent) = intent {
            store.charges.insert(charge::new_charge(&intent));
            store.payment_intents.insert(intent);
        }
        completed
    };
    let answered = delivery::emit(sim, "checkout.session.completed", &completed);
    sim.save();
    // The buyer waits for the shop's webhook, but not for ever.
    tokio::time::timeout(REDIRECT_WAIT, answered).await.ok();
    Ok(Next::Redirect(success_url(&completed)))
}

/// Settles a delayed payment, as the buyer's bank does.
pub async fn settle(sim: &Arc<Account>, id: &str, succeeded: bool) -> Result<(), ApiError> {
    let (event, session) = {
        let mut store = sim.store();
        let session = store.sessions.get(id);
        let session = session.ok_or_else(|| no_such_session(id))?;
        let intent = text(session, "payment_intent").to_owned();
        let on_its_way = store
            .payment_intents
            .get(&intent)
            .is_some_and(|intent| text(intent, "status") == "processing");
        if !on_its_way {
            return Err(ApiError::invalid("id", "No delayed payment is on its way."));
        }
        let session = store
            .sessions
            .get_mut(id)
            .ok_or_else(|| no_such_session(id))?;
        let event = if succeeded {
            merge(session, json!({ "payment_status": "paid" }));
            "checkout.session.async_payment_succeeded"
        } else {
            "checkout.session.async_payment_failed"
        };
        let session = session.clone();
        let status = if succeeded {
            "succeeded"
        } else {
            "requires_payment_method"
        };
        if let Some(intent) = store.payment_intents.get_mut(&intent) {
            merge(intent, json!({ "status": status }));
        }
        (event, session)
    };
    let answered = delivery::emit(sim, event, &session);
    sim.save();
    tokio::time::timeout(REDIRECT_WAIT, answered).await.ok();
    Ok(())
}

/// Expires an open session.
pub fn expire(sim: &Arc<Account>, id: &str) -> Result<Value, ApiError> {
    let expired = {
        let mut store = sim.store();
        let session = store
            .sessions
            .get_mut(id)
            .ok_or_else(|| no_such_session(id))?;
        if text(session, "status") != "open" {
            return Err(ApiError::invalid(
                "session",
                "Only Checkout Sessions with a status of `open` can be expired.",
            ));
        }
        merge(session, json!({ "status": "expired", "url": null }));
        session.clone()
    };
    drop(delivery::emit(sim, "checkout.session.expired", &expired));
    sim.save();
    Ok(expired)
}

/// The PaymentIntent of a session.
pub fn intent_of(sim: &Account, session_id: &str) -> Result<String, ApiError> {
    let session = find(sim, session_id)?;
    let intent = text(&session, "payment_intent");
    if intent.is_empty() {
        return Err(ApiError::invalid("id", "This session has no payment."));
    }
    Ok(intent.to_owned())
}

pub fn find(sim: &Account, id: &str) -> Result<Value, ApiError> {
    sim.store()
        .sessions
        .get(id)
        .cloned()
        .ok_or_else(|| no_such_session(id))
}

fn no_such_session(id: &str) -> ApiError {
    ApiError::no_such("checkout.session", id)
}

fn success_url(session: &Value) -> String {
    text(session, "success_url").replace("{CHECKOUT_SESSION_ID}", text(session, "id"))
}
