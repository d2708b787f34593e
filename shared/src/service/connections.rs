//! The connections of a server: how many may be open, how many of them one client's, and which one gives way
//! when there is one too many.
//!
//! A request that has come whole is served to its end. Until then a connection waits for its client, and who
//! opens many that wait takes files and memory from others: the one that has waited longest is closed, of those
//! first that have not asked anything yet.

mod open;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};

use self::open::{Full, Open, Place};
use crate::service::{metrics, open_files};

/// A proxy in front needs far fewer. Twenty thousand strangers leave some to others, and all have room in the memory that
/// `deploy` gives ingress.
const MOST: usize = 24_000;
/// Of operators: probes, a scraper, and people with a browser.
const MOST_OF_ADMIN: usize = 128;
/// Of one client: an office behind one address. Where there are few in all, a quarter of them.
const MOST_OF_CLIENT: usize = 256;
/// Open files that are no connections of ours: pools of the database, the broker, Stripe, operators.
const OTHER_FILES: usize = 512;

/// Those of one listener.
pub struct Connections {
    most: usize,
    client_of: ClientOf,
    open: Mutex<Open>,
    /// Whether there may be room where there was none.
    changed: Notify,
    accepts: AtomicBool,
}

/// The client behind a peer's address, if the address tells it from others.
type ClientOf = Box<dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync>;

/// One of them, until it is dropped.
pub(super) struct Connection {
    all: Arc<Connections>,
    place: Place,
}

impl Connections {
    /// Of a listener for everyone: as many as the limit of open files allows.
    ///
    /// - `client_of`: who is behind a peer's address; not if it is a proxy's.
    pub fn of_public(
        client_of: impl Fn(IpAddr) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let most = open_files::raise_limit().saturating_sub(OTHER_FILES);
        Self::new(most.clamp(MOST_OF_ADMIN, MOST), client_of)
    }

    /// Of a listener for operators.
    pub fn of_admin() -> Arc<Self> {
        Self::new(MOST_OF_ADMIN, |_| None)
    }

    /// `most` at once.
    pub fn new(
        most: usize,
        client_of: impl Fn(IpAddr) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            most,
            client_of: Box::new(client_of),
            open: Mutex::default(),
            changed: Notify::new(),
            accepts: AtomicBool::new(true),
        })
    }

    /// Whether one more would be taken.
    pub fn has_room(&self) -> bool {
        self.accepts.load(Ordering::Relaxed) && self.lock().has_room(self.most)
    }

    /// Makes room for one of `peer`, or waits for it. `None` if its client has too many.
    pub(super) async fn open(self: &Arc<Self>, peer: IpAddr) -> Option<Arc<Connection>> {
        self.accepts.store(true, Ordering::Relaxed);
        let client = (self.client_of)(peer);
        let most_of_client = MOST_OF_CLIENT.min(self.most / 4);
        loop {
            let room = self.lock().make_room(self.most, client, most_of_client);
            match room {
                Ok(()) => return Some(self.add(client)),
                Err(Full::OfClient) => return None,
                Err(Full::For(time)) => {
                    let changed = self.changed.notified();
                    tokio::time::timeout(time, changed).await.ok();
                }
            }
        }
    }

    /// The caller has made room for it.
    fn add(self: &Arc<Self>, client: Option<IpAddr>) -> Arc<Connection> {
        let connection = Connection {
            all: self.clone(),
            place: Place::new(client),
        };
        self.lock().add(&connection.place);
        metrics::connections(1.0);
        Arc::new(connection)
    }

    /// The listener failed.
    pub(super) fn cannot_accept(&self, error: &std::io::Error) {
        self.accepts.store(false, Ordering::Relaxed);
        if let Some(suppressed) = self.lock().log.admit("cannot accept", Instant::now()) {
            tracing::error!(%error, suppressed, "Cannot accept connections");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A request was answered; it waits for the next.
    pub(super) fn wait(&self) {
        self.all.lock().answered(&self.place);
        self.all.changed.notify_one();
    }

    /// A request has come whole.
    pub(super) fn serve(&self) {
        self.all.lock().serve(&self.place);
    }

    /// Ends when it has to make room for another. Whether a request came whole at the last moment.
    pub(super) async fn gives_way(&self) -> bool {
        self.place.gives_way.cancelled().await;
        // On a busy machine it may have come, and not have been read yet.
        tokio::task::yield_now().await;
        let _open = self.all.lock();
        self.place.is_served()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.lock().remove(&self.place);
        metrics::connections(-1.0);
        self.all.changed.notify_one();
    }
}
