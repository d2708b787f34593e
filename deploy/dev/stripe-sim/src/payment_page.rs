//! `/c/pay/{id}`: the page a buyer pays on; tests post its form.

use std::{fmt::Write, sync::Arc};

use axum::{
    Form, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use serde_json::Value;

use crate::{
    account::Account,
    entry::Entry,
    error::ApiError,
    payment::{self, Next},
    store::text,
};

pub fn router() -> Router<Arc<Account>> {
    Router::new().route("/c/pay/{id}", get(show).post(act))
}

async fn show(State(sim): State<Arc<Account>>, Path(id): Path<String>) -> Response {
    match payment::find(&sim, &id) {
        Ok(session) => Html(page(&session, None)).into_response(),
        Err(error) => not_found(&error),
    }
}

async fn act(
    State(sim): State<Arc<Account>>,
    Path(id): Path<String>,
    Form(entry): Form<Entry>,
) -> Response {
    match payment::act(&sim, &id, &entry).await {
        Ok(Next::Redirect(url)) => Redirect::to(&url).into_response(),
        Ok(Next::Stay(why)) => match payment::find(&sim, &id) {
            Ok(session) => (
                StatusCode::PAYMENT_REQUIRED,
                Html(page(&session, Some(why))),
            )
                .into_response(),
            Err(error) => not_found(&error),
        },
        Err(error) => not_found(&error),
    }
}

fn not_found(error: &ApiError) -> Response {
    let text = "There is no such checkout. The stand-in forgets them when it restarts \
                without a snapshot.";
    (
        error.status,
        Html(layout(&format!("<h1>Not found</h1><p>{text}</p>"))),
    )
        .into_response()
}

fn page(session: &Value, notice: Option<&str>) -> String {
    let mut body = String::from("<p class=\"badge\">Stripe stand-in: no money moves</p>");
    let currency = text(session, "currency");
    let amount = format_amount(
        session["amount_total"].as_i64().unwrap_or_default(),
        currency,
    );
    let email = escape(text(session, "customer_email"));
    // Writing to a String cannot fail.
    write!(body, "<h1>Pay {amount}</h1><p>{email}</p>").ok();
    if let Some(notice) = notice {
        write!(
            body,
            "<p role=\"alert\" class=\"notice\">{}</p>",
            escape(notice)
        )
        .ok();
    }
    match text(session, "status") {
        "open" => body.push_str(&form(session)),
        "complete" => body.push_str("<p>This checkout is complete.</p>"),
        _ => body.push_str("<p>This checkout has expired.</p>"),
    }
    layout(&body)
}

fn form(session: &Value) -> String {
    let code = if session["allow_promotion_codes"] == true {
        "<label>Promotion code <input name=\"promotion_code\" maxlength=\"100\"></label>"
    } else {
        ""
    };
    let tax = if session["automatic_tax"]["enabled"] == true {
        "<p>Stripe Tax computes the taxes when you pay.</p>"
    } else {
        ""
    };
    format!(
        "{tax}<form method=\"post\">{code}\
         <button name=\"outcome\" value=\"succeed\" class=\"main\">Pay</button>\
         <button name=\"outcome\" value=\"decline\">Pay with a card that is declined</button>\
         <button name=\"outcome\" value=\"delay\">Pay by bank debit (arrives later)</button>\
         <button name=\"outcome\" value=\"cancel\">Back to the shop</button></form>"
    )
}

fn layout(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>Payment</title><style>\
         :root{{color-scheme:light dark}}\
         body{{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:3rem auto;padding:0 1rem}}\
         form{{display:grid;gap:.75rem}}label{{display:grid;gap:.25rem}}\
         button,input{{font:inherit;padding:.75rem;border-radius:.5rem;border:1px solid #8888}}button{{cursor:pointer}}\
         .main{{background:#4b45c6;color:#fff}}\
         .badge{{font-size:.85rem;opacity:.8}}.notice{{color:#c22;font-weight:600}}\
         </style></head><body><main>{body}</main></body></html>"
    )
}

/// Formats an amount; Stripe's zero-decimal currencies have no minor unit.
fn format_amount(minor_units: i64, currency: &str) -> String {
    const ZERO_DECIMAL: &[&str] = &[
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
        "xaf", "xof", "xpf",
    ];
    let code = escape(&currency.to_uppercase());
    if ZERO_DECIMAL.contains(&currency) {
        return format!("{minor_units} {code}");
    }
    let (units, rest) = (minor_units.div_euclid(100), minor_units.rem_euclid(100));
    format!("{units}.{rest:02} {code}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_the_currencys_own_units() {
        assert_eq!(format_amount(4900, "eur"), "49.00 EUR");
        assert_eq!(format_amount(5, "usd"), "0.05 USD");
        assert_eq!(format_amount(6500, "jpy"), "6500 JPY");
    }

    #[test]
    fn what_a_buyer_typed_is_escaped() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
