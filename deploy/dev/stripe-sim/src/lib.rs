//! A stand-in for Stripe, for demonstrations and tests: enough of its HTTP API for
//! async-stripe and the official clients, a payment page, signed webhooks with retries,
//! and a ledger of what was paid.
//!
//! It listens on loopback only, refuses live keys and moves no money. `/sim/…` steers it:
//! see [`faults`] for how it misbehaves on request.

mod api;
mod delivery;
mod dispute;
mod error;
pub mod faults;
mod form;
mod idempotency;
mod objects;
mod payment;
mod payment_page;
mod refund;
mod snapshot;
mod store;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{delivery::Courier, idempotency::Keys, snapshot::Snapshot, store::Store};
pub use crate::{
    dispute::Verdict,
    faults::Faults,
    payment::Outcome,
    store::{LedgerEntry, LedgerItem},
};

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; must be loopback.
    pub listen_addr: SocketAddr,
    /// Where it posts events, if anywhere.
    pub webhook_url: Option<String>,
    /// `whsec_…`, to sign them with.
    pub webhook_secret: String,
    /// A file that keeps its objects over a restart.
    pub snapshot: Option<PathBuf>,
}

/// A running stand-in. Clones steer the same one.
#[derive(Clone)]
pub struct StripeSim {
    address: SocketAddr,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    base_url: String,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    calls: Mutex<u64>,
    keys: Keys,
    courier: Courier,
    snapshot: Option<Snapshot>,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    fn faults(&self) -> Faults {
        lock(&self.faults).clone()
    }

    /// Keeps what just changed. A demonstration that cannot write its file goes on.
    fn save(&self) {
        if let Some(snapshot) = &self.snapshot
            && let Err(error) = snapshot.write(&self.store())
        {
            tracing::warn!(%error, "Could not write the snapshot");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StripeSim {
    /// Starts to listen, and serves until `shutdown`.
    ///
    /// # Errors
    ///
    /// The address is not loopback or in use, or the snapshot cannot be read or has another user.
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
        let shared = Arc::new(Shared {
            base_url: format!("http://{address}"),
            store: Mutex::new(store),
            faults: Mutex::default(),
            calls: Mutex::default(),
            keys: Keys::default(),
            courier: Courier::new(config.webhook_url, config.webhook_secret)?,
            snapshot,
        });
        delivery::resume(&shared);
        tokio::spawn(payment::expire_overdue(shared.clone(), shutdown.clone()));
        let serve = axum::serve(listener, router(shared.clone()))
            .with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "The stand-in stopped serving");
            }
        });
        Ok(Self { address, shared })
    }

    /// Ends a session that nobody has paid.
    ///
    /// # Errors
    ///
    /// There is no such session, or it is not open.
    pub fn expire(&self, session_id: &str) -> anyhow::Result<()> {
        payment::expire(&self.shared, session_id)?;
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `STRIPE_API_BASE`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// How it misbehaves now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.faults()
    }

    /// Makes it misbehave from now on.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Changes where events are posted.
    pub fn set_webhook_url(&self, url: Option<String>) {
        self.shared.courier.set_url(url);
    }

    /// Requests to `/v1/…` so far.
    #[must_use]
    pub fn api_calls(&self) -> u64 {
        *lock(&self.shared.calls)
    }

    /// Every Checkout Session, as a merchant's books would list it.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.shared.store().ledger()
    }

    /// Every event, as it was or would be posted, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.shared
            .store()
            .events
            .iter()
            .map(|event| event.object.clone())
            .collect()
    }

    /// How many events there are.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.shared.store().events.len()
    }

    /// The events after the first `count`.
    #[must_use]
    pub fn events_after(&self, count: usize) -> Vec<serde_json::Value> {
        let store = self.shared.store();
        let events = store.events.iter().skip(count);
        events.map(|event| event.object.clone()).collect()
    }

    /// Makes a session, as `POST /v1/checkout/sessions` with the body `form` does.
    ///
    /// Returns its id.
    ///
    /// # Errors
    ///
    /// A parameter is missing or wrong.
    pub fn create_session(&self, form: &str) -> anyhow::Result<String> {
        let session = api::new_session(&self.shared, &form::Form::parse(form.as_bytes()))?;
        Ok(store::text(&session, "id").to_owned())
    }

    /// What the buyer does on the payment page.
    ///
    /// # Errors
    ///
    /// There is no such session, or it is no longer open.
    pub async fn pay(&self, session_id: &str, outcome: Outcome) -> anyhow::Result<()> {
        payment::act(&self.shared, session_id, outcome).await?;
        Ok(())
    }

    /// The bank's word on a delayed payment.
    ///
    /// # Errors
    ///
    /// There is no such session, or nothing is on its way.
    pub async fn settle(&self, session_id: &str, succeeded: bool) -> anyhow::Result<()> {
        payment::settle(&self.shared, session_id, succeeded).await?;
        Ok(())
    }

    /// Gives money of a paid session back, as the merchant does in the dashboard.
    ///
    /// - `amount`: in minor units, or all that is left.
    ///
    /// Returns the refund's id.
    ///
    /// # Errors
    ///
    /// Nothing was paid, or there is not so much left.
    pub fn refund(&self, session_id: &str, amount: Option<i64>) -> anyhow::Result<String> {
        let intent = payment::intent_of(&self.shared, session_id)?;
        let refund = refund::create(&self.shared, &intent, amount, &serde_json::json!({}))?;
        Ok(store::text(&refund, "id").to_owned())
    }

    /// The buyer's bank does not take a refund.
    ///
    /// # Errors
    ///
    /// There is no such refund, or it has failed already.
    pub fn fail_refund(&self, refund_id: &str) -> anyhow::Result<()> {
        refund::fail(&self.shared, refund_id)?;
        Ok(())
    }

    /// The buyer disputes a payment with the bank, or has the bank ask about it first.
    ///
    /// Returns the dispute's id.
    ///
    /// # Errors
    ///
    /// Nothing was paid.
    pub fn dispute(&self, session_id: &str, inquiry: bool) -> anyhow::Result<String> {
        let intent = payment::intent_of(&self.shared, session_id)?;
        let dispute = dispute::open(&self.shared, &intent, inquiry, None)?;
        Ok(store::text(&dispute, "id").to_owned())
    }

    /// The same about a part of a payment, in minor units.
    ///
    /// # Errors
    ///
    /// Nothing was paid.
    pub fn dispute_part(&self, session_id: &str, amount: i64) -> anyhow::Result<String> {
        let intent = payment::intent_of(&self.shared, session_id)?;
        let dispute = dispute::open(&self.shared, &intent, false, Some(amount))?;
        Ok(store::text(&dispute, "id").to_owned())
    }

    /// Changes what a dispute is about, in minor units.
    ///
    /// # Errors
    ///
    /// There is no such dispute.
    pub fn change_dispute(&self, dispute_id: &str, amount: i64) -> anyhow::Result<()> {
        dispute::change(&self.shared, dispute_id, amount)?;
        Ok(())
    }

    /// Ends a dispute, or overturns its end.
    ///
    /// # Errors
    ///
    /// There is no such dispute.
    pub fn close_dispute(&self, dispute_id: &str, verdict: Verdict) -> anyhow::Result<()> {
        dispute::close(&self.shared, dispute_id, verdict)?;
        Ok(())
    }

    /// The headers and body of `event` as they would be posted now.
    ///
    /// A thin event is one that `thin` made.
    #[must_use]
    pub fn sign(&self, event: &serde_json::Value) -> (String, String) {
        let body = delivery::body(event);
        (self.sign_bytes(body.as_bytes()), body)
    }

    /// The header that would come with `body`.
    #[must_use]
    pub fn sign_bytes(&self, body: &[u8]) -> String {
        self.shared.courier.signature(body)
    }
}

/// `event` as a thin one: it names what it is about, and says nothing of it.
#[must_use]
pub fn thin(event: &serde_json::Value) -> serde_json::Value {
    delivery::thin(event)
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(api::router(shared.clone()))
        .merge(payment_page::router())
        .merge(faults::router())
        .with_state(shared)
}
