//! What a buyer does in the shop, and what is booked then.

use std::time::Instant;

use reqwest::{Response, StatusCode};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::db::{booking, payment, slot};
use stripe_sim::Outcome;
use testkit::order;
use uuid::Uuid;

use super::{PATIENCE, Shop, eventually};
use crate::idempotency_key::send;

/// A session a buyer has open.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
}

impl Shop {
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.http
            .post(format!("{}{path}", self.url))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// Seats held and a session open, or what the shop answered instead.
    pub async fn try_create(&self, slot: Uuid, quantity: i64) -> (StatusCode, Value) {
        let response = self
            .post("/api/create-checkout-session", &order(slot, quantity))
            .await;
        (response.status(), response.json().await.unwrap())
    }

    /// As a buyer's page does it: what is answered 503 is tried again, with the key of this click, for
    /// the seats may be held already.
    pub async fn click(&self, slot: Uuid) -> (StatusCode, Value) {
        let (start, key) = (Instant::now(), Uuid::now_v7().to_string());
        loop {
            let answer = send(self, &key, &order(slot, 1)).await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE || start.elapsed() > PATIENCE {
                return answer;
            }
        }
    }

    /// A click that has to succeed.
    pub async fn create(&self, slot: Uuid) -> Session {
        let (status, body) = self.click(slot).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        Session {
            id: body["session_id"].as_str().unwrap().to_owned(),
        }
    }

    /// What a buyer does on Stripe's page.
    pub async fn pay(&self, session: &Session, outcome: Outcome) {
        self.stripe.pay(&session.id, outcome).await.unwrap();
    }

    /// What the buyer's page asks.
    pub async fn confirm(&self, session_id: &str, wait_seconds: u64) -> (StatusCode, Value) {
        let response = self
            .http
            .post(format!("{}/api/payment/confirm", self.url))
            .header("prefer", format!("wait={wait_seconds}"))
            .json(&json!({ "session_id": session_id }))
            .send()
            .await
            .unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// What confirm says in the end, however many requests have to wait for it.
    pub async fn told(&self, session_id: &str) -> (StatusCode, Value) {
        let start = Instant::now();
        loop {
            let answer = self.confirm(session_id, 10).await;
            if answer.0 != StatusCode::ACCEPTED {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "still {}", answer.1);
        }
    }

    pub async fn bookings(&self) -> u64 {
        booking::Entity::find().count(&self.stack.db).await.unwrap()
    }

    pub async fn payments(&self) -> u64 {
        payment::Entity::find().count(&self.stack.db).await.unwrap()
    }

    pub async fn seats_taken(&self, slot: Uuid) -> i32 {
        let slot = slot::Entity::find_by_id(slot)
            .one(&self.stack.db)
            .await
            .unwrap();
        slot.unwrap().seats_taken
    }

    /// Waits until so many are booked; more is a failure, now or at the end.
    pub async fn wait_for_bookings(&self, expected: u64) {
        eventually("all are booked", async || self.bookings().await >= expected).await;
        assert_eq!(self.bookings().await, expected);
    }
}
