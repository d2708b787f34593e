//! Disputes: buyers take their money back through their bank.
//!
//! Source: <https://docs.stripe.com/disputes/how-disputes-work>

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    account::Account,
    charge::charge_of,
    delivery,
    error::ApiError,
    objects::{example, merge, new_id, now},
    store::{Store, text},
};

/// Outcome of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Decided for the merchant: the money comes back.
    Won,
    /// Decided for the buyer.
    Lost,
}

/// Opens a dispute about a payment. An inquiry moves no money yet.
///
/// - `amount`: the disputed part; all of the payment if missing.
pub fn open(
    sim: &Arc<Account>,
    intent_id: &str,
    inquiry: bool,
    amount: Option<i64>,
) -> Result<Value, ApiError> {
    let dispute = {
        let mut store = sim.store();
        let charge = charge_of(&mut store, intent_id)?;
        merge(charge, json!({ "disputed": true }));
        let amount = amount.map_or_else(|| charge["amount"].clone(), Value::from);
        let moved = if inquiry {
            json!([])
        } else {
            json!([moved(&amount, -1)])
        };
        let dispute = example(
            "dispute",
            json!({
                "id": new_id("du_", 24),
                "amount": amount,
                "balance_transactions": moved,
                "charge": charge["id"],
                "created": now(),
                "currency": charge["currency"],
                "is_charge_refundable": inquiry,
                "payment_intent": intent_id,
                "reason": "general",
                "status": if inquiry { "warning_needs_response" } else { "needs_response" },
            }),
        );
        store.disputes.insert(dispute.clone());
        dispute
    };
    delivery::emit(sim, "charge.dispute.created", &dispute);
    if !inquiry {
        delivery::emit(sim, "charge.dispute.funds_withdrawn", &dispute);
    }
    sim.save();
    Ok(dispute)
}

/// Closes a dispute; an inquiry closes without a verdict on money.
pub fn close(sim: &Arc<Account>, dispute_id: &str, verdict: Verdict) -> Result<(), ApiError> {
    let (dispute, inquiry) = {
        let mut store = sim.store();
        let dispute = store.disputes.get_mut(dispute_id);
        let dispute = dispute.ok_or_else(|| ApiError::no_such("dispute", dispute_id))?;
        let inquiry = text(dispute, "status").starts_with("warning_");
        let status = match verdict {
            _ if inquiry => "warning_closed",
            Verdict::Won => "won",
            Verdict::Lost => "lost",
        };
        if status != text(dispute, "status") && !inquiry {
            let back = moved(
                &dispute["amount"],
                if verdict == Verdict::Won { 1 } else { -1 },
            );
            let was_open = text(dispute, "status") == "needs_response";
            // An open dispute that is lost moves no money: the bank already has it.
            if (verdict == Verdict::Won || !was_open)
                && let Some(all) = dispute["balance_transactions"].as_array_mut()
            {
                all.push(back);
            }
        }
        merge(dispute, json!({ "status": status }));
        (dispute.clone(), inquiry)
    };
    delivery::emit(sim, "charge.dispute.closed", &dispute);
    if verdict == Verdict::Won && !inquiry {
        delivery::emit(sim, "charge.dispute.funds_reinstated", &dispute);
    }
    sim.save();
    Ok(())
}

/// Changes the amount of a dispute, as the buyer's bank may.
pub fn change(sim: &Arc<Account>, dispute_id: &str, amount: i64) -> Result<(), ApiError> {
    let dispute = {
        let mut store = sim.store();
        let dispute = store.disputes.get_mut(dispute_id);
        let dispute = dispute.ok_or_else(|| ApiError::no_such("dispute", dispute_id))?;
        merge(dispute, json!({ "amount": amount }));
        dispute.clone()
    };
    delivery::emit(sim, "charge.dispute.updated", &dispute);
    sim.save();
    Ok(())
}

/// Whether the bank holds money of the charge until there is a verdict.
pub fn is_contested(store: &Store, charge_id: &Value) -> bool {
    let mut disputes = store.disputes.newest_first();
    disputes.any(|it| {
        it["charge"] == *charge_id
            && matches!(text(it, "status"), "needs_response" | "under_review")
    })
}

/// A movement of the merchant's balance.
fn moved(amount: &Value, sign: i64) -> Value {
    let amount = amount.as_i64().unwrap_or_default().saturating_mul(sign);
    json!({
        "id": new_id("txn_", 24),
        "object": "balance_transaction",
        "amount": amount,
        "type": "adjustment",
        "reporting_category": if sign < 0 { "dispute" } else { "dispute_reversal" },
    })
}
