//! What others were told of a booking, and who has it.

use std::fmt;

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use shared::db::{outbox, outbox_delivery};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::operator::words::{counted, moment};

/// A notification.
pub struct Told {
    notification: outbox::Model,
    pub(super) deliveries: Vec<Delivery>,
}

/// It on its way to a destination.
pub struct Delivery(outbox_delivery::Model);

/// A notification, for programs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationView {
    id: Uuid,
    /// Such as `booking.confirmed`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Among those of its booking.
    sequence: i32,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    handed_on_at: Option<OffsetDateTime>,
    deliveries: Vec<DeliveryView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DeliveryView {
    /// An endpoint's id, or `mail:buyer` or `mail:merchant`.
    destination: String,
    attempts: i32,
    last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    done_at: Option<OffsetDateTime>,
    delivered: bool,
}

/// What there is about the checkout `id`, in its order.
pub async fn told(db: &impl ConnectionTrait, id: Uuid) -> Result<Vec<Told>, DbErr> {
    let rows = outbox::Entity::find()
        .filter(outbox::Column::CheckoutId.eq(id))
        .order_by_asc(outbox::Column::Sequence)
        .all(db)
        .await?;
    let ids = rows.iter().map(|it| it.id);
    let mut deliveries = outbox_delivery::Entity::find()
        .filter(outbox_delivery::Column::OutboxId.is_in(ids))
        .order_by_asc(outbox_delivery::Column::Destination)
        .all(db)
        .await?;
    let mut told = Vec::with_capacity(rows.len());
    for notification in rows {
        let (mine, rest) = deliveries
            .into_iter()
            .partition(|it| it.outbox_id == notification.id);
        deliveries = rest;
        let mine: Vec<_> = mine;
        told.push(Told {
            notification,
            deliveries: mine.into_iter().map(Delivery).collect(),
        });
    }
    Ok(told)
}

impl Told {
    pub(super) fn view(&self) -> NotificationView {
        let it = &self.notification;
        NotificationView {
            id: it.id,
            kind: it.kind.as_str(),
            sequence: it.sequence,
            at: it.created_at,
            handed_on_at: it.done_at,
            deliveries: self.deliveries.iter().map(Delivery::view).collect(),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.notification;
        write!(out, "{}  {}", moment(it.created_at), it.kind.as_str())?;
        if it.done_at.is_none() {
            write!(out, ", not handed on yet")?;
        }
        write!(out, " {}", it.id)
    }
}

impl Delivery {
    fn view(&self) -> DeliveryView {
        let it = &self.0;
        DeliveryView {
            destination: it.destination.clone(),
            attempts: it.attempts,
            last_error: it.last_error.clone(),
            done_at: it.done_at,
            delivered: it.done_at.is_some() && it.last_error.is_none(),
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.0;
        let failures = counted(it.attempts, "failure");
        match (it.done_at, it.last_error.as_deref()) {
            (Some(at), None) => write!(out, "{} has it since {}", it.destination, moment(at)),
            (Some(at), Some(error)) => write!(
                out,
                "{} given up {} after {failures}: {error}",
                it.destination,
                moment(at)
            ),
            (None, Some(error)) => write!(
                out,
                "{} again {} after {failures}: {error}",
                it.destination,
                moment(it.due_at)
            ),
            (None, None) => write!(out, "{} is on its way", it.destination),
        }
    }
}
