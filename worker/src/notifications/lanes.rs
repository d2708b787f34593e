//! Deliveries, destination by destination: one that is slow or down keeps no other waiting.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, sea_query::Expr,
};
use shared::{
    db::{
        self, endpoint, outbox,
        outbox_delivery::{self, Column},
    },
    retry,
    service::failpoint,
};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    job_error::JobError,
    notifications::{
        delivery::{Next, attempt},
        destination::{self, Destination},
        heads::Lines,
        publish::GATHERING,
        wakes::next_look,
    },
};

/// Deliveries on their way to one destination at once, of each worker.
const AT_ONCE: usize = 32;
/// Longer than any attempt may take.
const LEASE: time::Duration = time::Duration::seconds(45);
/// After this long a lane ends, and the next one knows what has changed about the destination.
const LIFE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What happened to a checkout goes to each destination in its order.
const LINES: Lines<outbox_delivery::Entity, 2> = Lines {
    line: [Column::Destination, Column::CheckoutId],
    sequence: Column::Sequence,
    due_at: Column::DueAt,
    done_at: Column::DoneAt,
};

/// Delivers what is there, and what comes, until `shutdown`; then ends what is on its way.
pub async fn keep_delivering(context: &Context, shutdown: &CancellationToken) {
    let mut lanes = JoinSet::new();
    let mut busy: HashMap<Id, String> = HashMap::new();
    let mut pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        while let Some(ended) = lanes.try_join_next_with_id() {
            busy.remove(&ended.map_or_else(|panicked| panicked.id(), |(id, ())| id));
        }
        match due(context, &busy).await {
            Ok(due) => {
                pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                for destination in due {
                    let name = destination.name().to_owned();
                    let lane = lanes.spawn(run(context.clone(), destination, shutdown.clone()));
                    busy.insert(lane.id(), name);
                }
            }
            Err(error) => {
                let error = JobError::from(error);
                tracing::warn!(error = error.chain(), "Cannot look for deliveries");
                let pause = tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE));
                shutdown.run_until_cancelled(pause).await;
            }
        }
        // Each commit wakes: what comes together is taken together.
        let pause = tokio::time::sleep(GATHERING);
        shutdown.run_until_cancelled(pause).await;
        if !next_look(&context.wakes.deliveries, shutdown).await {
            break;
        }
    }
    lanes.join_all().await;
}

/// Destinations that something is due for, and no lane of this worker is `busy` with.
async fn due(context: &Context, busy: &HashMap<Id, String>) -> Result<Vec<Destination>, DbErr> {
    let mut due = Vec::new();
    for destination in destination::all(&context.db, context.mailer.as_ref()).await? {
        if !destination.is_on() || busy.values().any(|it| it == destination.name()) {
            continue;
        }
        let waiting = outbox_delivery::Entity::find()
            .filter(Column::DoneAt.is_null())
            .filter(Column::Destination.eq(destination.name()))
            .filter(Column::DueAt.lte((context.clock)()))
            .limit(1);
        if waiting.one(&context.db).await?.is_some() {
            due.push(destination);
        }
    }
    Ok(due)
}

/// Delivers to `destination` until nothing is due for it.
async fn run(context: Context, destination: Destination, shutdown: CancellationToken) {
    let begin = Instant::now();
    // Tasks, since none of them should stand still while more is taken.
    let mut on_their_way = JoinSet::new();
    let mut more = true;
    loop {
        let free = AT_ONCE.saturating_sub(on_their_way.len());
        let is_open = !shutdown.is_cancelled() && begin.elapsed() < LIFE;
        // Many at once, rather than one by one.
        if more && is_open && free >= AT_ONCE / 2 {
            match take(&context, &destination, free).await {
                Ok(taken) => {
                    more = !taken.is_empty();
                    for it in taken {
                        let (context, destination) = (context.clone(), destination.clone());
                        on_their_way
                            .spawn(async move { attempt(&context, &destination, it).await });
                    }
                }
                Err(error) => {
                    let error = JobError::from(error);
                    tracing::warn!(error = error.chain(), "Cannot take deliveries");
                    more = false;
                }
            }
        }
        match on_their_way.join_next().await {
            // Of a checkout, the next may be due now.
            Some(Ok(Next::GoOn)) => more = true,
            Some(Ok(Next::Stop) | Err(_)) => {}
            None => return,
        }
    }
}

/// Takes what is due, at most `limit`; nothing for an endpoint that was switched off since the lane began.
async fn take(
    context: &Context,
    destination: &Destination,
    limit: usize,
) -> Result<Vec<(outbox_delivery::Model, outbox::Model)>, DbErr> {
    let now = (context.clock)();
    let is_off = endpoint::Entity::find()
        .filter(endpoint::Column::Id.eq(destination.name()))
        .filter(endpoint::Column::DisabledAt.is_not_null());
    let tx = db::begin(&context.db).await?;
    let taken = LINES
        .heads(now)
        .filter(Column::Destination.eq(destination.name()))
        .filter(Expr::exists(is_off.into_query()).not())
        .order_by_asc(Column::OutboxId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .all(&tx)
        .await?;
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let ids = || taken.iter().map(|it| it.outbox_id);
    let backend = tx.get_database_backend();
    outbox_delivery::Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(now.saturating_add(LEASE)))
        .filter(Column::Destination.eq(destination.name()))
        .filter(db::one_of(backend, Column::OutboxId, ids()))
        .exec(&tx)
        .await?;
    let notifications = outbox::Entity::find()
        .filter(db::one_of(backend, outbox::Column::Id, ids()))
        .all(&tx)
        .await?;
    tx.commit().await?;
    failpoint::crash_at("delivery_after_take");
    let mut notifications: HashMap<_, _> =
        notifications.into_iter().map(|it| (it.id, it)).collect();
    let both = |delivery: outbox_delivery::Model| {
        let notification = notifications.remove(&delivery.outbox_id)?;
        Some((delivery, notification))
    };
    Ok(taken.into_iter().filter_map(both).collect())
}
