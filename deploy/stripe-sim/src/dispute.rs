//! Buyers who take their money back through their bank.
//!
//! Source: <https://docs.stripe.com/disputes/how-disputes-work>

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Shared, delivery,
    error::ApiError,
    objects::{example, merge, new_id, now},
    refund::charge_of,
    store::text,
};

/// How a dispute ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// For the merchant: the money comes back.
    Won,
    /// For the buyer.
    Lost,
}

/// Opens a dispute about all of a payment. An inquiry moves no money yet.
pub fn open(sim: &Arc<Shared>, intent_id: &str, inquiry: bool) -> Result<Value, ApiError> {
    let dispute = {
        let mut store = sim.store();
        let charge = charge_of(&mut store, intent_id)?;
        merge(charge, json!({ "disputed": true }));
        let dispute = example(
            "dispute",
            json!({
                "id": new_id("du_", 24),
                "amount": charge["amount"],
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

/// Ends a dispute; an inquiry ends without a verdict on money.
pub fn close(sim: &Arc<Shared>, dispute_id: &str, verdict: Verdict) -> Result<(), ApiError> {
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
