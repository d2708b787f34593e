//! A buyer cancels by the link from the mail: what ingress told them comes back does.

use sea_orm::EntityTrait;
use shared::{db::booking, message::BookingCancel};

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        intervention::{Intervention, Kind, Share, Wish},
        outcome::NotOurs,
        update::{Change, Target},
    },
    job_error::JobError,
    jobs::plan::Plan,
};

/// Not signed with any of `LINK_SECRET`.
#[derive(Debug, thiserror::Error)]
#[error("the cancellation is not signed with one of LINK_SECRET")]
struct Unsigned;

/// What the buyer was told is kept to, however long the message has waited: when they clicked counts.
pub async fn plan(context: &Context, wish: &BookingCancel) -> Result<Plan, JobError> {
    if !context.link_secrets.verify_cancellation(wish) {
        return Err(JobError::new(FailureCode::Forged, Unsigned));
    }
    let booking = booking::Entity::find_by_id(wish.booking_id);
    let Some(booking) = booking.one(&context.db).await? else {
        return Ok(Plan::Ignore(NotOurs::Foreign));
    };
    let change = Change::Decided(Intervention {
        kind: Kind::Cancel {
            wish: Wish::Buyer,
            refund: Share::UpTo(wish.refund_amount),
        },
        by: "the buyer".to_owned(),
        why: "by the link in the mail".to_owned(),
    });
    Ok(Plan::one(
        Target::Checkout(booking.checkout_id),
        change,
        None,
    ))
}
