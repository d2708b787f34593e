//! `/sim/…`: tests and developers make the stand-in misbehave and read its books.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    account::Account,
    dispute::{self, Verdict},
    error::ApiError,
    faults::Faults,
    payment, refund,
    store::LedgerEntry,
};

pub fn router() -> Router<Arc<Account>> {
    Router::new()
        .route("/sim/faults", get(show).put(replace))
        .route("/sim/ledger", get(ledger))
        .route("/sim/sessions/{id}/settle/{outcome}", post(settle))
        .route("/sim/sessions/{id}/refund", post(refund_session))
        .route("/sim/sessions/{id}/dispute", post(dispute_session))
        .route("/sim/disputes/{id}/close/{verdict}", post(close_dispute))
}

async fn show(State(sim): State<Arc<Account>>) -> Json<Faults> {
    Json(sim.faults())
}

async fn replace(State(sim): State<Arc<Account>>, Json(faults): Json<Faults>) -> Json<Faults> {
    sim.set_faults(faults.clone());
    Json(faults)
}

async fn ledger(State(sim): State<Arc<Account>>) -> Json<Vec<LedgerEntry>> {
    Json(sim.store().ledger())
}

async fn settle(
    State(sim): State<Arc<Account>>,
    Path((id, outcome)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let succeeded = match outcome.as_str() {
        "succeed" => true,
        "fail" => false,
        _ => return Err(ApiError::invalid("outcome", "Expected succeed or fail.")),
    };
    payment::settle(&sim, &id, succeeded).await?;
    Ok(Json(json!({ "settled": true })))
}

/// Request to dispute a payment; all of it by default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DisputeWanted {
    /// Amount in minor units.
    amount: Option<i64>,
    /// Whether the bank only asks.
    inquiry: bool,
}

#[derive(Deserialize)]
struct RefundAmount {
    /// Amount in minor units; all that is left if missing.
    amount: Option<i64>,
}

async fn refund_session(
    State(sim): State<Arc<Account>>,
    Path(id): Path<String>,
    Json(wanted): Json<RefundAmount>,
) -> Result<Json<Value>, ApiError> {
    let intent = payment::intent_of(&sim, &id)?;
    refund::create(&sim, &intent, wanted.amount, &json!({})).map(Json)
}

async fn dispute_session(
    State(sim): State<Arc<Account>>,
    Path(id): Path<String>,
    wanted: Option<Json<DisputeWanted>>,
) -> Result<Json<Value>, ApiError> {
    let Json(wanted) = wanted.unwrap_or_default();
    let intent = payment::intent_of(&sim, &id)?;
    dispute::open(&sim, &intent, wanted.inquiry, wanted.amount).map(Json)
}

async fn close_dispute(
    State(sim): State<Arc<Account>>,
    Path((id, verdict)): Path<(String, Verdict)>,
) -> Result<Json<Value>, ApiError> {
    dispute::close(&sim, &id, verdict)?;
    Ok(Json(json!({ "closed": true })))
}
