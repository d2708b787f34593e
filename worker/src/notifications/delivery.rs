//! One attempt to deliver a notification, and what becomes of it: done, tried again on the tiers of
//! every retry, or given up.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, Func, SimpleExpr},
};
use shared::{
    clock::elapsed,
    db::{
        self, Trouble, endpoint, outbox,
        outbox_delivery::{self, Column},
    },
    retry,
    service::{failpoint, metrics, spans},
};
use time::OffsetDateTime;

use crate::{
    Context,
    notifications::{
        destination::Destination,
        failure::{Failure, Remedy},
    },
    retry_policy,
};

/// An endpoint that has failed for so long is switched off.
const LASTING: time::Duration = time::Duration::days(3);
/// That a working endpoint works is noted no more often.
const NOTED: time::Duration = time::Duration::minutes(1);
/// Between tries to write down what came of an attempt: a lost word would have it made again.
const PAUSES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether the lane should look for more of the same checkout.
pub enum Next {
    /// It may be due.
    GoOn,
    /// It is not.
    Stop,
}

/// Delivers, and writes down what came of it.
pub async fn attempt(
    context: &Context,
    destination: &Destination,
    (delivery, notification): (outbox_delivery::Model, outbox::Model),
) -> Next {
    let traced = spans::deliver(
        destination.channel(),
        &notification.id.to_string(),
        notification.traceparent.as_deref(),
    );
    let outcome = destination.deliver(context, &notification, &traced).await;
    if outcome.is_err() {
        spans::failed(&traced);
    }
    drop(traced);
    failpoint::crash_at("delivery_before_done");
    let now = (context.clock)();
    let channel = destination.channel();
    let tier = match &outcome {
        Err(failure) if failure.next == Remedy::Later => {
            retry_policy::tier(i64::from(delivery.attempts))
        }
        Ok(()) | Err(_) => None,
    };
    match (&outcome, tier) {
        (Ok(()), _) => {
            metrics::delivered(channel, elapsed(notification.created_at, now));
            tracing::debug!(notification.id = %notification.id, destination = destination.name(), "Delivered");
        }
        (Err(failure), tier) => {
            let next = if tier.is_some() { "retry" } else { "given_up" };
            metrics::not_delivered(channel, next);
            tracing::warn!(
                notification.id = %notification.id,
                destination = destination.name(),
                failure = failure.words,
                next,
                "Not delivered"
            );
        }
    }
    let pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(PAUSES);
    let may_pass = |error: &DbErr| db::trouble(error) != Trouble::Lasting;
    let noted = retry::retry(pauses, may_pass, async || {
        let again = tier.map(|tier| now.saturating_add(span(retry::spread(tier.delay()))));
        note(context, &delivery, outcome.as_ref().err(), again, now).await?;
        if let Destination::Endpoint(endpoint) = destination {
            note_endpoint(context, endpoint, outcome.as_ref().err(), now).await?;
        }
        Ok(())
    });
    if let Err(error) = noted.await {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(
            error,
            "Cannot write down what came of a delivery; it is made again"
        );
    }
    failpoint::crash_at("delivery_after_done");
    if tier.is_some() {
        Next::Stop
    } else {
        Next::GoOn
    }
}

/// - `again`: when it is tried again, if it failed and is not given up.
async fn note(
    context: &Context,
    delivery: &outbox_delivery::Model,
    failure: Option<&Failure>,
    again: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let words = failure.map(|it| it.words.clone());
    let attempts = delivery.attempts.saturating_add(failure.is_some().into());
    let update = outbox_delivery::Entity::update_many()
        .col_expr(Column::Attempts, Expr::value(attempts))
        .col_expr(Column::LastError, Expr::value(words));
    let update = match again {
        Some(due_at) => update.col_expr(Column::DueAt, Expr::value(due_at)),
        None => update.col_expr(Column::DoneAt, Expr::value(now)),
    };
    update
        .filter(Column::OutboxId.eq(delivery.outbox_id))
        .filter(Column::Destination.eq(delivery.destination.as_str()))
        .filter(Column::DoneAt.is_null())
        .exec(&db::writer(&context.db).await?)
        .await?;
    Ok(())
}

async fn note_endpoint(
    context: &Context,
    endpoint: &endpoint::Model,
    failure: Option<&Failure>,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    use endpoint::Column;
    let update = endpoint::Entity::update_many().filter(Column::Id.eq(endpoint.id.as_str()));
    let Some(failure) = failure else {
        let is_news = Condition::any()
            .add(Column::FailingSince.is_not_null())
            .add(Column::LastSuccessAt.is_null())
            .add(Column::LastSuccessAt.lt(now.saturating_sub(NOTED)));
        update
            .col_expr(Column::LastSuccessAt, Expr::value(now))
            .col_expr(Column::FailingSince, Expr::value(None::<OffsetDateTime>))
            .col_expr(Column::LastError, Expr::value(None::<String>))
            .filter(is_news)
            .exec(&db::writer(&context.db).await?)
            .await?;
        return Ok(());
    };
    if failure.next == Remedy::GiveUp {
        return Ok(());
    }
    let lasting = Condition::any()
        .add(Expr::value(failure.next == Remedy::SwitchOff))
        .add(Column::FailingSince.lt(now.saturating_sub(LASTING)));
    let off = endpoint::Entity::update_many()
        .col_expr(Column::DisabledAt, Expr::value(now))
        .filter(Column::Id.eq(endpoint.id.as_str()))
        .filter(Column::DisabledAt.is_null())
        .filter(lasting)
        .exec(&db::writer(&context.db).await?)
        .await?;
    if off.rows_affected > 0 {
        tracing::error!(
            endpoint.id = endpoint.id,
            failure = failure.words,
            "An endpoint is switched off; `worker endpoint enable` has it told again"
        );
    }
    let since: SimpleExpr =
        Func::coalesce([Expr::col(Column::FailingSince), Expr::value(now)]).into();
    update
        .col_expr(Column::FailingSince, since)
        .col_expr(Column::LastError, Expr::value(failure.words.clone()))
        .exec(&db::writer(&context.db).await?)
        .await?;
    Ok(())
}

fn span(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::HOUR)
}
