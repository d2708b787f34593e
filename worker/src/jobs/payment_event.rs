//! Events about what became of a payment: refunds and disputes. They name a PaymentIntent, which
//! leads to the checkout it paid.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use shared::{
    db::payment,
    stripe::{
        charge::Charge,
        checkout_session::{Expandable, METADATA_CHECKOUT_ID},
        dispute,
        error::StripeError,
        id::is_plausible_id,
        refund,
    },
};
use uuid::Uuid;

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        fulfill_checkout,
        lock::Subject,
        update::{Dispute, EventRef, Fact, Fulfillment, NotOurs},
    },
    job_error::JobError,
    jobs::stripe_event::{About, id_of, object},
};

/// `charge.refunded`
pub async fn charge_refunded(
    context: &Context,
    about: About<'_>,
    event: &EventRef,
) -> Result<Fulfillment, JobError> {
    let charge: Charge = object(about, async |id| {
        check_id(&["ch_", "py_"], id)?;
        Ok(context.stripe()?.charge(id).await?)
    })
    .await?;
    let intent = id_of(charge.payment_intent.as_ref()).map(str::to_owned);
    let fact = async |intent: &str| match charge.all_refunds() {
        Some(refunds) => Ok(Fact::Refunds(refunds)),
        None => Ok(Fact::Refunds(context.stripe()?.refunds_of(intent).await?)),
    };
    about_payment(context, intent.as_deref(), fact, event).await
}

/// `refund.*`, `charge.refund.updated`
pub async fn refund(
    context: &Context,
    about: About<'_>,
    event: &EventRef,
) -> Result<Fulfillment, JobError> {
    let refund: refund::Refund = object(about, async |id| {
        check_id(&["re_", "pyr_"], id)?;
        Ok(context.stripe()?.retrieve_refund(id).await?)
    })
    .await?;
    let intent = id_of(refund.payment_intent.as_ref()).map(str::to_owned);
    let fact = async |_: &str| Ok(Fact::Refunds(vec![refund]));
    about_payment(context, intent.as_deref(), fact, event).await
}

/// `charge.dispute.*`. What the event brings along is not believed: neither amount nor verdict of
/// a dispute only moves forward, so that an event which comes late would take them back.
pub async fn dispute(
    context: &Context,
    about: About<'_>,
    event: &EventRef,
) -> Result<Fulfillment, JobError> {
    let told: dispute::Dispute = object(about, async |id| {
        check_id(&["du_", "dp_"], id)?;
        Ok(context.stripe()?.retrieve_dispute(id).await?)
    })
    .await?;
    let intent = id_of(told.payment_intent.as_ref()).map(str::to_owned);
    let fact = async |_: &str| {
        check_id(&["du_", "dp_"], &told.id)?;
        let asked_at = (context.clock)();
        let dispute = match context.stripe()?.retrieve_dispute(&told.id).await {
            Ok(dispute) => Dispute::new(dispute, Some(asked_at)),
            // Then the event is all there is to go by.
            Err(StripeError::NotFound) => Dispute::new(told, None),
            Err(error) => return Err(error.into()),
        };
        Ok(Fact::Disputes(vec![Dispute {
            funds_withdrawn: dispute.funds_withdrawn || event.kind.ends_with(".funds_withdrawn"),
            funds_reinstated: dispute.funds_reinstated || event.kind.ends_with(".funds_reinstated"),
            ..dispute
        }]))
    };
    about_payment(context, intent.as_deref(), fact, event).await
}

/// An id that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("an id that is none of Stripe's")]
struct OddId;

fn check_id(prefixes: &[&str], id: &str) -> Result<(), JobError> {
    if is_plausible_id(prefixes, id) {
        return Ok(());
    }
    Err(JobError::new(FailureCode::MalformedEvent, OddId))
}

/// - `fact`: made once it is known that the payment is ours, because it may cost a call.
async fn about_payment(
    context: &Context,
    payment_intent: Option<&str>,
    fact: impl AsyncFnOnce(&str) -> Result<Fact, JobError>,
    event: &EventRef,
) -> Result<Fulfillment, JobError> {
    let foreign = Ok(Fulfillment::NotOurs(NotOurs::Foreign));
    // Payments of Checkout always have a PaymentIntent.
    let Some(intent) = payment_intent else {
        return foreign;
    };
    check_id(&["pi_"], intent)?;
    let Some(checkout_id) = checkout_of(context, intent).await? else {
        return foreign;
    };
    let fact = fact(intent).await?;
    fulfill_checkout(context, Subject::Checkout(checkout_id), &fact, Some(event)).await
}

/// The checkout that a PaymentIntent paid; Stripe knows it if we have not heard of the
/// payment yet.
async fn checkout_of(context: &Context, intent: &str) -> Result<Option<Uuid>, JobError> {
    if let Some(payment) = payment_of(context, intent).await? {
        return Ok(Some(payment.checkout_id));
    }
    match context.stripe()?.payment_intent(intent).await {
        Ok(Expandable::Object { metadata, .. }) => Ok(metadata
            .get(METADATA_CHECKOUT_ID)
            .and_then(|id| Uuid::parse_str(id).ok())),
        Ok(Expandable::Id(_)) | Err(StripeError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn payment_of(context: &Context, intent: &str) -> Result<Option<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::Column::PaymentIntentId.eq(intent))
        .one(&context.db)
        .await
}
