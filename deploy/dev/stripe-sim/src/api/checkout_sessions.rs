//! `/v1/checkout/sessions`: create, retrieve, list and expire.
//!
//! Source: <https://docs.stripe.com/api/checkout/sessions>

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
};
use serde_json::Value;

use super::request::{Answer, idempotency_key, page};
use crate::{
    account::Account,
    checkout_session::new_session,
    form::Form,
    payment,
    store::{Store, text},
};

pub(super) async fn create_session(
    State(sim): State<Arc<Account>>,
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

pub(super) async fn retrieve_session(
    State(sim): State<Arc<Account>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = payment::find(&sim, &id)?;
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let expand = query.texts("expand");
    Ok(Json(expanded(&sim.store(), &session, &expand)))
}

/// Replaces the ids of the PaymentIntent and of its charge with the objects.
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
    State(sim): State<Arc<Account>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    sim.faults().interrupt(idempotency_key(&headers))?;
    payment::expire(&sim, &id).map(Json)
}

pub(super) async fn list_sessions(
    State(sim): State<Arc<Account>>,
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
