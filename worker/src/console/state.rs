//! What the console works with.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use shared::queue::Publisher;

use crate::{
    Context,
    config::Config,
    console::{access::Access, runs::Runs},
    operator::audit::Waiting,
};

/// The console. Clones share it.
#[derive(Clone)]
pub struct Console(Arc<Parts>);

/// What it works with.
pub struct Parts {
    pub context: Arc<Context>,
    pub config: Config,
    pub publisher: Publisher,
    pub access: Access,
    pub runs: Runs,
    /// Held while it looks.
    pub doctor: tokio::sync::Mutex<()>,
    /// What waits for a person, when it was last counted.
    pub waiting: Mutex<Option<(Instant, Waiting)>>,
}

impl std::ops::Deref for Console {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Console {
    /// - `address`: where it listens, which says who needs a token.
    pub fn new(
        context: Arc<Context>,
        config: Config,
        publisher: Publisher,
        address: SocketAddr,
    ) -> Self {
        Self(Arc::new(Parts {
            access: Access::new(config.admin_token.clone(), address),
            context,
            config,
            publisher,
            runs: Runs::default(),
            doctor: tokio::sync::Mutex::default(),
            waiting: Mutex::default(),
        }))
    }
}
