//! Refunds, made through the API or by the merchant in the dashboard.
//!
//! Source: <https://docs.stripe.com/api/refunds>

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    account::Account,
    charge::charge_of,
    delivery, dispute,
    error::ApiError,
    objects::{example, merge, new_id, now},
    store::text,
};

/// Refunds `amount`, or all that is left.
pub fn create(
    sim: &Arc<Account>,
    intent_id: &str,
    amount: Option<i64>,
    metadata: &Value,
) -> Result<Value, ApiError> {
    let faults = sim.faults();
    let (refund, charge) = {
        let mut store = sim.store();
        let charge_id = charge_of(&mut store, intent_id)?["id"].clone();
        if dispute::is_contested(&store, &charge_id) {
            return Err(refused("charge_disputed", "The charge has been disputed."));
        }
        if let Some(code) = &faults.refund_refused {
            return Err(refused(code, "The stand-in was told to refuse refunds."));
        }
        let charge = charge_of(&mut store, intent_id)?;
        let paid = charge["amount"].as_i64().unwrap_or_default();
        let refunded = charge["amount_refunded"].as_i64().unwrap_or_default();
        let left = paid.saturating_sub(refunded);
        let amount = amount.unwrap_or(left);
        if left == 0 {
            return Err(refused(
                "charge_already_refunded",
                "The charge has already been refunded.",
            ));
        }
        if amount <= 0 || amount > left {
            let message =
                format!("Refund amount ({amount}) is not within unrefunded amount ({left}).");
            return Err(ApiError::invalid("amount", message));
        }
        let refund = example(
            "refund",
            json!({
                "id": new_id("re_", 24),
                "amount": amount,
                "charge": charge["id"],
                "created": now(),
                "currency": charge["currency"],
                "metadata": metadata,
                "payment_intent": intent_id,
                "status": "succeeded",
            }),
        );
        set_refunded(charge, refunded.saturating_add(amount));
        let charge = charge.clone();
        store.refunds.insert(refund.clone());
        (refund, charge)
    };
    delivery::emit(sim, "refund.created", &refund);
    delivery::emit(sim, "charge.refunded", &charge);
    sim.save();
    Ok(refund)
}

fn refused(code: &str, message: &str) -> ApiError {
    ApiError::refused(code, "payment_intent", message)
}

/// Fails a refund: the buyer's bank sends the money back.
pub fn fail(sim: &Arc<Account>, refund_id: &str) -> Result<(), ApiError> {
    let refund = {
        let mut store = sim.store();
        let refund = store.refunds.get_mut(refund_id);
        let refund = refund.ok_or_else(|| ApiError::no_such("refund", refund_id))?;
        if text(refund, "status") == "failed" {
            return Err(ApiError::invalid("id", "This refund has failed already."));
        }
        merge(
            refund,
            json!({ "status": "failed", "failure_reason": "lost_or_stolen_card" }),
        );
        let refund = refund.clone();
        let charge = store.charges.get_mut(text(&refund, "charge"));
        if let Some(charge) = charge {
            let refunded = charge["amount_refunded"].as_i64().unwrap_or_default();
            let amount = refund["amount"].as_i64().unwrap_or_default();
            set_refunded(charge, refunded.saturating_sub(amount));
        }
        refund
    };
    delivery::emit(sim, "refund.failed", &refund);
    delivery::emit(sim, "charge.refund.updated", &refund);
    sim.save();
    Ok(())
}

fn set_refunded(charge: &mut Value, refunded: i64) {
    let all = charge["amount"] == refunded;
    merge(
        charge,
        json!({ "amount_refunded": refunded, "refunded": all }),
    );
}
