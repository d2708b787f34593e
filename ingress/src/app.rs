//! The service, put together.

use std::sync::Arc;

use axum::http::HeaderMap;
use sea_orm::DatabaseConnection;
use shared::{
    clock::Clock,
    db,
    queue::Publisher,
    service::{admin::Readiness, connections::Connections},
    stripe::client::StripeClient,
};

use crate::{
    client_limit::{ClientLimit, customer},
    config::Config,
    confirm::{reads::ConfirmReads, waiters::ConfirmWaiters},
    hold_limit::HoldLimit,
    http::client_address::client,
    session_limit::SessionLimit,
    webhook_notes::WebhookNotes,
};

/// Of one client; more of them are not looked into. What one of our secrets proves does not count.
const BAD_SIGNATURES_PER_MINUTE: u32 = 60;

/// The service, connected to what it needs. Cheap to clone.
#[derive(Clone)]
pub struct Ingress {
    pub(crate) db: DatabaseConnection,
    pub(crate) publisher: Publisher,
    pub(crate) stripe: StripeClient,
    pub(crate) reads: ConfirmReads,
    pub(crate) waiters: ConfirmWaiters,
    /// Those of the listener that serves its router.
    pub connections: Arc<Connections>,
    pub(crate) order_limit: Arc<ClientLimit>,
    pub(crate) hold_limit: Arc<HoldLimit>,
    pub(crate) session_limit: Arc<SessionLimit>,
    pub(crate) bad_signature_limit: Arc<ClientLimit>,
    pub(crate) notes: Arc<WebhookNotes>,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
}

impl Ingress {
    /// Must be called inside a tokio runtime: tasks of its own serve confirms that ask or wait
    /// together.
    pub fn new(
        config: Config,
        db: DatabaseConnection,
        publisher: Publisher,
        stripe: StripeClient,
        clock: Clock,
    ) -> Self {
        let trusted = config.trusted_proxies.clone();
        let client_of = move |peer| {
            let client = client(peer, &HeaderMap::new(), &trusted);
            client.address().map(customer)
        };
        let waiters = ConfirmWaiters::start(db.clone(), clock);
        Self {
            reads: ConfirmReads::start(db.clone()),
            db,
            publisher,
            stripe,
            waiters,
            order_limit: Arc::new(ClientLimit::new(config.orders_per_minute)),
            hold_limit: Arc::new(HoldLimit::new(&config)),
            session_limit: Arc::new(SessionLimit::new(config.sessions_per_minute)),
            connections: Connections::of_public(client_of),
            bad_signature_limit: Arc::new(ClientLimit::new(BAD_SIGNATURES_PER_MINUTE)),
            notes: Arc::new(WebhookNotes::new(&config.endpoint_secrets)),
            config: Arc::new(config),
            clock,
        }
    }

    /// What must work before it can take a webhook.
    pub fn readiness(&self) -> Readiness {
        let (db, publisher) = (self.db.clone(), self.publisher.clone());
        let connections = self.connections.clone();
        Readiness::default()
            .with("database", move || {
                let db = db.clone();
                async move { db::check_schema(&db).await.is_ok() }
            })
            .with("queue", move || {
                let publisher = publisher.clone();
                async move { publisher.is_ready().await }
            })
            .with("connections", move || {
                let has_room = connections.has_room();
                async move { has_room }
            })
    }
}
