//! The stand-in as a value: started, told how to misbehave, and asked what happened.

mod actions;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    account::Account,
    api, control,
    courier::{self, Courier},
    delivery,
    faults::Faults,
    passing_time, payment_page,
    snapshot::Snapshot,
    store::{LedgerEntry, Store},
};

/// Settings of the stand-in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; must be loopback.
    pub listen_addr: SocketAddr,
    /// Where buyers reach the [payment page](StripeSim::payment_page), if not at that address.
    pub page_url: Option<String>,
    /// URL to post events to, if any.
    pub webhook_url: Option<String>,
    /// Endpoint secret that signs events (`whsec_…`).
    pub webhook_secret: String,
    /// File that keeps the objects over a restart.
    pub snapshot: Option<PathBuf>,
}

/// A running stand-in. Clones control the same one.
#[derive(Clone)]
pub struct StripeSim {
    address: SocketAddr,
    account: Arc<Account>,
}

impl StripeSim {
    /// Starts to listen, and serves until `shutdown`.
    ///
    /// # Errors
    ///
    /// The address is not loopback or is in use, or the snapshot cannot be read or is in use.
    pub async fn start(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.listen_addr.ip().is_loopback(),
            "the Stripe stand-in listens on loopback only"
        );
        let (snapshot, store) = match config.snapshot {
            Some(path) => {
                let (snapshot, store) = Snapshot::open(path)?;
                (Some(snapshot), store)
            }
            None => (None, Store::default()),
        };
        let listener = TcpListener::bind(config.listen_addr).await?;
        let address = listener.local_addr()?;
        let courier = Courier::new(config.webhook_url, config.webhook_secret)?;
        let base_url = format!("http://{address}");
        let page_url = config.page_url.unwrap_or_else(|| base_url.clone());
        let urls = (base_url, page_url);
        let account = Arc::new(Account::new(urls, store, courier, snapshot));
        delivery::resume(&account);
        tokio::spawn(passing_time::keep_time(account.clone(), shutdown.clone()));
        let serve = axum::serve(listener, router(account.clone()))
            .with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "The stand-in stopped serving");
            }
        });
        Ok(Self { address, account })
    }

    /// Address that the stand-in listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL for `STRIPE_API_BASE`.
    pub fn base_url(&self) -> &str {
        &self.account.base_url
    }

    /// The page that buyers pay on, for a server that they can reach.
    pub fn payment_page(&self) -> Router {
        payment_page::router().with_state(self.account.clone())
    }

    /// Faults that are injected now.
    pub fn faults(&self) -> Faults {
        self.account.faults()
    }

    /// Replaces the injected faults.
    pub fn set_faults(&self, faults: Faults) {
        self.account.set_faults(faults);
    }

    /// Changes the URL that events are posted to.
    pub fn set_webhook_url(&self, url: Option<String>) {
        self.account.courier.set_url(url);
    }

    /// Requests to `/v1/…` so far.
    pub fn api_calls(&self) -> u64 {
        self.account.calls()
    }

    /// Every Checkout Session, as a merchant's books would list it.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.account.store().ledger()
    }

    /// Every event, as it was or would be posted, oldest first.
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.account
            .store()
            .events
            .iter()
            .map(|event| event.object.clone())
            .collect()
    }

    /// Number of events so far.
    pub fn event_count(&self) -> usize {
        self.account.store().events.len()
    }

    /// Events after the first `count`.
    pub fn events_after(&self, count: usize) -> Vec<serde_json::Value> {
        let store = self.account.store();
        let events = store.events.iter().skip(count);
        events.map(|event| event.object.clone()).collect()
    }

    /// Header and body of `event`, as they would be posted now.
    ///
    /// A thin event is one that `thin` made.
    pub fn sign(&self, event: &serde_json::Value) -> (String, String) {
        let body = courier::body(event);
        (self.sign_bytes(body.as_bytes()), body)
    }

    /// `Stripe-Signature` header that would come with `body`.
    pub fn sign_bytes(&self, body: &[u8]) -> String {
        self.account.courier.signature(body)
    }
}

/// Thin form of `event`: names its object, without the data.
pub fn thin(event: &serde_json::Value) -> serde_json::Value {
    courier::thin(event)
}

fn router(account: Arc<Account>) -> Router {
    Router::new()
        .merge(api::router(account.clone()))
        .merge(payment_page::router())
        .merge(control::router())
        .with_state(account)
}
