//! The worker, put together: a consumer for each lane, maintenance, and the probes of what is down.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use shared::{
    db,
    queue::{ConsumerSource, Lane, Publisher},
    retry,
    service::admin::Readiness,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    console::{self, Console},
    consumer::{consume, dead_letters, lane_limits::LaneLimits},
    context::Context,
    maintenance, notifications,
    outage::{dependency::Dependency, probe},
};

/// Between two looks for a database that is not there yet.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// The service, connected to what it needs.
#[derive(Clone)]
pub struct Worker {
    context: Arc<Context>,
    publisher: Publisher,
    source: ConsumerSource,
    limits: LaneLimits,
}

impl Worker {
    /// - `limits`: how much of each lane is taken at once.
    pub fn new(
        context: Context,
        publisher: Publisher,
        source: ConsumerSource,
        limits: LaneLimits,
    ) -> Self {
        Self {
            context: Arc::new(context),
            publisher,
            source,
            limits,
        }
    }

    /// The console, and the Admin API.
    ///
    /// - `config`: what the worker was made of.
    /// - `address`: where it listens.
    pub fn console(&self, config: Config, address: SocketAddr) -> Router {
        let (context, publisher) = (self.context.clone(), self.publisher.clone());
        console::router(Console::new(context, config, publisher, address))
    }

    /// Consumes until `shutdown`, then finishes the jobs that run.
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
            consume(
                self.context.clone(),
                self.source.clone(),
                *lane,
                self.limits,
                shutdown.clone(),
            )
        });
        let written = CancellationToken::new();
        tokio::join!(
            async {
                futures_util::future::join_all(lanes).await;
                written.cancel();
            },
            dead_letters::keep_sinking(&self.context, &self.source, &shutdown),
            Box::pin(notifications::keep_notifying(
                &self.context,
                &self.publisher,
                &shutdown,
                &written,
            )),
            maintenance::keep_up(&self.context, &self.publisher, &self.source, &shutdown),
            probe::keep_probing(&self.context, &shutdown),
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

    /// The lanes that do not wait for the end of an outage.
    fn lanes_at_work(&self) -> Vec<Lane> {
        let breakers = &self.context.breakers;
        let mut lanes = self.source.lanes().to_vec();
        lanes.retain(|lane| breakers.check_lane(*lane).is_ok());
        lanes
    }

    /// What must work before it can take a message.
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
                async move { worker.source.is_ready(&worker.lanes_at_work()).await }
            })
    }
}
