//! Looking up where sessions stand: requests that arrive together share a query, so that many
//! buyers cost the database little more than one.

use std::collections::HashMap;

use sea_orm::{DatabaseConnection, DbErr};
use shared::{
    stripe_id::CheckoutSessionId,
    together::{Bounds, Together},
};

use crate::payment_status::{self, CheckoutView};

/// Two queries at a time, so that one which hangs is not the end of all.
const BOUNDS: Bounds = Bounds { most: 200, runs: 2 };

/// The way to the database. Clones share their queries.
#[derive(Clone)]
pub struct ConfirmReads {
    db: DatabaseConnection,
    together: Together<CheckoutSessionId, Option<CheckoutView>>,
}

impl ConfirmReads {
    /// Must be called inside a tokio runtime.
    pub fn start(db: DatabaseConnection) -> Self {
        let shared = db.clone();
        let together = Together::start(BOUNDS, move |ids| read_all(shared.clone(), ids));
        Self { db, together }
    }

    /// The checkout of `id`, as it is now.
    pub async fn read(&self, id: &CheckoutSessionId) -> Result<Option<CheckoutView>, DbErr> {
        match self.together.submit(id.clone()).await {
            Some(view) => Ok(view),
            // It failed for all of them: the reason is for each to hear.
            None => Ok(payment_status::read(&self.db, [id]).await?.pop()),
        }
    }
}

/// In the order of `ids`; nothing if it fails.
async fn read_all(
    db: DatabaseConnection,
    ids: Vec<CheckoutSessionId>,
) -> Vec<Option<CheckoutView>> {
    let Ok(views) = payment_status::read(&db, &ids).await else {
        return Vec::new();
    };
    let views: HashMap<&str, &CheckoutView> = views
        .iter()
        .map(|view| (view.session_id.as_str(), view))
        .collect();
    ids.iter()
        .map(|id| views.get(id.as_str()).map(|view| (*view).clone()))
        .collect()
}
