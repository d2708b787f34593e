//! `/v1/…`: the part of Stripe's API that a shop with Checkout needs.
//!
//! Source: <https://docs.stripe.com/api>

mod checkout_sessions;
mod promotions;
mod request;
mod webhook_endpoints;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, Method, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use serde_json::Value;

use self::{
    checkout_sessions::{create_session, expire_session, list_sessions, retrieve_session},
    promotions::{create_coupon, create_customer, create_promotion_code},
    request::{Answer, idempotency_key, page},
    webhook_endpoints::{create_webhook_endpoint, list_webhook_endpoints},
};
use crate::{account::Account, error::ApiError, form::Form, refund, store::text};

pub fn router(account: Arc<Account>) -> Router<Arc<Account>> {
    Router::new()
        .route(
            "/v1/checkout/sessions",
            get(list_sessions).post(create_session),
        )
        .route("/v1/checkout/sessions/{id}", get(retrieve_session))
        .route("/v1/checkout/sessions/{id}/expire", post(expire_session))
        .route("/v1/payment_intents", get(list_payment_intents))
        .route("/v1/payment_intents/{id}", get(retrieve_payment_intent))
        .route("/v1/refunds", get(list_refunds).post(create_refund))
        .route("/v1/refunds/{id}", get(retrieve_refund))
        .route("/v1/charges", get(list_charges))
        .route("/v1/charges/{id}", get(retrieve_charge))
        .route("/v1/disputes", get(list_disputes))
        .route("/v1/disputes/{id}", get(retrieve_dispute))
        .route("/v1/events", get(list_events))
        .route("/v1/events/{id}", get(retrieve_event))
        .route(
            "/v1/webhook_endpoints",
            get(list_webhook_endpoints).post(create_webhook_endpoint),
        )
        .route("/v1/coupons", post(create_coupon))
        .route("/v1/promotion_codes", post(create_promotion_code))
        .route("/v1/customers", post(create_customer))
        .layer(middleware::from_fn_with_state(account, admit))
}

/// Counts the request, applies the faults and checks the key.
async fn admit(
    State(sim): State<Arc<Account>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    sim.count_call();
    let has_key = idempotency_key(request.headers()).is_some();
    sim.faults().disturb_api(has_key).await?;
    let authorization = request.headers().get(header::AUTHORIZATION);
    let key = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| ApiError::unauthorized("You did not provide an API key."))?;
    if key.starts_with("sk_live_") || key.starts_with("rk_live_") {
        return Err(ApiError::unauthorized("The stand-in refuses live keys."));
    }
    if !key.starts_with("sk_test_") && !key.starts_with("rk_test_") {
        return Err(ApiError::unauthorized("Invalid API Key provided."));
    }
    let needed = permission(request.method(), request.uri().path());
    if let Some(needed) = needed.filter(|it| sim.faults().denied.contains(it)) {
        return Err(ApiError::forbidden(&needed));
    }
    Ok(next.run(request).await)
}

/// Permission that a restricted key needs for a request: `rak_{resource}_{access}` at Stripe.
fn permission(method: &Method, path: &str) -> Option<String> {
    let path = path.strip_prefix("/v1/")?;
    let resource = match path {
        it if it.starts_with("checkout/sessions") => "checkout_session",
        it => it.split('/').next()?.strip_suffix('s')?,
    };
    let access = if method == Method::GET {
        "read"
    } else {
        "write"
    };
    Some(format!("rak_{resource}_{access}"))
}

async fn retrieve_payment_intent(
    State(sim): State<Arc<Account>>,
    Path(id): Path<String>,
) -> Answer {
    let intent = sim.store().payment_intents.get(&id).cloned();
    intent
        .map(Json)
        .ok_or_else(|| ApiError::no_such("payment_intent", &id))
}

async fn list_payment_intents(
    State(sim): State<Arc<Account>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    page(
        "/v1/payment_intents",
        &query,
        sim.store().payment_intents.newest_first(),
    )
}

async fn create_refund(State(sim): State<Arc<Account>>, headers: HeaderMap, body: Bytes) -> Answer {
    let key = idempotency_key(&headers);
    let form = Form::parse(&body);
    let create = {
        let (sim, form, key) = (sim.clone(), form.clone(), key.map(str::to_owned));
        async move {
            sim.faults().interrupt(key.as_deref())?;
            let intent = form.text("payment_intent");
            let intent = intent.ok_or_else(|| ApiError::missing("payment_intent"))?;
            let metadata = Value::Object(form.object("metadata"));
            refund::create(&sim, intent, form.integer("amount"), &metadata)
        }
    };
    sim.keys.once(key, form, create).await.map(Json)
}

async fn retrieve_refund(State(sim): State<Arc<Account>>, Path(id): Path<String>) -> Answer {
    let refund = sim.store().refunds.get(&id).cloned();
    refund
        .map(Json)
        .ok_or_else(|| ApiError::no_such("refund", &id))
}

async fn retrieve_charge(State(sim): State<Arc<Account>>, Path(id): Path<String>) -> Answer {
    let charge = sim.store().charges.get(&id).cloned();
    charge
        .map(Json)
        .ok_or_else(|| ApiError::no_such("charge", &id))
}

async fn list_charges(State(sim): State<Arc<Account>>, RawQuery(query): RawQuery) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    page("/v1/charges", &query, sim.store().charges.newest_first())
}

async fn retrieve_dispute(State(sim): State<Arc<Account>>, Path(id): Path<String>) -> Answer {
    let dispute = sim.store().disputes.get(&id).cloned();
    dispute
        .map(Json)
        .ok_or_else(|| ApiError::no_such("dispute", &id))
}

async fn list_disputes(State(sim): State<Arc<Account>>, RawQuery(query): RawQuery) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let intent = query.text("payment_intent");
    let matches =
        |dispute: &&Value| intent.is_none_or(|wanted| text(dispute, "payment_intent") == wanted);
    page(
        "/v1/disputes",
        &query,
        sim.store().disputes.newest_first().filter(matches),
    )
}

async fn list_refunds(State(sim): State<Arc<Account>>, RawQuery(query): RawQuery) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let (intent, charge) = (query.text("payment_intent"), query.text("charge"));
    let matches = |refund: &&Value| {
        intent.is_none_or(|wanted| text(refund, "payment_intent") == wanted)
            && charge.is_none_or(|wanted| text(refund, "charge") == wanted)
    };
    page(
        "/v1/refunds",
        &query,
        sim.store().refunds.newest_first().filter(matches),
    )
}

async fn retrieve_event(State(sim): State<Arc<Account>>, Path(id): Path<String>) -> Answer {
    let store = sim.store();
    let event = store
        .events
        .iter()
        .find(|event| text(&event.object, "id") == id);
    event
        .map(|event| Json(event.object.clone()))
        .ok_or_else(|| ApiError::no_such("event", &id))
}

async fn list_events(State(sim): State<Arc<Account>>, RawQuery(query): RawQuery) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let types = query.texts("types");
    let delivered = query
        .text("delivery_success")
        .map(|wanted| wanted == "true");
    let store = sim.store();
    let matching = store
        .events
        .iter()
        .rev()
        .filter(|event| {
            types.is_empty() || types.iter().any(|it| it == text(&event.object, "type"))
        })
        .filter(|event| delivered.is_none_or(|wanted| event.delivered == wanted))
        .map(|event| &event.object);
    page("/v1/events", &query, matching)
}
