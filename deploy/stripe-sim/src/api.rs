//! `/v1/…`: the part of Stripe's API that a shop with Checkout needs.
//!
//! Source: <https://docs.stripe.com/api/checkout/sessions>

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    Shared,
    error::ApiError,
    form::Form,
    lock,
    objects::{example, new_id, now},
    payment, refund,
    store::{Store, text},
};

type Answer = Result<Json<Value>, ApiError>;

pub fn router(shared: Arc<Shared>) -> Router<Arc<Shared>> {
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
        .route("/v1/events", get(list_events))
        .route("/v1/events/{id}", get(retrieve_event))
        .route("/v1/webhook_endpoints", get(list_webhook_endpoints))
        .layer(middleware::from_fn_with_state(shared, admit))
}

/// Counts the request, lets the faults have their way and checks the key.
async fn admit(
    State(sim): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    {
        let mut calls = lock(&sim.calls);
        *calls = calls.saturating_add(1);
    }
    sim.faults().disturb_api().await?;
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
    Ok(next.run(request).await)
}

async fn create_session(State(sim): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Answer {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok());
    let form = Form::parse(&body);
    let create = async {
        tokio::time::sleep(Duration::from_millis(sim.faults().create_latency_ms)).await;
        new_session(&sim, &form)
    };
    sim.keys.once(key, form.clone(), create).await.map(Json)
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
    let (amount, currency) = total(form)?;
    let created = now();
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

async fn retrieve_session(
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

async fn expire_session(State(sim): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    payment::expire(&sim, &id).map(Json)
}

async fn list_sessions(State(sim): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
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

/// The one address events are posted to, if there is one.
///
/// Source: <https://docs.stripe.com/api/webhook_endpoints/list>
async fn list_webhook_endpoints(State(sim): State<Arc<Shared>>) -> Json<Value> {
    let endpoint = sim.courier.url().map(|url| {
        json!({
            "id": "we_stripe_stand_in",
            "object": "webhook_endpoint",
            "enabled_events": ["*"],
            "livemode": false,
            "status": "enabled",
            "url": url,
        })
    });
    let endpoints: Vec<Value> = endpoint.into_iter().collect();
    Json(
        json!({ "object": "list", "url": "/v1/webhook_endpoints", "has_more": false, "data": endpoints }),
    )
}

async fn retrieve_payment_intent(State(sim): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let intent = sim.store().payment_intents.get(&id).cloned();
    intent
        .map(Json)
        .ok_or_else(|| ApiError::no_such("payment_intent", &id))
}

async fn list_payment_intents(State(sim): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    page(
        "/v1/payment_intents",
        &query,
        sim.store().payment_intents.newest_first(),
    )
}

async fn create_refund(State(sim): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Answer {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok());
    let form = Form::parse(&body);
    let create = async {
        let intent = form.text("payment_intent");
        let intent = intent.ok_or_else(|| ApiError::missing("payment_intent"))?;
        let metadata = Value::Object(form.object("metadata"));
        refund::create(&sim, intent, form.integer("amount"), &metadata)
    };
    sim.keys.once(key, form.clone(), create).await.map(Json)
}

async fn retrieve_refund(State(sim): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let refund = sim.store().refunds.get(&id).cloned();
    refund
        .map(Json)
        .ok_or_else(|| ApiError::no_such("refund", &id))
}

async fn list_refunds(State(sim): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
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

async fn retrieve_event(State(sim): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let store = sim.store();
    let event = store
        .events
        .iter()
        .find(|event| text(&event.object, "id") == id);
    event
        .map(|event| Json(event.object.clone()))
        .ok_or_else(|| ApiError::no_such("event", &id))
}

async fn list_events(State(sim): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
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

/// One page of a list, newest first.
///
/// Source: <https://docs.stripe.com/api/pagination>
fn page<'a>(url: &str, query: &Form, objects: impl Iterator<Item = &'a Value>) -> Answer {
    let limit = query.integer("limit").unwrap_or(10);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit))
        .ok_or_else(|| ApiError::invalid("limit", "This value must be between 1 and 100."))?;
    let since = query.integer("created.gte").unwrap_or(i64::MIN);
    let mut objects = objects
        .filter(|object| object["created"].as_i64().unwrap_or_default() >= since)
        .peekable();
    if let Some(after) = query.text("starting_after") {
        objects.by_ref().find(|object| text(object, "id") == after);
    }
    let data: Vec<&Value> = objects.by_ref().take(limit).collect();
    let has_more = objects.peek().is_some();
    Ok(Json(
        json!({ "object": "list", "url": url, "has_more": has_more, "data": data }),
    ))
}
