//! The HTTP service. It verifies, publishes and reads.
//!
//! It writes one thing: the hold (`checkout` and the seats of its slot). It never creates a
//! booking or a payment and never asks Stripe whether a session is paid; both are the worker's.

pub mod config;
mod confirm;
mod confirm_payment;
mod create_checkout_session;
mod hold_seats;
mod http;
mod offerings;
mod order;
mod order_limit;
mod refusal;
mod replace_session;
mod stripe_event;
mod stripe_webhook;

use std::sync::Arc;

use axum::Router;
use sea_orm::DatabaseConnection;
use shared::{
    clock::Clock, db, queue::Publisher, service::admin::Readiness, stripe::client::StripeClient,
};

use crate::{
    config::Config,
    confirm::{reads::ConfirmReads, waiters::ConfirmWaiters},
    order_limit::OrderLimit,
};

/// The service, connected to what it needs. Cheap to clone.
#[derive(Clone)]
pub struct Ingress {
    db: DatabaseConnection,
    publisher: Publisher,
    stripe: StripeClient,
    reads: ConfirmReads,
    waiters: ConfirmWaiters,
    order_limit: Arc<OrderLimit>,
    config: Arc<Config>,
    clock: Clock,
}

impl Ingress {
    /// Must be called inside a tokio runtime: tasks of its own serve confirms that ask or wait
    /// together.
    #[must_use]
    pub fn new(
        config: Config,
        db: DatabaseConnection,
        publisher: Publisher,
        stripe: StripeClient,
        clock: Clock,
    ) -> Self {
        let waiters = ConfirmWaiters::start(db.clone(), clock);
        Self {
            reads: ConfirmReads::start(db.clone()),
            db,
            publisher,
            stripe,
            waiters,
            order_limit: Arc::new(OrderLimit::new(config.orders_per_minute)),
            config: Arc::new(config),
            clock,
        }
    }

    /// The public API and the pages.
    pub fn router(&self) -> Router {
        http::router::router(self.clone())
    }

    /// What must work before it can take a webhook.
    pub fn readiness(&self) -> Readiness {
        let (db, publisher) = (self.db.clone(), self.publisher.clone());
        Readiness::default()
            .with("database", move || {
                let db = db.clone();
                async move { db::check_schema(&db).await.is_ok() }
            })
            .with("queue", move || {
                let publisher = publisher.clone();
                async move { publisher.is_ready().await }
            })
    }
}
