//! A site that sells gift cards at its own price.
//!
//! - `BOOKONCE_URL`: where Bookonce is, such as `http://127.0.0.1:8080`.
//! - `BOOKONCE_API_KEY`: one of its `SITE_API_KEYS`.
//! - `SITE_ADDR`: where this listens, such as `127.0.0.1:3000`; `http://` and that is one of its `RETURN_ORIGINS`.

mod confirm;

use std::{env, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{Html, Redirect},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::confirm::{Status, confirm};

/// A buyer looks at a page that loads for this long; after that it has to be loaded again.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Site {
    http: reqwest::Client,
    api: String,
    key: String,
    url: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a site has no settings of ours to be read with"
)]
fn variable(name: &'static str) -> anyhow::Result<String> {
    env::var(name).context(name)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = variable("SITE_ADDR")?;
    let site = Site {
        http: reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()?,
        api: variable("BOOKONCE_URL")?,
        key: variable("BOOKONCE_API_KEY")?,
        url: format!("http://{address}"),
    };
    let router = Router::new()
        .route(
            "/",
            get(|| async {
                Html("<form method=post action=/buy><button>Buy a gift card</button></form>")
            }),
        )
        .route("/buy", post(buy))
        .route("/done", get(done))
        .with_state(site);
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, router).await?)
}

/// Opens a checkout and sends the buyer there.
async fn buy(State(site): State<Site>) -> Result<Redirect, StatusCode> {
    // The id of a row of the site's, which a page that can be sent twice would bring along.
    let order = Uuid::now_v7().to_string();
    let request = site
        .http
        .post(format!("{}/api/checkout-sessions", site.api))
        .bearer_auth(&site.key)
        .header("idempotency-key", &order)
        .json(&json!({
            "currency": "eur",
            "line_items": [{ "name": "Gift card", "unit_amount": 2500 }],
            "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
            "client_reference": order,
            "once_per_reference": true,
            "success_url": format!("{}/done?session_id={{CHECKOUT_SESSION_ID}}", site.url),
            "cancel_url": format!("{}/", site.url),
        }));
    let answer = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let checkout: Value = answer.json().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let page = checkout["checkout_url"].as_str();
    page.map(Redirect::to).ok_or(StatusCode::BAD_GATEWAY)
}

#[derive(Deserialize)]
struct Back {
    session_id: String,
}

/// Says where the payment stands.
async fn done(State(site): State<Site>, Query(back): Query<Back>) -> Result<String, StatusCode> {
    let asked = confirm(&site.http, &site.api, &back.session_id, PATIENCE).await;
    let confirmation = asked.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let confirmation = confirmation.ok_or(StatusCode::NOT_FOUND)?;
    let reference = confirmation.booking.map(|it| it.reference);
    let reference = reference.unwrap_or_default();
    Ok(match confirmation.status {
        Status::Confirmed => format!("Your gift card is {reference}."),
        Status::AwaitingPayment => "Not paid yet.".to_owned(),
        Status::PaymentFailed | Status::Expired => "Nothing was paid.".to_owned(),
        Status::RefundPending | Status::Refunded => "Your payment goes back.".to_owned(),
        Status::Cancelled => "This booking is cancelled.".to_owned(),
        Status::NeedsAttention => "We have your payment and will write to you.".to_owned(),
        Status::Processing | Status::PaymentPending | Status::Unknown => {
            "Your payment is on its way. Load this page again.".to_owned()
        }
    })
}
