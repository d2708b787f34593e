//! The probes and metrics of both services, on an address of their own.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::service::metrics;

/// A dependency that does not answer a probe within this time counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What must work before a service can do its job, and how to find out.
#[derive(Clone, Default)]
pub struct Readiness(Vec<(&'static str, Check)>);

type Check = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

impl Readiness {
    /// Adds a check; `name` appears in the answer.
    #[must_use]
    pub fn with<F>(
        mut self,
        name: &'static str,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.0.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// All checks of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Not ready any more from `shutdown` on.
    #[must_use]
    pub fn until(self, shutdown: &CancellationToken) -> Self {
        let shutdown = shutdown.clone();
        self.with("running", move || {
            let running = !shutdown.is_cancelled();
            async move { running }
        })
    }

    async fn checks(&self) -> BTreeMap<&'static str, &'static str> {
        let mut checks = BTreeMap::new();
        for (name, check) in &self.0 {
            let passed = tokio::time::timeout(CHECK_TIMEOUT, check())
                .await
                .unwrap_or(false);
            checks.insert(*name, if passed { "ok" } else { "failed" });
        }
        checks
    }
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    checks: BTreeMap<&'static str, &'static str>,
}

/// Says so if every machine that reaches this one reaches probes and metrics, which ask for no password.
pub fn warn_if_open(address: SocketAddr) {
    if address.ip().is_unspecified() {
        tracing::warn!(
            %address,
            "ADMIN_ADDR is open to every network of this machine: let only probes and Prometheus through to it"
        );
    }
}

/// `/livez`: the process runs. It asks no dependency, since a restart repairs none.
/// `/readyz`: 200 if every check passes, else 503; the body names each.
/// `/metrics`: for Prometheus.
pub fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(|| async { metrics::render() }))
        .with_state(readiness)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Report>) {
    let checks = readiness.checks().await;
    let (code, status) = if checks.values().all(|outcome| *outcome == "ok") {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    (code, Json(Report { status, checks }))
}
