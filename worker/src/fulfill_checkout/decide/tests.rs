use shared::db::{checkout::State, dispute, refund};

use super::*;
use crate::fulfill_checkout::sample::{PRICE, With as _, paid, unpaid as unpaid_record};

const USUAL: Circumstances = Circumstances {
    duplicate: false,
    slot_started: false,
    seats_left: true,
    policy: OnUnfulfillable::Refund,
};
const FULL: Circumstances = Circumstances {
    seats_left: false,
    ..USUAL
};
const TWICE: Circumstances = Circumstances {
    duplicate: true,
    ..USUAL
};
const STARTED: Circumstances = Circumstances {
    slot_started: true,
    ..USUAL
};

fn holding(given: Circumstances) -> Circumstances {
    Circumstances {
        policy: OnUnfulfillable::Hold,
        ..given
    }
}

/// As the README's tables say it, one row for each case.
#[test]
fn what_follows_from_what() {
    use Seats::{Free, Keep, Take};
    use Status::{Cancelled, Confirmed, NeedsAttention, RefundPending};
    use dispute::Status::{Lost, NeedsResponse, Prevented, UnderReview, Won};
    use reason::*;
    use refund::Status::{Failed, Pending, Succeeded};

    let amount_mismatch = Some((NeedsAttention, Some(AMOUNT_MISMATCH)));
    let disputed = Some((NeedsAttention, Some(DISPUTED)));
    let refund_failed = Some((NeedsAttention, Some(REFUND_FAILED)));
    let cancelled = Some((Cancelled, None));
    let confirmed = Some((Confirmed, None));
    let gone = || paid().without_seats();
    let was_cancelled = || gone().booked(Cancelled, None);
    let was_pending = || gone().booked(RefundPending, Some(NO_SEATS)).owing(false);

    #[rustfmt::skip]
    let rows = vec![
        // a payment
        ("in time", paid(), USUAL, confirmed, Keep),
        ("after the hold, seats left", gone(), USUAL, confirmed, Take),
        ("after the hold, none left", gone(), FULL, Some((RefundPending, Some(NO_SEATS))), Keep),
        ("none left, an operator decides", gone(), holding(FULL), Some((NeedsAttention, Some(NO_SEATS))), Keep),
        ("a second time", gone(), TWICE, Some((RefundPending, Some(DUPLICATE_PAYMENT))), Keep),
        ("a second time, with seats", paid(), TWICE, Some((RefundPending, Some(DUPLICATE_PAYMENT))), Free),
        ("a second time, held", paid(), holding(TWICE), Some((NeedsAttention, Some(DUPLICATE_PAYMENT))), Keep),
        ("after the start", paid(), STARTED, Some((RefundPending, Some(SLOT_STARTED))), Free),
        ("after the start, no seats", gone(), STARTED, Some((RefundPending, Some(SLOT_STARTED))), Keep),
        ("after the start, held", paid(), holding(STARTED), Some((NeedsAttention, Some(SLOT_STARTED))), Free),
        ("too little", paid().amount(1), USUAL, amount_mismatch, Keep),
        ("too little, no seats", gone().amount(1), USUAL, amount_mismatch, Take),
        ("too little, none left", gone().amount(1), FULL, amount_mismatch, Keep),
        ("too little, after the start", paid().amount(1), STARTED, amount_mismatch, Free),
        ("another currency", paid().currency("usd"), USUAL, Some((NeedsAttention, Some(CURRENCY_MISMATCH))), Keep),
        // said again
        ("booked already", paid().booked(Confirmed, None), USUAL, None, Keep),
        ("owed already", was_pending(), USUAL, None, Keep),
        ("an operator's already", paid().amount(1).booked(NeedsAttention, Some(AMOUNT_MISMATCH)), USUAL, None, Keep),
        // refunds
        ("all of it went back", paid().booked(Confirmed, None).refund(Succeeded, PRICE), USUAL, cancelled, Free),
        ("in two parts", paid().booked(Confirmed, None).refund(Succeeded, 900).refund(Succeeded, 4000), USUAL, cancelled, Free),
        ("a part went back", paid().booked(Confirmed, None).refund(Succeeded, 900), USUAL, None, Keep),
        ("on its way", paid().booked(Confirmed, None).refund(Pending, PRICE), USUAL, None, Keep),
        ("before we heard of the payment", paid().refund(Succeeded, PRICE), USUAL, cancelled, Free),
        ("the owed one is made", was_pending().refund(Succeeded, PRICE), USUAL, cancelled, Keep),
        ("went back already", was_cancelled().refund(Succeeded, PRICE), USUAL, None, Keep),
        ("came back to us", was_cancelled().refund(Failed, PRICE), USUAL, confirmed, Take),
        ("came back, none left", was_cancelled().refund(Failed, PRICE), FULL, refund_failed, Keep),
        ("came back, booked twice", was_cancelled().refund(Failed, PRICE), TWICE, refund_failed, Keep),
        ("the owed one came back", gone().booked(RefundPending, Some(NO_SEATS)).owing(true).refund(Failed, PRICE), USUAL, refund_failed, Keep),
        ("the owed one is given up", gone().booked(RefundPending, Some(NO_SEATS)).owing(true), USUAL, refund_failed, Keep),
        ("the owed one is on its way", gone().booked(RefundPending, Some(NO_SEATS)).owing(true).refund(Pending, PRICE), USUAL, None, Keep),
        ("owed again after it was made", was_cancelled().owing(false), USUAL, Some((RefundPending, None)), Keep),
        // disputes alone
        ("needs a response", paid().booked(Confirmed, None).dispute(NeedsResponse, PRICE), USUAL, None, Keep),
        ("lost", paid().booked(Confirmed, None).dispute(Lost, PRICE), USUAL, None, Keep),
        ("lost before we heard of the payment", paid().dispute(Lost, PRICE), USUAL, confirmed, Keep),
        ("won", paid().booked(Confirmed, None).dispute(Won, PRICE), USUAL, None, Keep),
        // refunds and disputes
        ("refunded, then lost, then the refund failed", was_cancelled().dispute(Lost, PRICE).refund(Failed, PRICE), USUAL, None, Keep),
        ("the same, prevented", was_cancelled().dispute(Prevented, PRICE).refund(Failed, PRICE), USUAL, None, Keep),
        ("refund failed while contested", was_cancelled().dispute(UnderReview, PRICE).refund(Failed, PRICE), USUAL, disputed, Take),
        ("the same, none left", was_cancelled().dispute(UnderReview, PRICE).refund(Failed, PRICE), FULL, disputed, Keep),
        ("refund failed, a part lost", was_cancelled().dispute(Lost, 900).refund(Failed, PRICE), USUAL, disputed, Take),
        ("won after that", paid().booked(NeedsAttention, Some(DISPUTED)).dispute(Won, PRICE).refund(Failed, PRICE), USUAL, confirmed, Keep),
        ("won after that, without seats", gone().booked(NeedsAttention, Some(DISPUTED)).dispute(Won, PRICE).refund(Failed, PRICE), FULL, refund_failed, Keep),
        ("lost while a refund is owed", was_pending().dispute(Lost, PRICE), USUAL, cancelled, Keep),
        ("a part lost while owed", was_pending().dispute(Lost, 900), USUAL, None, Keep),
        ("contested while owed", was_pending().dispute(NeedsResponse, PRICE), USUAL, None, Keep),
    ];

    for (name, record, given, booking, seats) in rows {
        let decision = decide(&record, given);
        assert_eq!(
            (decision.booking, decision.seats),
            (booking, seats),
            "{name}"
        );
    }
}

#[test]
fn without_a_payment_only_the_seats_are_in_question() {
    let rows = [
        (State::Open, Seats::Keep, Fulfillment::StillOpen),
        (
            State::PaymentPending,
            Seats::Keep,
            Fulfillment::PaymentPending,
        ),
        (State::PaymentFailed, Seats::Free, Fulfillment::Released),
        (State::Expired, Seats::Free, Fulfillment::Released),
    ];

    for (state, seats, outcome) in rows {
        let decision = decide(&unpaid_record(state), USUAL);
        assert_eq!((decision.seats, decision.outcome), (seats, outcome));
        assert_eq!(decision.booking, None);
    }
    let again = decide(&unpaid_record(State::Expired).without_seats(), USUAL);
    assert_eq!(
        (again.seats, again.outcome),
        (Seats::Keep, Fulfillment::Recorded)
    );
}

/// The bank has it: what is owed is owed no more.
#[test]
fn what_the_bank_took_is_not_given_back_as_well() {
    let owing = || {
        paid()
            .without_seats()
            .booked(Status::RefundPending, Some(reason::NO_SEATS))
            .owing(false)
    };

    let lost = decide(&owing().dispute(dispute::Status::Lost, PRICE), USUAL);
    let won = decide(&owing().dispute(dispute::Status::Won, PRICE), USUAL);

    assert!(lost.owes_nothing && !won.owes_nothing);
}

#[test]
fn what_costs_nothing_is_not_given_back() {
    let mut record = paid().amount(0).without_seats();
    record.checkout.amount_minor_units = 0;

    let decision = decide(&record, FULL);

    assert_eq!(
        decision.booking,
        Some((Status::Cancelled, Some(reason::NO_SEATS)))
    );
    assert!(!decision.owes_refund);
}

/// Every combination there is, reachable or not.
#[test]
fn no_decision_books_without_seats_or_keeps_them_for_nothing() {
    let bookings = [
        None,
        Some((Status::Confirmed, None)),
        Some((Status::Cancelled, None)),
        Some((Status::RefundPending, Some(reason::NO_SEATS))),
        Some((Status::NeedsAttention, Some(reason::AMOUNT_MISMATCH))),
        Some((Status::NeedsAttention, Some(reason::REFUND_FAILED))),
        Some((Status::NeedsAttention, Some(reason::DISPUTED))),
    ];
    let refunds = [
        refund::Status::Pending,
        refund::Status::Succeeded,
        refund::Status::Failed,
    ];
    let disputes = [
        dispute::Status::NeedsResponse,
        dispute::Status::Won,
        dispute::Status::Lost,
    ];
    let amounts = [0, 900, PRICE];
    let mut seen = 0;
    for booking in bookings {
        for refund in refunds {
            for refunded in amounts {
                for dispute in disputes {
                    for lost in amounts {
                        for bits in 0..128_u8 {
                            let is = |bit: u8| bits & (1 << bit) != 0;
                            let mut record = paid();
                            record.checkout.seats_held = is(0);
                            if let Some((status, reason)) = booking {
                                record = record.booked(status, reason);
                            }
                            if refunded > 0 {
                                record = record.refund(refund, refunded);
                            }
                            if lost > 0 {
                                record = record.dispute(dispute, lost);
                            }
                            if is(1) {
                                record = record.owing(is(2));
                            }
                            let given = Circumstances {
                                duplicate: is(3),
                                slot_started: is(4),
                                seats_left: is(5),
                                policy: if is(6) {
                                    OnUnfulfillable::Refund
                                } else {
                                    OnUnfulfillable::Hold
                                },
                            };
                            check(&record, given);
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(seen, 7 * 3 * 3 * 3 * 3 * 128);
}

fn check(record: &CheckoutRecord, given: Circumstances) {
    let decision = decide(record, given);
    let held = match decision.seats {
        Seats::Keep => record.checkout.seats_held,
        Seats::Take => true,
        Seats::Free => false,
    };
    let context = || format!("{record:?} {given:?} {decision:?}");
    assert!(
        decision.seats != Seats::Take || !record.checkout.seats_held,
        "{}",
        context()
    );
    assert!(
        decision.seats != Seats::Take || !given.duplicate && given.seats_left,
        "{}",
        context()
    );
    if let Some((status, reason)) = decision.booking {
        match status {
            Status::Confirmed => assert!(held, "{}", context()),
            Status::Cancelled | Status::RefundPending => assert!(!held, "{}", context()),
            Status::NeedsAttention => assert!(reason.is_some(), "{}", context()),
        }
        let before = record.booking.as_ref();
        let same = before.is_some_and(|it| it.status == status && it.reason.as_deref() == reason);
        assert!(!same, "{}", context());
        assert_eq!(
            decision.owes_refund,
            status == Status::RefundPending,
            "{}",
            context()
        );
    } else {
        assert!(!decision.owes_refund, "{}", context());
    }
}
