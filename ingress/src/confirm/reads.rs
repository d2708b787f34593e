//! Looking up where sessions stand: requests that arrive together share a query, so that many
//! buyers cost the database little more than one.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr};
use shared::{
    batcher::{BatchLimits, Batcher},
    stripe::id::CheckoutSessionId,
};

use crate::confirm::checkout_view::{self, CheckoutView};

/// Two queries at a time, so that one which is slow does not hold up all.
const BOUNDS: BatchLimits = BatchLimits { most: 200, runs: 2 };

/// What is known of one session, or why it could not be read.
type Read = Result<Option<CheckoutView>, Arc<DbErr>>;

/// The way to the database. Clones share their queries.
#[derive(Clone)]
pub struct ConfirmReads(Batcher<CheckoutSessionId, Read>);

impl ConfirmReads {
    /// Must be called inside a tokio runtime.
    pub fn start(db: DatabaseConnection) -> Self {
        Self(Batcher::start(BOUNDS, move |ids| read_all(db.clone(), ids)))
    }

    /// The checkout of `id`, as it is now.
    pub async fn read(&self, id: &CheckoutSessionId) -> Read {
        let read = self.0.submit(id.clone()).await;
        // The batch that should have read it is gone.
        read.unwrap_or_else(|| Err(Arc::new(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))))
    }
}

/// In the order of `ids`.
async fn read_all(db: DatabaseConnection, ids: Vec<CheckoutSessionId>) -> Vec<Read> {
    let views = match checkout_view::read(&db, &ids).await {
        Ok(views) => views,
        Err(error) => return vec![Err(Arc::new(error)); ids.len()],
    };
    let views: HashMap<&str, &CheckoutView> = views
        .iter()
        .map(|view| (view.session_id.as_str(), view))
        .collect();
    ids.iter()
        .map(|id| Ok(views.get(id.as_str()).map(|view| (*view).clone())))
        .collect()
}
