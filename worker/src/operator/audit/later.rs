//! What came after the payments: each refund and dispute at Stripe against ours, and the reverse.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::{
    db::{self, dispute, refund},
    stripe::error::StripeError,
};
use time::OffsetDateTime;

use crate::{
    Context,
    fulfill_checkout::record::CheckoutRecord,
    job_error::JobError,
    operator::{
        audit::report::{Audit, Difference, What},
        words::written,
    },
    reconcile::{checkout_lookup, count, differs, paid_by, patiently},
};

/// Rows read at once.
const PAGE: u64 = 1000;

/// Refunds, both ways.
pub async fn refunds(
    context: &Context,
    since: OffsetDateTime,
    audit: &mut Audit,
) -> Result<(), JobError> {
    let mut listed = HashSet::new();
    let mut after: Option<String> = None;
    loop {
        let list = || context.stripe.list_refunds(since, after.as_deref());
        let page = patiently(list).await?;
        let intents = page.items.iter().map(|it| it.payment_intent.as_ref());
        let ours = checkout_lookup::of_payments(&context.db, intents).await?;
        for there in &page.items {
            listed.insert(there.id.clone());
            let Some(entry) = paid_by(&ours, there.payment_intent.as_ref()) else {
                continue;
            };
            count(&mut audit.refunds);
            let here = entry.refunds.iter().find(|it| it.id == there.id);
            let found = here.map(|it| money(it.amount_minor_units, &it.currency, &it.status));
            let expected = money(there.amount, &there.currency, &there.status());
            let waits = here.is_some_and(|it| {
                it.status.is_on_its_way()
                    && there.status().is_on_its_way()
                    && it.amount_minor_units == there.amount
            });
            if !waits && found.as_ref() != Some(&expected) {
                audit.differences.push(difference(
                    What::RefundDiffers,
                    entry,
                    (&there.id, expected, found),
                ));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut last = String::new();
    loop {
        let tx = db::begin_long_read(&context.db).await?;
        let rows = refund::Entity::find()
            .filter(refund::Column::CreatedAt.gte(since))
            .filter(refund::Column::Id.gt(last.as_str()))
            .order_by_asc(refund::Column::Id)
            .limit(PAGE)
            .all(&tx)
            .await?;
        tx.commit().await?;
        let Some(end) = rows.last() else {
            return Ok(());
        };
        last.clone_from(&end.id);
        for row in rows.iter().filter(|row| !listed.contains(&row.id)) {
            match context.stripe.retrieve_refund(&row.id).await {
                Ok(_) => {}
                Err(StripeError::NotFound) => audit.differences.push(Difference {
                    what: What::NotRefundedAtStripe,
                    subject: row.id.clone(),
                    expected: "nothing".to_owned(),
                    found: money(row.amount_minor_units, &row.currency, &row.status),
                }),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Disputes, both ways.
pub async fn disputes(
    context: &Context,
    since: OffsetDateTime,
    audit: &mut Audit,
) -> Result<(), JobError> {
    let mut after: Option<String> = None;
    loop {
        let list = || context.stripe.list_disputes(since, after.as_deref());
        let page = patiently(list).await?;
        let intents = page.items.iter().map(|it| it.payment_intent.as_ref());
        let ours = checkout_lookup::of_payments(&context.db, intents).await?;
        for there in &page.items {
            let Some(entry) = paid_by(&ours, there.payment_intent.as_ref()) else {
                continue;
            };
            count(&mut audit.disputes);
            let here = entry.dispute(&there.id);
            if differs(here, there) {
                let found = here.map(|it| money(it.amount_minor_units, &it.currency, &it.status));
                let expected = money(there.amount, &there.currency, &there.status);
                audit.differences.push(difference(
                    What::DisputeDiffers,
                    entry,
                    (&there.id, expected, found),
                ));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Those that are older and were open when we last heard of them. There are never many.
    let rows = dispute::Entity::find()
        .filter(dispute::Column::Status.is_in(dispute::Status::OPEN))
        .limit(PAGE)
        .all(&context.db)
        .await?;
    for row in rows {
        let found = money(row.amount_minor_units, &row.currency, &row.status);
        let expected = match context.stripe.retrieve_dispute(&row.id).await {
            Ok(there) if !differs(Some(&row), &there) => continue,
            Ok(there) => money(there.amount, &there.currency, &there.status),
            Err(StripeError::NotFound) => "nothing".to_owned(),
            Err(error) => return Err(error.into()),
        };
        let known = |it: &Difference| it.subject.contains(&row.id);
        if !audit.differences.iter().any(known) {
            audit.differences.push(Difference {
                what: What::DisputeDiffers,
                subject: row.id.clone(),
                expected,
                found,
            });
        }
    }
    Ok(())
}

fn money(amount: i64, currency: &str, status: &impl sea_orm::ActiveEnum<Value = String>) -> String {
    format!("{}, {}", written(amount, currency), status.to_value())
}

/// - `(id, expected, found)`: of the refund or dispute.
fn difference(
    what: What,
    entry: &CheckoutRecord,
    (id, expected, found): (&str, String, Option<String>),
) -> Difference {
    Difference {
        what,
        subject: format!("{} {id}", entry.session_id().unwrap_or_default()),
        expected,
        found: found.unwrap_or_else(|| "nothing".to_owned()),
    }
}
