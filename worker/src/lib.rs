//! The worker. It takes messages off the queue and is the only writer of bookings and
//! payments.
//!
//! A message is a hint; the row is the truth. Everything may arrive twice, late or in
//! another order, and two workers may hold the same session at once.

pub mod config;
mod consumer;
mod fulfill_checkout;
mod job_error;
pub mod jobs;
mod maintenance;
pub mod operator;
pub mod outage;
pub mod reconcile;
mod retry_policy;

use std::{sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;
use shared::{
    clock::Clock,
    config::EndpointSecrets,
    db,
    queue::{ConsumerSource, Lane, Publisher},
    retry,
    service::admin::Readiness,
    stripe::{client::StripeClient, id::Mode},
};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::outage::breaker::{Breakers, Dependency, Down};
pub use crate::{
    config::OnUnfulfillable,
    consumer::Hands,
    fulfill_checkout::update::{Fulfillment, NotOurs},
    job_error::JobError,
    jobs::run as run_job,
    maintenance::{refund_payments::refund_payments, sweep_holds::sweep_holds},
};

/// Between two looks for a database that is not there yet.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// What a job may use.
#[derive(Clone)]
pub struct Context {
    /// Where bookings and payments are kept.
    pub db: DatabaseConnection,
    /// For what a browser claimed, and for what events leave open.
    pub stripe: StripeClient,
    /// Sessions of the other mode are not ours.
    pub mode: Mode,
    /// What Stripe signs events with: a message says nothing that is not signed.
    pub endpoint_secrets: EndpointSecrets,
    /// What becomes of a payment without seats.
    pub on_unfulfillable: OnUnfulfillable,
    /// Where the time comes from.
    pub clock: Clock,
    /// What is down.
    pub breakers: Breakers,
    /// Held by whoever runs a message that may have killed a worker; shared by all others.
    pub suspects: Arc<RwLock<()>>,
}

impl Context {
    /// Stripe's API, unless it is known to be down.
    ///
    /// # Errors
    ///
    /// [`Down`], without having asked.
    pub fn stripe(&self) -> Result<&StripeClient, Down> {
        self.breakers.check(Dependency::Stripe)?;
        Ok(&self.stripe)
    }
}

/// The service, connected to what it needs.
#[derive(Clone)]
pub struct Worker {
    context: Arc<Context>,
    publisher: Publisher,
    source: ConsumerSource,
    hands: Hands,
}

impl Worker {
    /// - `hands`: events are taken so many at once; buyers who wait have hands of their own.
    #[must_use]
    pub fn new(
        context: Context,
        publisher: Publisher,
        source: ConsumerSource,
        hands: Hands,
    ) -> Self {
        Self {
            context: Arc::new(context),
            publisher,
            source,
            hands,
        }
    }

    /// Works until `shutdown`, then finishes what is in hand.
    pub async fn run(&self, shutdown: CancellationToken) {
        let ready = shutdown.run_until_cancelled(self.wait_for_database());
        if ready.await.is_none() {
            return;
        }
        let work = self
            .source
            .lanes()
            .iter()
            .filter(|lane| **lane != Lane::Dead);
        let lanes = work.map(|lane| {
            consumer::consume(
                self.context.clone(),
                self.source.clone(),
                *lane,
                self.hands,
                shutdown.clone(),
            )
        });
        tokio::join!(
            futures_util::future::join_all(lanes),
            consumer::dead_letters::keep_sinking(&self.context, &self.source, &shutdown),
            maintenance::keep_up(&self.context, &self.publisher, &shutdown),
            outage::breaker::keep_probing(&self.context, &shutdown),
        );
    }

    /// A worker may be started before its database, or before the database has its tables.
    async fn wait_for_database(&self) {
        for pause in retry::endless(FIRST_LOOK, LONGEST_LOOK) {
            match db::check_schema(&self.context.db).await {
                Ok(()) => return,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "Waiting for the database");
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// How many lanes do not wait for the end of an outage.
    fn lanes_at_work(&self) -> usize {
        let breakers = &self.context.breakers;
        let lanes = self.source.lanes().iter();
        lanes
            .filter(|lane| breakers.check_lane(**lane).is_ok())
            .count()
    }

    /// What must work before it can take a message.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let (context, worker) = (self.context.clone(), self.clone());
        Readiness::default()
            .with("database", move || {
                let context = context.clone();
                // A standby answers a ping; the breaker knows that it takes no writes.
                let open = context.breakers.is_open(Dependency::Database);
                async move { !open && db::check_schema(&context.db).await.is_ok() }
            })
            .with("queue", move || {
                let worker = worker.clone();
                async move { worker.source.is_ready(worker.lanes_at_work()).await }
            })
    }
}
