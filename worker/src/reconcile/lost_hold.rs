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

use crate::{Context, job_error::JobError, reconcile::patience::patiently};

/// A hold that is not here.
pub struct LostHold {
    row: checkout::Model,
    slot: Option<slot::Model>,
    is_paid: bool,
    /// All of it went back: its seats are another's.
    is_refunded: bool,
}

/// Whether `session` looks like one that we made and that is or may become a payment.
pub fn may_be_ours(session: &CheckoutSession) -> bool {
    let is_over = session.status == Some(Status::Expired) && !session.is_paid();
    session.metadata.contains_key("checkout_id") && !is_over
}

/// The hold that `session` had, as far as it tells.
///
/// - `origins`: where buyers of this shop come back to. What is sold without a slot has nothing else by which
///   it is ours.
///
/// Returns `None` if it is another shop's, or for a slot that is not here.
pub async fn find(
    context: &Context,
    session: &CheckoutSession,
    origins: &[String],
) -> Result<Option<LostHold>, JobError> {
    let Ok(id) = session.id.parse() else {
        return Ok(None);
    };
    let details = patiently(|| context.stripe.checkout_session_details(&id)).await?;
    let Some(mut row) = row(&details) else {
        return Ok(None);
    };
    let slot = seats::slot_of(&context.db, &row).await?;
    let is_ours = match row.slot_id {
        Some(_) => slot.is_some(),
        None => details
            .success_url()
            .is_some_and(|url| leads_to(url, origins)),
    };
    if let Some(slot) = &slot {
        // A hold ends at the latest when its slot begins.
        row.expires_at = row.expires_at.min(slot.starts_at.truncate_to_second());
    }
    if slot.as_ref().is_none_or(|slot| slot.offering_id.is_none()) {
        row.line_items = Some(one_item(&row));
    }
    let refunded = session.amount_refunded().unwrap_or_default();
    let hold = LostHold {
        is_paid: session.is_paid(),
        is_refunded: refunded > 0 && session.amount_total.is_some_and(|total| refunded >= total),
        row,
        slot,
    };
    Ok(is_ours.then_some(hold))
}

/// Makes it anew, with its seats if they are still there. What becomes of it is for the job that asks
/// Stripe: a payment without seats goes back, or waits for a person.
pub async fn make_anew(context: &Context, hold: &LostHold) -> Result<(), JobError> {
    let (row, now) = (&hold.row, (context.clock)());
    let tx = db::begin(&context.db).await?;
    let exists = OnConflict::column(checkout::Column::Id)
        .do_nothing()
        .to_owned();
    let made = checkout::Entity::insert(checkout::ActiveModel::from(row.clone()).reset_all())
        .on_conflict(exists)
        .exec_without_returning(&tx)
        .await?;
    if made == 0 {
        // Another run was first.
        return Ok(());
    }
    // A payment that came before the slot began counts, though it may have begun since.
    let at = if hold.is_paid { row.created_at } else { now };
    let wants_seats = !hold.is_refunded;
    let has_seats = wants_seats && seats::take_of(&tx, row, hold.slot.as_ref(), at).await?;
    if !has_seats && !hold.is_paid {
        // Not to be paid any more: it is ended when Stripe is asked.
        checkout::end_hold(&tx, row.id, now).await?;
    }
    tx.commit().await?;
    tracing::info!(checkout.id = %row.id, has_seats, "Made a lost hold anew");
    Ok(())
}

fn leads_to(url: &str, origins: &[String]) -> bool {
    let mut origins = origins.iter().map(|it| it.trim_end_matches('/'));
    origins.any(|origin| {
        let rest = url.strip_prefix(origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    })
}

/// What was sold, Stripe's list of line items has.
fn one_item(row: &checkout::Model) -> LineItems {
    LineItems(vec![LineItem {
        name: row.client_reference.clone().unwrap_or("Order".to_owned()),
        unit_amount: row.amount_minor_units,
        quantity: 1,
    }])
}

fn row(details: &SessionDetails) -> Option<checkout::Model> {
    let session = &details.session;
    let (slot_id, quantity) = details.seats()?;
    let metadata = details.site_metadata();
    (quantity > 0).then_some(())?;
    Some(checkout::Model {
        id: details.checkout_id()?,
        slot_id,
        quantity,
        line_items: None,
        options: None,
        amount_minor_units: session.amount_subtotal.or(session.amount_total)?,
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
        client: None,
        created_at: details.created_at()?,
        expires_at: details.expires_at()?,
        confirm_enqueued_at: None,
        stripe_checked_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_this_shops_by_its_whole_origin() {
        let ours = ["https://shop.example.com/".to_owned()];

        assert!(leads_to(
            "https://shop.example.com/payment-success?session_id=x",
            &ours
        ));
        assert!(leads_to("https://shop.example.com", &ours));
        assert!(!leads_to("https://shop.example.com.evil.example/", &ours));
        assert!(!leads_to("https://other.example.com/", &ours));
        assert!(!leads_to("https://shop.example.com/", &[]));
    }
}
