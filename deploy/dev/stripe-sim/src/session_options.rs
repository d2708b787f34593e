//! Parameters of a new session besides what it sells: what Stripe refuses, and what the session
//! says of them.

use serde_json::{Value, json};

use crate::{discount, error::ApiError, form::Form, store::Store};

/// Every parameter that the stand-in knows. It refuses the others, as Stripe refuses what it does
/// not know.
const KNOWN: [&str; 25] = [
    "allow_promotion_codes",
    "allowed_payment_method_types",
    "automatic_tax",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_creation",
    "customer_email",
    "customer_update",
    "discounts",
    "excluded_payment_method_types",
    "expand",
    "expires_at",
    "invoice_creation",
    "line_items",
    "locale",
    "metadata",
    "mode",
    "payment_intent_data",
    "phone_number_collection",
    "success_url",
    "submit_type",
    "tax_id_collection",
    "ui_mode",
];
/// Some of those that Stripe knows.
const PAYMENT_METHOD_TYPES: [&str; 14] = [
    "alipay",
    "bancontact",
    "card",
    "customer_balance",
    "eps",
    "ideal",
    "klarna",
    "link",
    "p24",
    "paypal",
    "sepa_debit",
    "twint",
    "us_bank_account",
    "wechat_pay",
];
/// Some of those that Stripe knows.
const LOCALES: [&str; 16] = [
    "auto", "da", "de", "en", "en-GB", "es", "es-419", "fi", "fr", "fr-CA", "it", "ja", "nl", "pl",
    "pt-BR", "zh-HK",
];

/// Refuses what Stripe refuses.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/create>
pub fn check(store: &Store, form: &Form) -> Result<(), ApiError> {
    if form.text("payment_method_types.0").is_some() {
        return Err(ApiError::refused(
            "payment_method_types_no_longer_supported",
            "payment_method_types",
            "`payment_method_types` is gone: use `allowed_payment_method_types`.",
        ));
    }
    if let Some(unknown) = form.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        let message = format!("Received unknown parameter: {unknown}");
        return Err(ApiError::refused("parameter_unknown", unknown, message));
    }
    if let Some(customer) = form.text("customer") {
        if form.text("customer_email").is_some() {
            let message = "You may only specify one of these parameters: customer, customer_email.";
            return Err(ApiError::invalid("customer", message));
        }
        if store.customers.get(customer).is_none() {
            return Err(ApiError::unknown("customer", "customer", customer));
        }
        if is_on(form, "tax_id_collection") && form.text("customer_update.name") != Some("auto") {
            let message = "Tax ID collection requires updating business name on the customer. To enable \
                 tax ID collection for an existing customer, please set `customer_update[name]` to `auto`.";
            return Err(ApiError::invalid("customer_update[name]", message));
        }
        if is_on(form, "automatic_tax") && form.text("customer_update.address") != Some("auto") {
            let message = "Automatic tax calculation in Checkout requires a valid address on the Customer. \
                 Add a valid address to the Customer or set `customer_update[address]` to 'auto'.";
            return Err(ApiError::refused(
                "customer_tax_location_invalid",
                "customer_update[address]",
                message,
            ));
        }
    } else if !form.object("customer_update").is_empty() {
        let message = "`customer_update` can only be used with `customer`.";
        return Err(ApiError::invalid("customer_update", message));
    }
    let types = [
        "allowed_payment_method_types",
        "excluded_payment_method_types",
    ];
    for param in types {
        let types = form.texts(param);
        if types
            .iter()
            .any(|it| !PAYMENT_METHOD_TYPES.contains(&it.as_str()))
        {
            return Err(ApiError::invalid(param, "Invalid payment method type."));
        }
    }
    let locale = form.text("locale");
    if locale.is_some_and(|locale| !LOCALES.contains(&locale)) {
        return Err(ApiError::invalid("locale", "Invalid locale."));
    }
    let untold = |item: &Form| item.text("price_data.tax_behavior").is_none();
    if is_on(form, "automatic_tax") && form.list("line_items").iter().any(untold) {
        let message = "You must specify a tax behavior on each price.";
        return Err(ApiError::invalid(
            "line_items[0][price_data][tax_behavior]",
            message,
        ));
    }
    Ok(())
}

/// What the session says of them.
pub fn fields(store: &Store, form: &Form) -> Result<Value, ApiError> {
    let switch = |param| json!({ "enabled": is_on(form, param) });
    let email = match form.text("customer").and_then(|id| store.customers.get(id)) {
        Some(customer) => customer["email"].clone(),
        None => json!(form.text("customer_email")),
    };
    let allowed = form.texts("allowed_payment_method_types");
    let methods = if allowed.is_empty() {
        vec!["card".to_owned()]
    } else {
        allowed
    };
    let taxed = is_on(form, "automatic_tax");
    Ok(json!({
        "allow_promotion_codes": form.text("allow_promotion_codes").map(|it| it == "true"),
        "automatic_tax": { "enabled": taxed, "liability": null, "provider": taxed.then_some("stripe"),
            "status": taxed.then_some("requires_location_inputs") },
        "billing_address_collection": form.text("billing_address_collection"),
        "customer": form.text("customer"),
        "customer_details": { "email": email, "address": null, "name": null,
            "phone": null, "tax_exempt": "none", "tax_ids": null },
        "customer_email": form.text("customer_email"),
        "discounts": discount::of_form(store, form)?,
        "excluded_payment_method_types": form.texts("excluded_payment_method_types"),
        "invoice_creation": switch("invoice_creation"),
        "locale": form.text("locale"),
        "payment_method_types": methods,
        "phone_number_collection": switch("phone_number_collection"),
        "tax_id_collection": switch("tax_id_collection"),
    }))
}

fn is_on(form: &Form, param: &str) -> bool {
    form.text(&format!("{param}.enabled")) == Some("true")
}
