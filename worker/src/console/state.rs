//! What the console works with.

use std::{net::SocketAddr, sync::Arc};

use shared::queue::Publisher;

use crate::{
    Context,
    config::Config,
    console::{access::Access, runs::Runs},
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
        }))
    }
}
