use std::collections::HashMap;

use sea_orm::ActiveEnum;
use shared::db::{checkout::State, payment::Status as PaymentStatus};
use shared::stripe::{
    checkout_session::TotalDetails,
    refund::{Refund, Status as RefundStatus},
};

use super::*;
use crate::fulfill_checkout::sample::{NOW, PRICE, paid, unpaid};

const LATER: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::HOUR);

fn payment() -> Change {
    Change::Paid(Paid {
        session_id: "cs_test_1".to_owned(),
        payment_intent_id: Some("pi_1".to_owned()),
        minor_units: PRICE,
        subtotal: PRICE,
        details: TotalDetails::default(),
        currency: "eur".to_owned(),
        completed_at: None,
    })
}

fn refund(status: RefundStatus, amount: i64) -> Change {
    Change::Refunds(vec![refund_object(status, amount)])
}

fn refund_object(status: RefundStatus, amount: i64) -> Refund {
    Refund {
        id: "re_0".to_owned(),
        amount,
        currency: "eur".to_owned(),
        status: Some(status),
        payment_intent: None,
        metadata: HashMap::new(),
    }
}

fn dispute(status: dispute::Status, asked_at: Option<OffsetDateTime>) -> Change {
    let object = serde_json::json!({
        "id": "du_0", "amount": PRICE, "currency": "eur", "reason": "fraudulent",
        "status": status.to_value(),
    });
    let object = serde_json::from_value(object).unwrap();
    Change::Disputes(vec![Dispute::new(object, asked_at)])
}

/// A checkout only moves forward: what was said before something final does not take it back.
#[test]
fn where_a_checkout_is_after_something_was_said() {
    use State::{Expired, Open, Paid, PaymentFailed, PaymentPending};
    let rows = [
        (Open, Change::Open, Open),
        (Open, Change::PaymentPending, PaymentPending),
        (Open, payment(), Paid),
        (Open, Change::Expired, Expired),
        (PaymentPending, Change::Open, PaymentPending),
        (PaymentPending, Change::PaymentFailed, PaymentFailed),
        (PaymentPending, payment(), Paid),
        (PaymentFailed, Change::PaymentPending, PaymentFailed),
        (PaymentFailed, payment(), Paid),
        (Expired, Change::PaymentPending, Expired),
        (Expired, payment(), Paid),
        (Paid, Change::Open, Paid),
        (Paid, Change::Expired, Paid),
        (Paid, Change::PaymentFailed, Paid),
    ];

    for (before, change, after) in rows {
        let mut record = unpaid(before);
        apply(&mut record, &change, NOW);
        assert_eq!(record.checkout.state, after, "{before:?} {change:?}");
    }
}

#[test]
fn a_payment_is_noted_once_and_as_it_was_first_said() {
    let mut record = unpaid(State::Open);
    apply(&mut record, &payment(), NOW);
    let first = record.payment.clone();

    apply(&mut record, &payment(), LATER);

    assert!(first.is_some());
    assert_eq!(record.payment, first);
}

#[test]
fn the_payment_sums_up_its_refunds_in_whatever_order_they_are_told() {
    use RefundStatus::{Failed, Pending, Succeeded};
    #[rustfmt::skip]
    let rows = [
        (vec![refund(Pending, PRICE)], 0, PaymentStatus::Paid),
        (vec![refund(Succeeded, 900)], 900, PaymentStatus::PartiallyRefunded),
        (vec![refund(Succeeded, PRICE)], PRICE, PaymentStatus::Refunded),
        (vec![refund(Succeeded, PRICE), refund(Pending, PRICE)], PRICE, PaymentStatus::Refunded),
        (vec![refund(Failed, PRICE), refund(Succeeded, PRICE)], 0, PaymentStatus::Paid),
    ];

    for (changes, refunded, status) in rows {
        let mut record = paid();
        for change in &changes {
            apply(&mut record, change, NOW);
        }
        let payment = record.payment.unwrap();
        assert_eq!(
            (payment.amount_refunded_minor_units, payment.status),
            (refunded, status),
            "{changes:?}"
        );
    }
}

/// What Stripe answered replaces what is older; what an event says moves a dispute forward only.
#[test]
fn a_dispute_is_as_it_was_said_last() {
    use dispute::Status::{Lost, NeedsResponse, Won};
    #[rustfmt::skip]
    let rows = [
        (vec![dispute(NeedsResponse, None), dispute(Lost, None)], Lost),
        (vec![dispute(Lost, None), dispute(NeedsResponse, None)], Lost),
        (vec![dispute(Won, None), dispute(Lost, None)], Lost),
        (vec![dispute(Lost, Some(LATER)), dispute(Won, Some(NOW))], Lost),
        (vec![dispute(Lost, Some(NOW)), dispute(NeedsResponse, Some(LATER))], NeedsResponse),
    ];

    for (changes, status) in rows {
        let mut record = paid();
        for change in &changes {
            apply(&mut record, change, NOW);
        }
        assert_eq!(record.disputes[0].status, status, "{changes:?}");
        assert_eq!(record.payment.unwrap().dispute_status, Some(status));
    }
}

fn ended(name: &str, made_for: Option<&str>) -> Change {
    let mut refund = refund_object(RefundStatus::Succeeded, 900);
    let mark = made_for.map(|it| (OWED.to_owned(), it.to_owned()));
    refund.metadata.extend(mark);
    Change::OwedRefundEnded {
        name: name.to_owned(),
        refunds: vec![refund],
    }
}

#[test]
fn the_refund_we_owed_is_done_when_it_is_made() {
    let mut record = paid().owing(false);
    let name = record.owed_refund.as_ref().unwrap().name();

    apply(&mut record, &ended(&name, Some(&name)), NOW);

    let owed = record.owed_refund.unwrap();
    assert_eq!(owed.done_at, Some(NOW));
    assert_eq!(owed.refund_id.as_deref(), Some("re_0"));
}

#[test]
fn what_was_refunded_by_hand_is_not_the_refund_we_owed() {
    let mut record = paid().owing(false);
    let name = record.owed_refund.as_ref().unwrap().name();

    apply(&mut record, &ended(&name, None), NOW);

    let owed = record.owed_refund.unwrap();
    assert_eq!((owed.done_at, owed.refund_id), (Some(NOW), None));
}

#[test]
fn the_end_of_one_debt_is_not_that_of_the_next() {
    let mut record = paid().owing(false);

    apply(&mut record, &ended("before", Some("before")), NOW);

    assert_eq!(record.owed_refund.unwrap().done_at, None);
}
