//! `/v1/checkout/sessions`: made, looked up, listed and expired.
//!
//! Source: <https://docs.stripe.com/api/checkout/sessions>

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
};
use serde_json::{Value, json};

use super::{Answer, idempotency_key, page};
use crate::{
    Shared,
    error::ApiError,
    form::Form,
    objects::{example, new_id, now},
    payment,
    store::{Store, text},
};

pub(super) async fn create_session(
    State(sim): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let key = idempotency_key(&headers);
    let form = Form::parse(&body);
    let create = {
        let (sim, form, key) = (sim.clone(), form.clone(), key.map(str::to_owned));
        async move {
            let faults = sim.faults();
            tokio::time::sleep(Duration::from_millis(faults.create_latency_ms)).await;
            faults.interrupt(key.as_deref())?;
            new_session(&sim, &form)
        }
    };
    sim.keys.once(key, form, create).await.map(Json)
}

pub fn new_session(sim: &Shared, form: &Form) -> Result<Value, ApiError> {
    if form.text("mode") != Some("payment") {
        return Err(ApiError::invalid(
            "mode",
            "The stand-in knows mode=payment only.",
        ));
    }
    let success_url = form
        .text("success_url")
        .ok_or_else(|| ApiError::missing("success_url"))?;
    let faults = sim.faults();
    if faults.nameless_account {
        return Err(ApiError {
            param: None,
            ..ApiError::invalid(
                "",
                "In order to use Checkout, you must set an account or business name.",
            )
        });
    }
    if let Some(email) = form.text("customer_email")
        && !is_email(email)
    {
        let message = format!("Invalid email address: {email}");
        return Err(ApiError::refused(
            "email_invalid",
            "customer_email",
            message,
        ));
    }
    let (amount, currency) = total(form)?;
    check_amount(amount, &currency)?;
    let created = now().saturating_add(faults.clock_ahead_s);
    let expires_at = form
        .integer("expires_at")
        .unwrap_or(created.saturating_add(86_400));
    if !(1_800..=86_400).contains(&expires_at.saturating_sub(created)) {
        return Err(ApiError::invalid(
            "expires_at",
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.",
        ));
    }
    let id = new_id("cs_test_", 58);
    let session = example(
        "checkout.session",
        json!({
            "id": id,
            "after_expiration": null,
            "amount_subtotal": amount,
            "amount_total": amount,
            "cancel_url": form.text("cancel_url"),
            "client_reference_id": form.text("client_reference_id"),
            "collected_information": null,
            "consent": null,
            "consent_collection": null,
            "created": created,
            "currency": currency,
            "currency_conversion": null,
            "customer_details": { "email": form.text("customer_email"), "address": null, "name": null,
                "phone": null, "tax_exempt": "none", "tax_ids": null },
            "customer_email": form.text("customer_email"),
            "expires_at": expires_at,
            "invoice_creation": null,
            "metadata": form.object("metadata"),
            "payment_intent": null,
            "payment_status": "unpaid",
            "shipping_address_collection": null,
            "shipping_cost": null,
            "status": "open",
            "success_url": success_url,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
            "url": format!("{}/c/pay/{id}", sim.base_url),
        }),
    );
    {
        let mut store = sim.store();
        let metadata = form.object("payment_intent_data.metadata");
        store.intent_metadata.insert(id, Value::Object(metadata));
        store.sessions.insert(session.clone());
    }
    sim.save();
    Ok(session)
}

/// ASCII only, as Stripe has it.
fn is_email(text: &str) -> bool {
    let Some((mailbox, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |it: char| it.is_ascii_graphic() && it != '@';
    !mailbox.is_empty()
        && domain.contains('.')
        && (mailbox.chars().chain(domain.chars())).all(plain)
}

/// Source: <https://docs.stripe.com/currencies>
fn check_amount(amount: i64, currency: &str) -> Result<(), ApiError> {
    let least = match currency {
        "gbp" => 30,
        "jpy" | "eur" | "usd" | "chf" => 50,
        _ => 1,
    };
    let step = match currency {
        "isk" | "ugx" => 100,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        _ => 1,
    };
    if currency.len() != 3 || !currency.bytes().all(|it| it.is_ascii_lowercase()) {
        let param = "line_items[0][price_data][currency]";
        return Err(ApiError::invalid(
            param,
            format!("Invalid currency: {currency}."),
        ));
    }
    if amount != 0 && amount < least {
        let message =
            "The Checkout Session's total amount due must add up to at least the minimum.";
        return Err(ApiError {
            param: None,
            ..ApiError::refused("amount_too_small", "", message)
        });
    }
    let most = match currency {
        "cop" => 9_999_999_999,
        "idr" => 999_999_999_999,
        "inr" => 999_999_999,
        _ => 99_999_999,
    };
    if amount > most {
        let message = "The Checkout Session's total amount must have fewer digits.";
        return Err(ApiError {
            param: None,
            ..ApiError::refused("amount_too_large", "", message)
        });
    }
    if amount.checked_rem(step) != Some(0) {
        let param = "line_items[0][price_data][unit_amount]";
        return Err(ApiError::invalid(
            param,
            "Invalid amount for this currency.",
        ));
    }
    Ok(())
}

/// What the line items come to, in one currency.
fn total(form: &Form) -> Result<(i64, String), ApiError> {
    let items = form.list("line_items");
    let mut total: i64 = 0;
    let mut currency: Option<&str> = None;
    for item in &items {
        let of_item = item
            .text("price_data.currency")
            .ok_or_else(|| ApiError::missing("line_items[0][price_data][currency]"))?;
        if *currency.get_or_insert(of_item) != of_item {
            return Err(ApiError::invalid(
                "line_items",
                "All prices must use one currency.",
            ));
        }
        item.text("price_data.product_data.name")
            .ok_or_else(|| ApiError::missing("line_items[0][price_data][product_data][name]"))?;
        let amount = item
            .integer("price_data.unit_amount")
            .filter(|amount| *amount >= 0)
            .and_then(|amount| amount.checked_mul(item.integer("quantity").unwrap_or(1)))
            .and_then(|amount| amount.checked_add(total))
            .ok_or_else(|| ApiError::invalid("line_items", "Invalid integer."))?;
        total = amount;
    }
    let currency = currency.ok_or_else(|| ApiError::missing("line_items"))?;
    Ok((total, currency.to_owned()))
}

pub(super) async fn retrieve_session(
    State(sim): State<Arc<Shared>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = payment::find(&sim, &id)?;
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let expand = query.texts("expand");
    Ok(Json(expanded(&sim.store(), &session, &expand)))
}

/// Puts the PaymentIntent, and its charge, in the place of their ids.
///
/// - `expand`: paths such as `payment_intent.latest_charge`.
///
/// Source: <https://docs.stripe.com/api/expanding_objects>
fn expanded(store: &Store, session: &Value, expand: &[String]) -> Value {
    let mut session = session.clone();
    let asked = |path: &str| expand.iter().any(|it| it.starts_with(path));
    let intent = store.payment_intents.get(text(&session, "payment_intent"));
    if let Some(intent) = intent.filter(|_| asked("payment_intent")) {
        let mut intent = intent.clone();
        let charge = store.charges.get(text(&intent, "latest_charge"));
        if let Some(charge) = charge.filter(|_| asked("payment_intent.latest_charge")) {
            intent["latest_charge"] = charge.clone();
        }
        session["payment_intent"] = intent;
    }
    session
}

pub(super) async fn expire_session(
    State(sim): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    sim.faults().interrupt(idempotency_key(&headers))?;
    payment::expire(&sim, &id).map(Json)
}

pub(super) async fn list_sessions(
    State(sim): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let (status, intent) = (query.text("status"), query.text("payment_intent"));
    let matches = |session: &&Value| {
        status.is_none_or(|wanted| text(session, "status") == wanted)
            && intent.is_none_or(|wanted| text(session, "payment_intent") == wanted)
    };
    let expand = query.texts("expand");
    let expand = expand.iter().filter_map(|path| path.strip_prefix("data."));
    let expand: Vec<String> = expand.map(str::to_owned).collect();
    let store = sim.store();
    let Json(mut list) = page(
        "/v1/checkout/sessions",
        &query,
        store.sessions.newest_first().filter(matches),
    )?;
    if let Some(sessions) = list["data"].as_array_mut() {
        for session in sessions {
            *session = expanded(&store, session, &expand);
        }
    }
    Ok(Json(list))
}
