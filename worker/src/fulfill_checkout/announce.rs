//! What happened to bookings and payments, as rows of the outbox: written by the transaction in which
//! it happens, and told from there.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use shared::db::{
    self,
    booking::{self, Status},
    offering,
    outbox::{self, Kind},
    slot,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::{
    booking_document::{BookingDocument, Slots},
    record::Draft,
};

/// The notifications about `drafts`, in the order of slots and checkouts.
///
/// - `traces`: of the messages that led to them, by checkout.
pub async fn announce(
    tx: &impl ConnectionTrait,
    drafts: impl Iterator<Item = &Draft>,
    traces: &HashMap<Uuid, &str>,
    now: OffsetDateTime,
) -> Result<Vec<outbox::Model>, DbErr> {
    let mut changed: Vec<(&Draft, Vec<Kind>)> = drafts
        .map(|draft| (draft, happened(draft)))
        .filter(|(_, kinds)| !kinds.is_empty())
        .collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    changed.sort_unstable_by_key(|(it, _)| (it.current.checkout.slot_id, it.current.checkout.id));
    let slots = slots(tx, &changed).await?;
    let mut rows = Vec::with_capacity(changed.len());
    for (draft, kinds) in changed {
        let mut sequence = draft.persisted.announced;
        for kind in kinds {
            sequence = sequence.saturating_add(1);
            let row = notification(draft, kind, sequence, &slots, now)?;
            rows.extend(row.map(|row| outbox::Model {
                traceparent: traces.get(&row.checkout_id).map(|it| (*it).to_owned()),
                ..row
            }));
        }
    }
    Ok(rows)
}

/// What is different from what the database had.
fn happened(Draft { current, persisted }: &Draft) -> Vec<Kind> {
    let Some(booking) = &current.booking else {
        return Vec::new();
    };
    let before = persisted.booking.as_ref();
    let refunded = |payment: &db::payment::Model| payment.amount_refunded_minor_units;
    let disputed = |payment: &db::payment::Model| payment.dispute_status;
    let (payment, payment_before) = (current.payment.as_ref(), persisted.payment.as_ref());
    let standing = |it: &booking::Model| (it.status, it.reason.clone());
    [
        // Money first: what follows from it is told after it.
        (
            payment.map_or(0, refunded) != payment_before.map_or(0, refunded),
            Kind::PaymentRefunded,
        ),
        (
            payment.and_then(disputed) != payment_before.and_then(disputed),
            Kind::PaymentDisputed,
        ),
        (
            before.map(standing) != Some(standing(booking)),
            kind_of(booking.status),
        ),
        (
            before.is_some_and(|it| it.slot_id != booking.slot_id),
            Kind::BookingMoved,
        ),
    ]
    .into_iter()
    .filter_map(|(happened, kind)| happened.then_some(kind))
    .collect()
}

fn kind_of(status: Status) -> Kind {
    match status {
        Status::Confirmed => Kind::BookingConfirmed,
        Status::RefundPending => Kind::BookingRefundPending,
        Status::NeedsAttention => Kind::BookingNeedsAttention,
        Status::Cancelled => Kind::BookingCancelled,
    }
}

fn notification(
    draft: &Draft,
    kind: Kind,
    sequence: i32,
    slots: &Slots,
    now: OffsetDateTime,
) -> Result<Option<outbox::Model>, DbErr> {
    let id = Uuid::now_v7();
    let Some(document) = BookingDocument::new(draft, (id, kind, sequence), slots, now) else {
        return Ok(None);
    };
    let document = serde_json::to_string(&document);
    Ok(Some(outbox::Model {
        id,
        kind,
        checkout_id: draft.current.checkout.id,
        sequence,
        document: document.map_err(|error| DbErr::Json(error.to_string()))?,
        created_at: now,
        due_at: now,
        done_at: None,
        traceparent: None,
    }))
}

async fn slots(tx: &impl ConnectionTrait, changed: &[(&Draft, Vec<Kind>)]) -> Result<Slots, DbErr> {
    let of = |booking: &Option<booking::Model>| booking.as_ref().and_then(|it| it.slot_id);
    let mut ids: Vec<Uuid> = changed
        .iter()
        .flat_map(|(draft, _)| [of(&draft.current.booking), of(&draft.persisted.booking)])
        .flatten()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = slot::Entity::find()
        .find_also_related(offering::Entity)
        .filter(db::one_of(tx.get_database_backend(), slot::Column::Id, ids))
        .all(tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.0.id, row)).collect())
}
