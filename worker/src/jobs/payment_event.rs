//! Events about what became of a payment: refunds and disputes. They name a PaymentIntent, which
//! leads to the checkout it paid.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use shared::{
    db::payment,
    stripe::{
        charge::Charge, checkout_session::Expandable, dispute, error::StripeError,
        id::is_plausible_id, metadata, refund::Refund,
    },
};
use uuid::Uuid;

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        outcome::NotOurs,
        update::{Change, Dispute, EventRef, Target},
    },
    job_error::JobError,
    jobs::plan::Plan,
};

const CHARGE_IDS: [&str; 2] = ["ch_", "py_"];
const REFUND_IDS: [&str; 2] = ["re_", "pyr_"];
const DISPUTE_IDS: [&str; 2] = ["du_", "dp_"];

/// An event about a payment.
#[derive(Debug)]
pub struct PaymentEvent {
    pub object: PaymentObject,
    pub event: EventRef,
}

/// What the event is about.
#[derive(Debug)]
pub enum PaymentObject {
    /// `charge.refunded`
    Charge(Named<Charge>),
    /// `refund.*`, `charge.refund.updated`
    Refund(Named<Refund>),
    /// `charge.dispute.*`
    Dispute(Named<dispute::Dispute>),
}

/// An object that the event brought along, or the id of one.
#[derive(Debug)]
pub enum Named<T> {
    Object(T),
    Id(String),
}

impl<T> Named<T> {
    /// - `retrieve`: asks Stripe for the object with this id.
    async fn retrieve(
        self,
        prefixes: &[&str],
        retrieve: impl AsyncFnOnce(&str) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        match self {
            Self::Object(object) => Ok(object),
            Self::Id(id) => {
                check_id(prefixes, &id)?;
                retrieve(&id).await
            }
        }
    }
}

impl PaymentEvent {
    /// Finds the checkout, and asks what the event leaves open.
    pub async fn plan(self, context: &Context) -> Result<Plan, JobError> {
        match self.object {
            PaymentObject::Charge(named) => {
                let stripe = async |id: &str| Ok(context.stripe()?.charge(id).await?);
                let charge = named.retrieve(&CHARGE_IDS, stripe).await?;
                let Some((id, intent)) = paid(context, charge.payment_intent.as_ref()).await?
                else {
                    return Ok(Plan::Ignore(NotOurs::Foreign));
                };
                let refunds = match charge.all_refunds() {
                    Some(refunds) => refunds,
                    None => context.stripe()?.refunds_of(&intent).await?,
                };
                for refund in &refunds {
                    check_id(&REFUND_IDS, &refund.id)?;
                }
                let said = Change::Refunds(refunds);
                Ok(Plan::one(Target::Checkout(id), said, Some(self.event)))
            }
            PaymentObject::Refund(named) => {
                let stripe = async |id: &str| Ok(context.stripe()?.retrieve_refund(id).await?);
                let refund = named.retrieve(&REFUND_IDS, stripe).await?;
                let Some((id, _)) = paid(context, refund.payment_intent.as_ref()).await? else {
                    return Ok(Plan::Ignore(NotOurs::Foreign));
                };
                check_id(&REFUND_IDS, &refund.id)?;
                let said = Change::Refunds(vec![refund]);
                Ok(Plan::one(Target::Checkout(id), said, Some(self.event)))
            }
            PaymentObject::Dispute(named) => {
                let stripe = async |id: &str| Ok(context.stripe()?.retrieve_dispute(id).await?);
                let told = named.retrieve(&DISPUTE_IDS, stripe).await?;
                let Some((id, _)) = paid(context, told.payment_intent.as_ref()).await? else {
                    return Ok(Plan::Ignore(NotOurs::Foreign));
                };
                let said = dispute_as_it_is(context, told, &self.event.kind).await?;
                Ok(Plan::one(Target::Checkout(id), said, Some(self.event)))
            }
        }
    }
}

/// What the event brings along is not believed: neither amount nor verdict of a dispute only moves
/// forward, so that an event which comes late would take them back.
async fn dispute_as_it_is(
    context: &Context,
    told: dispute::Dispute,
    event_type: &str,
) -> Result<Change, JobError> {
    check_id(&DISPUTE_IDS, &told.id)?;
    let asked_at = (context.clock)();
    let mut dispute = match context.stripe()?.retrieve_dispute(&told.id).await {
        Ok(dispute) => Dispute::new(dispute, Some(asked_at)),
        // Then the event is all there is to go by.
        Err(StripeError::NotFound) => Dispute::new(told, None),
        Err(error) => return Err(error.into()),
    };
    dispute.funds_withdrawn |= event_type.ends_with(".funds_withdrawn");
    dispute.funds_reinstated |= event_type.ends_with(".funds_reinstated");
    Ok(Change::Disputes(vec![dispute]))
}

fn check_id(prefixes: &[&str], id: &str) -> Result<(), JobError> {
    if is_plausible_id(prefixes, id) {
        return Ok(());
    }
    let why = "an id that is none of Stripe's";
    Err(JobError::new(FailureCode::MalformedEvent, why))
}

/// The checkout that a PaymentIntent paid, with the PaymentIntent's id; `None` if it is another
/// integration's. Stripe knows it if we have not heard of the payment yet.
async fn paid(
    context: &Context,
    payment_intent: Option<&Expandable>,
) -> Result<Option<(Uuid, String)>, JobError> {
    // Payments of Checkout always have a PaymentIntent.
    let Some(intent) = payment_intent.map(Expandable::id) else {
        return Ok(None);
    };
    check_id(&["pi_"], intent)?;
    let payment = payment::Entity::find()
        .filter(payment::Column::PaymentIntentId.eq(intent))
        .one(&context.db)
        .await?;
    let checkout_id = match payment {
        Some(payment) => Some(payment.checkout_id),
        None => match context.stripe()?.payment_intent(intent).await {
            Ok(Expandable::Object { metadata, .. }) => metadata
                .get(metadata::CHECKOUT_ID)
                .and_then(|id| Uuid::parse_str(id).ok()),
            Ok(Expandable::Id(_)) | Err(StripeError::NotFound) => None,
            Err(error) => return Err(error.into()),
        },
    };
    Ok(checkout_id.map(|id| (id, intent.to_owned())))
}
