//! Our side of an audit: payments that Stripe has to know, bookings that have to be paid, and what waits.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement,
};
use shared::{
    db::{
        self, booking, checkout,
        dispute::{
            self,
            Status::{NeedsResponse, WarningNeedsResponse},
        },
        owed_refund, payment, slot,
    },
    stripe::{checkout_session::CheckoutSession, error::StripeError},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    job_error::JobError,
    operator::{
        audit::{
            report::{Audit, Difference, Waiting, What},
            window::first_id,
        },
        dead_letters,
        words::written,
    },
    reconcile::count,
};

/// Payments read at once.
const PAGE: u64 = 1000;

/// Payments here that Stripe must have as well.
pub async fn payments(
    context: &Context,
    since: OffsetDateTime,
    paid_at_stripe: &HashSet<String>,
    audit: &mut Audit,
) -> Result<(), JobError> {
    let mut last = first_id(since);
    loop {
        let tx = db::begin_long_read(&context.db).await?;
        let rows = payment::Entity::find()
            .inner_join(checkout::Entity)
            .filter(checkout::Column::CreatedAt.gte(since))
            .filter(payment::Column::Id.gt(last))
            .order_by_asc(payment::Column::Id)
            .limit(PAGE)
            .all(&tx)
            .await?;
        tx.commit().await?;
        let Some(end) = rows.last() else {
            return Ok(());
        };
        last = end.id;
        for row in &rows {
            count(&mut audit.payments);
            if paid_at_stripe.contains(&row.session_id)
                || is_paid_after_all(context, &row.session_id).await?
            {
                continue;
            }
            audit.differences.push(Difference {
                what: What::NotPaidAtStripe,
                subject: row.session_id.clone(),
                expected: "nothing".to_owned(),
                found: written(row.amount_minor_units, &row.currency),
            });
        }
    }
}

/// Whether a session that we think is paid is paid, though the list did not show it: it may be
/// from before the time that was looked at.
async fn is_paid_after_all(context: &Context, session_id: &str) -> Result<bool, JobError> {
    let Ok(id) = session_id.parse() else {
        return Ok(false);
    };
    match context.stripe.retrieve_checkout_session(&id).await {
        Ok(session) => Ok(session.is_paid()),
        Err(StripeError::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[derive(FromQueryResult)]
struct UnpaidBooking {
    reference: String,
}

/// Bookings since `since` without a payment.
pub async fn bookings(
    context: &Context,
    since: OffsetDateTime,
    audit: &mut Audit,
) -> Result<(), DbErr> {
    // Each by its key: for a join, PostgreSQL may read all payments there ever were.
    const UNPAID: &str = "SELECT reference FROM booking WHERE id >= $1 \
         AND (SELECT count(*) FROM payment WHERE payment.checkout_id = booking.checkout_id) = 0";
    let tx = db::begin_long_read(&context.db).await?;
    let backend = tx.get_database_backend();
    let unpaid = Statement::from_sql_and_values(backend, UNPAID, [first_id(since).into()]);
    let rows = UnpaidBooking::find_by_statement(unpaid).all(&tx).await?;
    tx.commit().await?;
    for row in rows {
        audit.differences.push(Difference {
            what: What::BookingUnpaid,
            subject: format!("booking {}", row.reference),
            expected: "a payment".to_owned(),
            found: "nothing".to_owned(),
        });
    }
    Ok(())
}

/// A paid session that names a slot of ours and has no hold: the database lost it, as after a
/// restore.
pub async fn lost_hold(
    context: &Context,
    session: &CheckoutSession,
) -> Result<Option<Difference>, DbErr> {
    let slot_id = session.metadata.get("slot_id");
    let slot_id = slot_id.and_then(|id| Uuid::parse_str(id).ok());
    let Some(slot_id) = slot_id.filter(|_| session.is_paid()) else {
        return Ok(None);
    };
    let slot = slot::Entity::find_by_id(slot_id).one(&context.db).await?;
    Ok(slot.map(|slot| Difference {
        what: What::HoldMissing,
        subject: session.id.clone(),
        expected: format!("a hold on slot {}", slot.id),
        found: "nothing".to_owned(),
    }))
}

/// Disputes in these states are lost if the merchant says nothing.
const TO_ANSWER: [dispute::Status; 2] = [WarningNeedsResponse, NeedsResponse];

/// Confirmed bookings whose whole payment is lost to disputes.
async fn charged_back(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    // From the disputes, which are few.
    const LOST: &str = "WITH lost AS (\
             SELECT checkout_id, currency, SUM(amount_minor_units) AS amount_minor_units FROM dispute \
             WHERE status = 'lost' OR (status = 'prevented' AND funds_withdrawn AND NOT funds_reinstated) \
             GROUP BY checkout_id, currency) \
         SELECT booking.reference FROM lost \
         JOIN payment ON payment.checkout_id = lost.checkout_id AND payment.currency = lost.currency \
         JOIN booking ON booking.checkout_id = lost.checkout_id AND booking.status = 'confirmed' \
         WHERE payment.amount_minor_units <= payment.amount_refunded_minor_units + lost.amount_minor_units";
    let lost = Statement::from_string(db.get_database_backend(), LOST);
    let rows = db.query_all_raw(lost).await?;
    Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}

/// What waits for an operator.
pub async fn waiting(db: &impl ConnectionTrait) -> Result<Waiting, DbErr> {
    Ok(Waiting {
        needs_attention: booking::needing_attention().count(db).await?,
        refunds_owed: owed_refund::Entity::find()
            .filter(owed_refund::Column::DoneAt.is_null())
            .count(db)
            .await?,
        dead_letters: dead_letters::count_open(db).await?,
        disputes_to_answer: dispute::Entity::find()
            .filter(dispute::Column::Status.is_in(TO_ANSWER))
            .count(db)
            .await?,
        charged_back: charged_back(db).await?,
    })
}
