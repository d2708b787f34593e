//! Charges: attempts to move the money of a PaymentIntent.
//!
//! Source: <https://docs.stripe.com/api/charges>

use serde_json::{Value, json};

use crate::{
    error::ApiError,
    objects::{example, now},
    store::{Store, text},
};

/// The charge of a PaymentIntent that succeeded.
pub fn charge_of<'a>(store: &'a mut Store, intent_id: &str) -> Result<&'a mut Value, ApiError> {
    let intent = store.payment_intents.get(intent_id);
    let intent = intent.ok_or_else(|| ApiError::no_such("payment_intent", intent_id))?;
    if text(intent, "status") != "succeeded" {
        return Err(ApiError::invalid(
            "payment_intent",
            "This PaymentIntent has no successful charge.",
        ));
    }
    let id = text(intent, "latest_charge").to_owned();
    store
        .charges
        .get_mut(&id)
        .ok_or_else(|| ApiError::no_such("charge", &id))
}

/// The charge of `intent`, made when the buyer completes the payment page.
pub fn new_charge(intent: &Value) -> Value {
    let mut charge = example(
        "charge",
        json!({
            "id": intent["latest_charge"],
            "amount": intent["amount"],
            "amount_captured": intent["amount"],
            "amount_refunded": 0,
            "captured": true,
            "created": now(),
            "currency": intent["currency"],
            "disputed": false,
            // Copied once, when the charge is made.
            "metadata": intent["metadata"],
            "payment_intent": intent["id"],
            "receipt_url": null,
            "refunded": false,
            "source": null,
        }),
    );
    // Since API version 2022-11-15 a charge does not include its refunds.
    if let Some(fields) = charge.as_object_mut() {
        fields.remove("refunds");
    }
    charge
}
