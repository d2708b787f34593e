//! A new Checkout Session: what Stripe refuses, and what the session says.
//!
//! Source: <https://docs.stripe.com/api/checkout/sessions/create>

use serde_json::{Value, json};

use crate::{
    account::Account,
    discount,
    error::ApiError,
    form::Form,
    objects::{example, merge, new_id, now},
    session_options,
    store::{Store, text},
    totals::{self, Priced},
};

/// Creates it as the parameters in `form` say.
pub fn new_session(sim: &Account, form: &Form) -> Result<Value, ApiError> {
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
    check_site_data(form)?;
    session_options::check(&sim.store(), form)?;
    let (items, currency) = priced(form)?;
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
    let mut session = example(
        "checkout.session",
        json!({
            "id": id,
            "after_expiration": null,
            "cancel_url": form.text("cancel_url"),
            "client_reference_id": form.text("client_reference_id"),
            "collected_information": null,
            "consent": null,
            "consent_collection": null,
            "created": created,
            "currency": currency,
            "currency_conversion": null,
            "expires_at": expires_at,
            "metadata": form.object("metadata"),
            "payment_intent": null,
            "payment_status": "unpaid",
            "shipping_address_collection": null,
            "shipping_cost": null,
            "status": "open",
            "success_url": success_url,
            "url": format!("{}/c/pay/{id}", sim.page_url),
        }),
    );
    {
        let mut store = sim.store();
        merge(&mut session, session_options::fields(&store, form)?);
        add_up(&store, &mut session, &items, None)?;
        let metadata = form.object("payment_intent_data.metadata");
        store
            .intent_metadata
            .insert(id.clone(), Value::Object(metadata));
        store.line_items.insert(id, items);
        store.sessions.insert(session.clone());
    }
    sim.save();
    Ok(session)
}

/// Writes the amounts of `session`, and checks whether Stripe charges so much and so little.
pub fn add_up(
    store: &Store,
    session: &mut Value,
    items: &[Priced],
    tax_percent: Option<u32>,
) -> Result<(), ApiError> {
    let costs = items.iter().map(|(amount, _)| *amount);
    let discount = discount::amount_off(store, session, costs.fold(0, i64::saturating_add));
    totals::add_up(session, items, discount, tax_percent)?;
    let total = session["amount_total"].as_i64().unwrap_or_default();
    check_amount(total, text(session, "currency"))
}

/// Source: <https://docs.stripe.com/api/metadata>,
/// <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-client_reference_id>
fn check_site_data(form: &Form) -> Result<(), ApiError> {
    let reference = form.text("client_reference_id").unwrap_or_default();
    if reference.chars().count() > 200 {
        let message = "Invalid string: must be at most 200 characters";
        return Err(ApiError::invalid("client_reference_id", message));
    }
    for param in ["metadata", "payment_intent_data.metadata"] {
        let metadata = form.object(param);
        if metadata.len() > 50 {
            let message = "Metadata can have at most 50 keys.";
            return Err(ApiError::invalid(param, message));
        }
        for (key, value) in &metadata {
            let value = value.as_str();
            let fits = value.is_some_and(|it| it.chars().count() <= 500);
            if !fits || key.chars().count() > 40 {
                let message = "Metadata keys can have up to 40 characters, values up to 500.";
                return Err(ApiError::invalid(param, message));
            }
        }
    }
    Ok(())
}

/// Accepts ASCII only, as Stripe does.
fn is_email(text: &str) -> bool {
    let Some((mailbox, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |it: char| it.is_ascii_graphic() && it != '@';
    !mailbox.is_empty()
        && domain.contains('.')
        && (mailbox.chars().chain(domain.chars())).all(plain)
}

/// Checks `amount` against the minimum and the maximum of `currency`.
///
/// Source: <https://docs.stripe.com/currencies>
fn check_amount(amount: i64, currency: &str) -> Result<(), ApiError> {
    let least = match currency {
        "gbp" => 30,
        "jpy" | "eur" | "usd" | "chf" => 50,
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
    Ok(())
}

/// The line items, in one currency.
fn priced(form: &Form) -> Result<(Vec<Priced>, String), ApiError> {
    let items = form.list("line_items");
    let mut priced = Vec::with_capacity(items.len());
    let step = |currency| match currency {
        "isk" | "ugx" => 100,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        _ => 1,
    };
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
            .ok_or_else(|| ApiError::invalid("line_items", "Invalid integer."))?;
        if amount.checked_rem(step(of_item)) != Some(0) {
            let param = "line_items[0][price_data][unit_amount]";
            return Err(ApiError::invalid(
                param,
                "Invalid amount for this currency.",
            ));
        }
        let inclusive = item.text("price_data.tax_behavior") == Some("inclusive");
        priced.push((amount, inclusive));
    }
    let currency = currency.ok_or_else(|| ApiError::missing("line_items"))?;
    Ok((priced, currency.to_owned()))
}
