//! A shop whose services are processes.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::Value;
use shared::db::booking;
use stripe_sim::{Outcome, StripeSim};
use testkit::{Variables, free_port, order, start_stripe};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{books, service::Service, shop::PATIENCE, stack::Stack};

pub struct Deployment {
    pub stack: Stack,
    pub stripe: StripeSim,
    pub url: String,
    pub variables: Variables,
    pub http: reqwest::Client,
}

impl Deployment {
    pub async fn new(stack: Stack) -> Self {
        let stripe = start_stripe(CancellationToken::new()).await.unwrap();
        let port = free_port().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        stripe.set_webhook_url(Some(format!("{url}/api/payment/webhook")));
        let mut variables = testkit::variables(&stripe, ([127, 0, 0, 1], port).into());
        variables.extend(stack.variables.clone());
        Self {
            stack,
            stripe,
            url,
            variables,
            http: reqwest::Client::new(),
        }
    }

    /// Ingress, or a worker.
    pub fn start(&self, name: &str) -> Service {
        Service::start(name, &self.variables)
    }

    /// Ingress, once it is ready.
    pub async fn start_ingress(&self) -> Service {
        let ingress = self.start("ingress");
        ingress.wait_until_ready().await;
        ingress
    }

    pub async fn buy(&self, slot: Uuid, count: usize) {
        for _ in 0..count {
            let request = self
                .http
                .post(format!("{}/api/create-checkout-session", self.url));
            let response = request.json(&order(slot, 1)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::CREATED);
            let session: Value = response.json().await.unwrap();
            let id = session["session_id"].as_str().unwrap();
            self.stripe.pay(id, Outcome::Succeed).await.unwrap();
        }
    }

    pub async fn wait_for_bookings(&self, expected: u64) {
        let count = async || booking::Entity::find().count(&self.stack.db).await.unwrap();
        // A killed worker of the embedded queue holds its messages until their lease ends.
        let start = Instant::now();
        while count().await < expected {
            assert!(start.elapsed() < 2 * PATIENCE, "{} booked", count().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Checks the books, after the last process has ended.
    pub async fn close(self) {
        books::assert_balance(&self.stack.db, &self.stripe.ledger()).await;
    }
}
