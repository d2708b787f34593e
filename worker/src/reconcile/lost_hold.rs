//! Holds that a restored backup lacks, made anew from what Stripe's sessions tell of them. Only who says
//! that the database was restored asks for it: a session whose hold is not here is another shop's else.

use sea_orm::{ActiveModelTrait, EntityTrait, sea_query::OnConflict};
use serde_json::json;
use shared::{
    db::{
        self,
        checkout::{self, State},
        seats, slot,
    },
    line_item::{LineItem, LineItems},
    stripe::{
        checkout_session::{CheckoutSession, Status},
        session_details::SessionDetails,
    },
};
use time::OffsetDateTime;

use crate::{Context, job_error::JobError, reconcile::patience::patiently};

/// Whether `session` looks like one that we made and that is or may become a payment.
pub fn may_be_ours(session: &CheckoutSession) -> bool {
    let is_over = session.status == Some(Status::Expired) && !session.is_paid();
    session.metadata.contains_key("checkout_id") && !is_over
}

/// Makes the hold of a session anew, with its seats if they are still there. What becomes of it is for
/// the job that asks Stripe: a payment without seats goes back, or waits for a person.
///
/// Returns whether it was made.
pub async fn make_anew(context: &Context, session: &CheckoutSession) -> Result<bool, JobError> {
    let Ok(id) = session.id.parse() else {
        return Ok(false);
    };
    let details = patiently(|| context.stripe.checkout_session_details(&id)).await?;
    let Some(mut row) = row(&details) else {
        return Ok(false);
    };
    let tx = db::begin(&context.db).await?;
    let slot = seats::slot_of(&tx, &row).await?;
    // Of a slot that is not here it is another shop's, or one of a resource that was lost as well.
    if row.slot_id.is_some() && slot.is_none() {
        return Ok(false);
    }
    let now = (context.clock)();
    // A payment that came before the slot began counts, though it may have begun since.
    let is_paid = details.session.is_paid();
    let at = if is_paid { row.created_at } else { now };
    let has_seats = slot.as_ref().is_none_or(|slot| has_seats(slot, &row, at));
    if !has_seats && !is_paid {
        // Not to be paid any more: it is ended when Stripe is asked.
        row.expires_at = now;
    }
    let exists = OnConflict::column(checkout::Column::Id)
        .do_nothing()
        .to_owned();
    let made = checkout::Entity::insert(checkout::ActiveModel::from(row.clone()).reset_all())
        .on_conflict(exists)
        .exec_without_returning(&tx)
        .await?;
    if made == 0 {
        return Ok(false);
    }
    seats::take_of(&tx, &row, slot.as_ref(), at).await?;
    tx.commit().await?;
    tracing::info!(checkout.id = %row.id, "Made a lost hold anew");
    Ok(true)
}

fn has_seats(slot: &slot::Model, row: &checkout::Model, at: OffsetDateTime) -> bool {
    let free = slot.capacity.saturating_sub(slot.seats_taken);
    free >= row.quantity && slot.starts_at > at && !slot.closed
}

fn row(details: &SessionDetails) -> Option<checkout::Model> {
    let session = &details.session;
    let (slot_id, quantity) = details.seats()?;
    let amount = session.amount_subtotal.or(session.amount_total)?;
    let metadata = details.site_metadata();
    // What was sold without a slot, Stripe's list of line items has.
    let sold = slot_id.is_none().then(|| {
        LineItems(vec![LineItem {
            name: details.client_reference().unwrap_or("Order").to_owned(),
            unit_amount: amount,
            quantity: 1,
        }])
    });
    (quantity > 0).then_some(())?;
    Some(checkout::Model {
        id: details.checkout_id()?,
        slot_id,
        quantity,
        line_items: sold,
        options: None,
        amount_minor_units: amount,
        currency: session.currency.clone()?,
        customer_name: details.name().or(details.email())?.to_owned(),
        customer_email: details.email()?.to_owned(),
        locale: None,
        state: State::Open,
        seats_held: false,
        session_id: Some(session.id.clone()),
        checkout_url: session.url.clone(),
        idempotency_key: None,
        request_hash: None,
        order_fingerprint: None,
        client_reference: details.client_reference().map(str::to_owned),
        metadata: (!metadata.is_empty()).then(|| json!(metadata)),
        created_at: details.created_at()?,
        expires_at: details.expires_at()?,
        confirm_enqueued_at: None,
        stripe_checked_at: None,
    })
}
