//! Giving payments back that have no booking: what a transaction owes in `owed_refund`
//! is done here, outside of it.
//!
//! An owed refund is taken by moving its `due_at` on, so that another worker does not take it as
//! well; a worker that dies in between leaves it to the next, which learns from Stripe that it is done.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockBehavior, LockType},
};
use shared::{
    db::{self, dispute, owed_refund, payment},
    service::failpoint,
    stripe::error::StripeError,
};
use uuid::Uuid;

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        decide::reason,
        update::{Change, Target},
    },
    job_error::JobError,
    jobs::{self, plan::Plan},
    maintenance::call_refund::call_refund,
    outage::{dependency::Dependency, probe},
};

/// For one try, with all tries of its calls: no other worker takes the refund meanwhile.
const LEASE: Duration = Duration::from_mins(2);
/// After a failure; it doubles from there.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_hours(1);
/// About a day. Then an operator has to look.
const ATTEMPTS: i32 = 30;

/// Makes the owed refunds that are due.
///
/// Returns how many were kept.
///
/// # Errors
///
/// [`JobError`] if the database is in trouble. What Stripe refuses is noted in the row.
pub async fn refund_payments(context: &Context) -> Result<usize, JobError> {
    let mut kept: usize = 0;
    // One at a time: a lease has to last for one try only.
    while !context.breakers.is_open(Dependency::Stripe)
        && let Some(owed) = take(context).await?
    {
        match refund_payment(context, &owed).await {
            Ok(Attempt::Made) => kept = kept.saturating_add(1),
            Ok(Attempt::Disputed) => wait_for_verdict(context, &owed).await?,
            // For lack of funds, say. What is owed stays owed, so it is tried again for a day.
            Ok(Attempt::Refused(error)) => postpone(context, &owed, &error, true, false).await?,
            Err(error) => {
                // Stripe may have made it before the site's function refused to write it down.
                let refused_here = error.code() == FailureCode::HookFailed;
                let charged = !refused_here && !probe::is_outage(context, &error).await;
                let for_good = !error.code().is_retryable();
                postpone(context, &owed, &error, charged, for_good).await?;
            }
        }
    }
    Ok(kept)
}

async fn take(context: &Context) -> Result<Option<owed_refund::Model>, DbErr> {
    let now = (context.clock)();
    let tx = db::begin(&context.db).await?;
    let due = owed_refund::Entity::find()
        .filter(owed_refund::Column::DoneAt.is_null())
        .filter(owed_refund::Column::DueAt.lte(now))
        .order_by_asc(owed_refund::Column::DueAt)
        .limit(1)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(&tx)
        .await?;
    if let Some(owed) = &due {
        let taken = owed_refund::ActiveModel {
            due_at: Set(now.saturating_add(span(LEASE))),
            attempts: Set(owed.attempts.saturating_add(1)),
            ..owed.clone().into()
        };
        taken.update(&tx).await?;
    }
    tx.commit().await?;
    Ok(due)
}

/// What came of a try.
enum Attempt {
    Made,
    /// The buyer's bank has the money until there is a verdict; Stripe gives nothing back.
    Disputed,
    /// Stripe does not make the refund.
    Refused(JobError),
}

/// Gives back what is owed of the payment, and writes down what Stripe says.
async fn refund_payment(context: &Context, owed: &owed_refund::Model) -> Result<Attempt, JobError> {
    let checkout_id = owed.checkout_id;
    let payment = payment::Entity::find()
        .filter(payment::Column::CheckoutId.eq(checkout_id))
        .one(&context.db)
        .await?;
    let intent = payment
        .as_ref()
        .and_then(|it| it.payment_intent_id.as_deref());
    let (Some(payment), Some(intent)) = (&payment, intent) else {
        let why = "the payment has no PaymentIntent";
        return Err(JobError::new(FailureCode::NoPaymentIntent, why));
    };
    if is_contested(context, checkout_id).await? {
        return Ok(Attempt::Disputed);
    }
    check_ownership(context, payment, intent).await?;
    let refunds = match call_refund(context, payment, intent, owed).await? {
        Ok(refunds) => refunds,
        Err(refused) => return Ok(Attempt::Refused(refused)),
    };
    failpoint::crash_at("refund_after_call");
    let target = Target::Checkout(checkout_id);
    let plan = Plan::one(
        target,
        Change::OwedRefundEnded {
            name: owed.name(),
            refunds,
        },
        None,
    );
    let outcomes = jobs::commit(context, &[plan]).await?;
    let outcome = outcomes.first().map(|outcome| outcome.as_str());
    tracing::info!(checkout.id = %checkout_id, outcome, "Payment refunded");
    Ok(Attempt::Made)
}

async fn is_contested(context: &Context, checkout_id: Uuid) -> Result<bool, DbErr> {
    let disputes = dispute::Entity::find()
        .filter(dispute::Column::CheckoutId.eq(checkout_id))
        .all(&context.db)
        .await?;
    Ok(disputes.iter().any(|row| row.status.is_contested()))
}

/// Asks Stripe whether the money is this checkout's, whatever a message has said: the session has
/// to name the checkout, to be paid, and to be paid by this PaymentIntent and with this amount.
async fn check_ownership(
    context: &Context,
    payment: &payment::Model,
    intent: &str,
) -> Result<(), JobError> {
    let why = "Stripe does not know the payment as this checkout's";
    let not_ours = || JobError::new(FailureCode::PaymentNotOurs, why);
    let session_id = payment.session_id.parse().map_err(|_| not_ours())?;
    let session = context
        .stripe()?
        .retrieve_checkout_session(&session_id)
        .await;
    let session = match session {
        Err(StripeError::NotFound) => return Err(not_ours()),
        answer => answer?,
    };
    let ours = session.is_paid()
        && session.checkout_id() == Some(payment.checkout_id)
        && session.payment_intent_id() == Some(intent)
        && session.amount_total == Some(payment.amount_minor_units)
        && session.currency.as_deref() == Some(payment.currency.as_str());
    if ours { Ok(()) } else { Err(not_ours()) }
}

/// Looks again in an hour. Nothing is charged: a verdict may take months.
async fn wait_for_verdict(context: &Context, owed: &owed_refund::Model) -> Result<(), DbErr> {
    let due_at = (context.clock)().saturating_add(span(LONGEST_RETRY));
    owed_refund::Entity::update_many()
        .col_expr(
            owed_refund::Column::LastError,
            Expr::value(reason::DISPUTED),
        )
        .col_expr(owed_refund::Column::DueAt, Expr::value(due_at))
        .col_expr(owed_refund::Column::Attempts, Expr::value(owed.attempts))
        .filter(owed_refund::Column::CheckoutId.eq(owed.checkout_id))
        // And not of a debt that took its place.
        .filter(owed_refund::Column::CreatedAt.eq(owed.created_at))
        .filter(owed_refund::Column::DoneAt.is_null())
        .exec(&db::writer(&context.db).await?)
        .await?;
    Ok(())
}

/// Tries again later; or gives up and says so where an operator looks.
///
/// - `charged`: whether the attempt counts, because nothing was down.
/// - `for_good`: whether it would fail in the same way again.
async fn postpone(
    context: &Context,
    owed: &owed_refund::Model,
    error: &JobError,
    charged: bool,
    for_good: bool,
) -> Result<(), JobError> {
    let attempts = owed.attempts.saturating_add(charged.into());
    let over = for_good || attempts > ATTEMPTS;
    tracing::warn!(error = error.chain(), code = error.code().as_str(), over, checkout.id = %owed.checkout_id, "Refund failed");
    let now = (context.clock)();
    owed_refund::Entity::update_many()
        .col_expr(
            owed_refund::Column::LastError,
            Expr::value(error.code().as_str()),
        )
        .col_expr(
            owed_refund::Column::DueAt,
            Expr::value(now.saturating_add(pause(owed.attempts))),
        )
        .col_expr(owed_refund::Column::Attempts, Expr::value(attempts))
        .filter(owed_refund::Column::CheckoutId.eq(owed.checkout_id))
        // And not of a debt that took its place.
        .filter(owed_refund::Column::CreatedAt.eq(owed.created_at))
        // Another worker may have made it after our lease.
        .filter(owed_refund::Column::DoneAt.is_null())
        .exec(&db::writer(&context.db).await?)
        .await?;
    if over {
        // Nothing went back: a booking that waits for it needs an operator.
        let target = Target::Checkout(owed.checkout_id);
        let given_up = Change::OwedRefundEnded {
            name: owed.name(),
            refunds: Vec::new(),
        };
        match jobs::commit(context, &[Plan::one(target, given_up, None)]).await {
            // Again later: other refunds shall not wait for the site's function.
            Err(error) if error.code() == FailureCode::HookFailed => {
                tracing::warn!(error = error.chain(), checkout.id = %owed.checkout_id, "Cannot give a refund up");
            }
            committed => drop(committed?),
        }
    }
    Ok(())
}

fn pause(attempts: i32) -> time::Duration {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or_default();
    let pause = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(doublings));
    span(shared::retry::spread(pause.min(LONGEST_RETRY)))
}

fn span(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_an_hour() {
        let minutes: Vec<_> = (0..10)
            .map(|attempt| pause(attempt).whole_minutes())
            .collect();

        assert!(minutes[0] < 1 && minutes[3] >= 4, "{minutes:?}");
        assert!(minutes.iter().all(|pause| *pause <= 72), "{minutes:?}");
        assert!(pause(i32::MAX) <= time::Duration::minutes(72));
    }
}
