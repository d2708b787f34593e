//! What a message asks for, and the way from there to a plan.

use shared::{message::BookingCancel, stripe::id::CheckoutSessionId};

use crate::{
    Context,
    fulfill_checkout::{lock, outcome::NotOurs, update::Target},
    job_error::JobError,
    jobs::{
        asker::Asker, cancel_booking, confirm_checkout, payment_event::PaymentEvent, plan::Plan,
    },
};

/// What a message asks for.
#[derive(Debug)]
pub enum Job {
    /// The message said all there is to know.
    Planned(Plan),
    /// What the event says of a session is no use: a fault, if the session is ours.
    Faulty(Target, JobError),
    /// Ask Stripe about a session.
    Confirm(CheckoutSessionId, Asker),
    /// A buyer cancels.
    Cancel(BookingCancel),
    /// A payment went back, or was taken to the bank.
    Payment(Box<PaymentEvent>),
}

impl Job {
    /// Asks what it takes to know what is to change.
    pub(crate) async fn plan(self, context: &Context) -> Result<Plan, JobError> {
        match self {
            Self::Planned(plan) => Ok(plan),
            Self::Faulty(target, error) => match lock::find(&context.db, &target).await? {
                Some(_) => Err(error),
                // What another integration's sessions lack is no concern of ours.
                None => Ok(Plan::Ignore(NotOurs::Foreign)),
            },
            Self::Confirm(session_id, asker) => {
                confirm_checkout::plan(context, &session_id, asker).await
            }
            Self::Cancel(wish) => cancel_booking::plan(context, &wish).await,
            Self::Payment(event) => event.plan(context).await,
        }
    }
}
