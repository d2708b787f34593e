//! The events that were acted on: one row each, written with what they led to.

use std::collections::HashSet;

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use shared::db::{self, stripe_event};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::{
    outcome::Fulfillment,
    update::{EventRef, Update},
};

/// Events that were seen before, and those of this transaction.
#[derive(Default)]
pub struct Inbox {
    seen: HashSet<String>,
    /// To be written at the end.
    pub new: Vec<stripe_event::ActiveModel>,
}

impl Inbox {
    /// Looks up the events of `updates`.
    pub async fn open(tx: &impl ConnectionTrait, updates: &[&Update]) -> Result<Self, DbErr> {
        let ids: Vec<String> = updates
            .iter()
            .filter_map(|it| Some(it.event.as_ref()?.id.clone()))
            .collect();
        let mut seen = HashSet::new();
        if !ids.is_empty() {
            let known = db::one_of(tx.get_database_backend(), stripe_event::Column::Id, ids);
            let rows = stripe_event::Entity::find().filter(known);
            seen.extend(rows.all(tx).await?.into_iter().map(|row| row.id));
        }
        Ok(Self {
            seen,
            new: Vec::new(),
        })
    }

    /// Whether the event was acted on before.
    pub fn has(&self, event: &EventRef) -> bool {
        self.seen.contains(&event.id)
    }

    /// Notes what the event led to.
    pub fn note(
        &mut self,
        event: &EventRef,
        checkout_id: Uuid,
        outcome: Fulfillment,
        now: OffsetDateTime,
    ) {
        let row = stripe_event::Model {
            id: event.id.clone(),
            kind: event.kind.clone(),
            checkout_id,
            outcome: outcome.as_str().to_owned(),
            processed_at: now,
        };
        self.seen.insert(event.id.clone());
        self.new
            .push(stripe_event::ActiveModel::from(row).reset_all());
    }
}
