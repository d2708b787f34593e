//! What is no longer needed is erased: what was told, the bodies of dead letters that were dealt with,
//! whose order was never paid, and which webhooks were refused. Once a day, in one worker.
//!
//! Other rows stay, without what they said about a person: books and numbers do not change.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use shared::{
    db::{
        self,
        checkout::{self, State},
        dead_letter, outbox, outbox_delivery, recurring_job, refused_webhook,
    },
    retry,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Context;

const JOB: &str = "retention";
/// Between two runs.
const INTERVAL: time::Duration = time::Duration::hours(24);
/// After which another worker goes on with the run of one that died.
const LEASE: time::Duration = time::Duration::minutes(10);
/// How often a worker looks whether it is its turn.
const LOOK: Duration = Duration::from_mins(1);
/// Rows in one statement, so that none of ours waits for long.
const AT_ONCE: u64 = 500;

/// Looks again and again, for ever.
pub async fn keep_erasing(context: &Context) {
    loop {
        tokio::time::sleep(retry::spread(LOOK)).await;
        match erase_if_due(context).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "Erased what is no longer needed"),
            Err(error) => {
                let error = crate::JobError::from(error);
                tracing::warn!(
                    error = error.chain(),
                    "Cannot erase what is no longer needed"
                );
            }
        }
    }
}

async fn erase_if_due(context: &Context) -> Result<u64, DbErr> {
    let now = (context.clock)();
    let Some(job) = recurring_job::take(&context.db, JOB, now, now.saturating_add(LEASE)).await?
    else {
        return Ok(0);
    };
    let before = job.cursor.as_deref().and_then(|id| id.parse().ok());
    let (rows, cursor) = erase(context, before.unwrap_or_default(), now).await?;
    // It stays, so that the next run does not begin at the beginning.
    let due_at = now.saturating_add(INTERVAL);
    recurring_job::keep(&context.db, JOB, due_at, &cursor.to_string()).await?;
    Ok(rows)
}

/// Erases what is older than the setting says.
///
/// - `after`: notifications up to here were erased before.
///
/// Returns how many rows were changed, and up to which notification.
///
/// # Errors
///
/// [`DbErr`] if the database is in trouble; the rest is for the next run.
pub async fn erase(
    context: &Context,
    after: Uuid,
    now: OffsetDateTime,
) -> Result<(u64, Uuid), DbErr> {
    let end = now.saturating_sub(context.retention);
    let (told, cursor) = notifications(context, after, end).await?;
    let letters = dead_letters(context, end).await?;
    let unpaid = unpaid_checkouts(context, end).await?;
    let refused = refused_webhook::Entity::delete_many()
        .filter(refused_webhook::Column::At.lt(end))
        .exec(&db::writer(&context.db).await?)
        .await?;
    let rows = [told, letters, unpaid, refused.rows_affected];
    Ok((rows.iter().sum(), cursor))
}

/// One that waits for an endpoint, for whatever reason, is as old as it may be told.
async fn notifications(
    context: &Context,
    mut after: Uuid,
    end: OffsetDateTime,
) -> Result<(u64, Uuid), DbErr> {
    let mut erased: u64 = 0;
    loop {
        let rows = outbox::Entity::find()
            .select_only()
            .columns([outbox::Column::Id, outbox::Column::CreatedAt])
            .filter(outbox::Column::Id.gt(after))
            .order_by_asc(outbox::Column::Id)
            .limit(AT_ONCE)
            .into_tuple::<(Uuid, OffsetDateTime)>()
            .all(&context.db)
            .await?;
        let old: Vec<Uuid> = rows
            .iter()
            .take_while(|(_, created_at)| *created_at < end)
            .map(|(id, _)| *id)
            .collect();
        let Some(last) = old.last() else {
            return Ok((erased, after));
        };
        after = *last;
        let tx = db::begin(&context.db).await?;
        outbox_delivery::Entity::delete_many()
            .filter(outbox_delivery::Column::OutboxId.is_in(old.iter().copied()))
            .exec(&tx)
            .await?;
        let emptied = outbox::Entity::update_many()
            .col_expr(outbox::Column::Document, Expr::value(""))
            .col_expr(outbox::Column::DoneAt, Expr::value(end))
            .filter(outbox::Column::Id.is_in(old))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        erased = erased.saturating_add(emptied.rows_affected);
    }
}

async fn dead_letters(context: &Context, end: OffsetDateTime) -> Result<u64, DbErr> {
    use dead_letter::Column;
    let erased = dead_letter::Entity::update_many()
        .col_expr(Column::Body, Expr::value(Vec::<u8>::new()))
        .col_expr(Column::Detail, Expr::value(None::<String>))
        .filter(Column::ResolvedAt.lt(end))
        .filter(Column::Body.ne(Vec::<u8>::new()))
        .exec(&db::writer(&context.db).await?)
        .await?;
    Ok(erased.rows_affected)
}

/// Nothing was paid, and cannot be any more.
async fn unpaid_checkouts(context: &Context, end: OffsetDateTime) -> Result<u64, DbErr> {
    use checkout::Column;
    let mut erased: u64 = 0;
    for state in [State::Expired, State::PaymentFailed, State::Abandoned] {
        let names_someone = Condition::any()
            .add(Column::CustomerEmail.ne(""))
            .add(Column::Metadata.is_not_null());
        let ids = checkout::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::State.eq(state))
            .filter(Column::ExpiresAt.lt(end))
            .filter(names_someone)
            .into_tuple::<Uuid>()
            .all(&context.db)
            .await?;
        for some in ids.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let update = checkout::without_a_person()
                // A payment may have come this moment.
                .filter(Column::State.eq(state))
                .filter(Column::Id.is_in(some.iter().copied()))
                .exec(&db::writer(&context.db).await?)
                .await?;
            erased = erased.saturating_add(update.rows_affected);
        }
    }
    Ok(erased)
}
