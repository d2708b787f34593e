//! Telling an endpoint again.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use shared::db::{
    self, endpoint,
    outbox::{self, Column},
    outbox_delivery,
};
use time::OffsetDateTime;
use uuid::Uuid;

/// Rows written at once.
const AT_ONCE: u64 = 500;

/// What is told again: what fits all that is said.
#[derive(Debug, Default)]
pub struct Which {
    /// These.
    pub ids: Vec<Uuid>,
    /// What happened since.
    pub since: Option<OffsetDateTime>,
    /// And until.
    pub until: Option<OffsetDateTime>,
    /// Only what was given up.
    pub failed: bool,
}

/// Has `endpoint` told again of what `which` says, as far as it wants to know.
///
/// - `dry_run`: changes nothing.
///
/// Returns how much that is.
pub async fn replay(
    db: &DatabaseConnection,
    endpoint: &endpoint::Model,
    which: &Which,
    (now, dry_run): (OffsetDateTime, bool),
) -> anyhow::Result<usize> {
    let mut count: usize = 0;
    let mut after = Uuid::nil();
    loop {
        let tx = db::begin(db).await?;
        let rows = page(&tx, endpoint, which, after).await?;
        let Some(last) = rows.last() else {
            return Ok(count);
        };
        after = last.id;
        let wanted: Vec<_> = rows
            .iter()
            .filter(|it| endpoint.wants(it.kind.as_str()))
            .collect();
        count = count.saturating_add(wanted.len());
        if !dry_run && !wanted.is_empty() {
            let again = wanted.into_iter().map(|it| delivery(it, endpoint, now));
            let exists = OnConflict::columns([
                outbox_delivery::Column::OutboxId,
                outbox_delivery::Column::Destination,
            ])
            .update_columns([
                outbox_delivery::Column::DueAt,
                outbox_delivery::Column::Attempts,
                outbox_delivery::Column::LastError,
                outbox_delivery::Column::DoneAt,
            ])
            .to_owned();
            outbox_delivery::Entity::insert_many(again)
                .on_conflict(exists)
                .exec_without_returning(&tx)
                .await?;
        }
        tx.commit().await?;
    }
}

fn delivery(
    notification: &outbox::Model,
    endpoint: &endpoint::Model,
    now: OffsetDateTime,
) -> outbox_delivery::ActiveModel {
    let row = outbox_delivery::Model {
        outbox_id: notification.id,
        destination: endpoint.id.clone(),
        checkout_id: notification.checkout_id,
        sequence: notification.sequence,
        due_at: now,
        attempts: 0,
        last_error: None,
        done_at: None,
    };
    outbox_delivery::ActiveModel::from(row).reset_all()
}

async fn page(
    tx: &impl ConnectionTrait,
    endpoint: &endpoint::Model,
    which: &Which,
    after: Uuid,
) -> anyhow::Result<Vec<outbox::Model>> {
    let mut rows = outbox::Entity::find()
        .filter(Column::Id.gt(after))
        // What was erased cannot be told.
        .filter(Column::Document.ne(""));
    if !which.ids.is_empty() {
        rows = rows.filter(Column::Id.is_in(which.ids.iter().copied()));
    }
    if let Some(since) = which.since {
        rows = rows.filter(Column::CreatedAt.gte(since));
    }
    if let Some(until) = which.until {
        rows = rows.filter(Column::CreatedAt.lte(until));
    }
    if which.failed {
        let given_up = outbox_delivery::Entity::find()
            .select_only()
            .column(outbox_delivery::Column::OutboxId)
            .filter(outbox_delivery::Column::Destination.eq(endpoint.id.as_str()))
            .filter(
                Condition::all()
                    .add(outbox_delivery::Column::DoneAt.is_not_null())
                    .add(outbox_delivery::Column::LastError.is_not_null()),
            );
        let given_up = sea_orm::QueryTrait::into_query(given_up);
        rows = rows.filter(Column::Id.in_subquery(given_up));
    }
    Ok(rows.order_by_asc(Column::Id).limit(AT_ONCE).all(tx).await?)
}
