//! What receives webhooks: it keeps all of them, and answers as it is told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use crate::lock::lock;

/// Where webhooks arrive.
#[derive(Clone)]
pub struct Receiver {
    /// To be told to endpoints.
    pub url: String,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    received: Mutex<Vec<Received>>,
    status: AtomicU16,
    hangs: AtomicBool,
    location: Mutex<Option<String>>,
}

/// One that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// `traceparent`
    pub traceparent: String,
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`
    pub timestamp: String,
    /// `webhook-signature`
    pub signature: String,
    /// Byte for byte.
    pub body: String,
    /// What it was answered with.
    pub answered: u16,
}

impl Receiver {
    /// Answers 200.
    ///
    /// # Errors
    ///
    /// It cannot listen.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/webhook", listener.local_addr()?);
        let kept = Arc::new(Kept::default());
        kept.status.store(200, Ordering::Relaxed);
        let router = Router::new().fallback(receive).with_state(kept.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { url, kept })
    }

    /// From now on it answers so.
    pub fn answer(&self, status: u16) {
        self.kept.hangs.store(false, Ordering::Relaxed);
        self.kept.status.store(status, Ordering::Relaxed);
    }

    /// From now on it leads elsewhere.
    pub fn redirect(&self, location: &str) {
        *lock(&self.kept.location) = Some(location.to_owned());
        self.answer(307);
    }

    /// From now on it does not answer.
    pub fn hang(&self) {
        self.kept.hangs.store(true, Ordering::Relaxed);
    }

    /// All that arrived, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.kept.received).clone()
    }
}

async fn receive(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|it| it.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let status = kept.status.load(Ordering::Relaxed);
    lock(&kept.received).push(Received {
        traceparent: header("traceparent"),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
        answered: status,
    });
    if kept.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    let location = lock(&kept.location).clone();
    let status = StatusCode::from_u16(status).unwrap_or_default();
    match location {
        Some(location) => (status, [(LOCATION, location)]).into_response(),
        None => status.into_response(),
    }
}
