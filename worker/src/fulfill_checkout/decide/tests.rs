use shared::db::{checkout::State, dispute, refund};

use super::*;
use crate::fulfill_checkout::sample::{PRICE, paid, unpaid as unpaid_record};

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
    let ended = || gone().booked(Cancelled, Some(CANCELLED_BY_BUYER));
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
        ("less a discount", paid().offering_discounts().less(900), USUAL, confirmed, Keep),
        ("all taken off", paid().offering_discounts().less(PRICE), USUAL, confirmed, Keep),
        ("less a discount that was not offered", paid().less(900), USUAL, amount_mismatch, Keep),
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
        ("needs a response", paid().booked(Confirmed, None).disputed(NeedsResponse, PRICE), USUAL, None, Keep),
        ("lost", paid().booked(Confirmed, None).disputed(Lost, PRICE), USUAL, None, Keep),
        ("lost before we heard of the payment", paid().disputed(Lost, PRICE), USUAL, confirmed, Keep),
        ("won", paid().booked(Confirmed, None).disputed(Won, PRICE), USUAL, None, Keep),
        // refunds and disputes
        ("refunded, then lost, then the refund failed", was_cancelled().disputed(Lost, PRICE).refund(Failed, PRICE), USUAL, None, Keep),
        ("the same, prevented", was_cancelled().disputed(Prevented, PRICE).refund(Failed, PRICE), USUAL, None, Keep),
        ("refund failed while contested", was_cancelled().disputed(UnderReview, PRICE).refund(Failed, PRICE), USUAL, disputed, Take),
        ("the same, none left", was_cancelled().disputed(UnderReview, PRICE).refund(Failed, PRICE), FULL, disputed, Keep),
        ("refund failed, a part lost", was_cancelled().disputed(Lost, 900).refund(Failed, PRICE), USUAL, disputed, Take),
        ("won after that", paid().booked(NeedsAttention, Some(DISPUTED)).disputed(Won, PRICE).refund(Failed, PRICE), USUAL, confirmed, Keep),
        ("won after that, without seats", gone().booked(NeedsAttention, Some(DISPUTED)).disputed(Won, PRICE).refund(Failed, PRICE), FULL, refund_failed, Keep),
        ("lost while a refund is owed", was_pending().disputed(Lost, PRICE), USUAL, cancelled, Keep),
        ("a part lost while owed", was_pending().disputed(Lost, 900), USUAL, None, Keep),
        // ended by a person
        ("cancelled, without a refund", ended(), USUAL, None, Keep),
        ("cancelled, refund owed", ended().owing(false), USUAL, None, Keep),
        ("cancelled, refund on its way", ended().owing(true).refund(Pending, PRICE), USUAL, None, Keep),
        ("cancelled, all went back", ended().owing(true).refund(Succeeded, PRICE), USUAL, None, Keep),
        ("cancelled, refund given up", ended().owing(true), USUAL, refund_failed, Keep),
        ("cancelled, refund came back", ended().owing(true).refund(Failed, PRICE), USUAL, refund_failed, Keep),
        ("cancelled, a part went back", ended().owing_part("re_0").refund(Succeeded, 900), USUAL, None, Keep),
        ("cancelled, the part came back", ended().owing_part("re_0").refund(Failed, 900), USUAL, refund_failed, Keep),
        ("cancelled, charged back meanwhile", ended().owing(true).disputed(Lost, PRICE), USUAL, None, Keep),
        ("cancelled, refunded by hand as well", ended().refund(Succeeded, 900), USUAL, None, Keep),
        ("contested while owed", was_pending().disputed(NeedsResponse, PRICE), USUAL, None, Keep),
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
    use Fulfillment::{PaymentPending, Recorded, Released, StillOpen};
    use Seats::{Free, Keep};

    let rows = [
        (State::Open, Keep, StillOpen),
        (State::PaymentPending, Keep, PaymentPending),
        (State::PaymentFailed, Free, Released),
        (State::Expired, Free, Released),
    ];

    for (state, seats, outcome) in rows {
        let decision = decide(&unpaid_record(state), USUAL);
        assert_eq!((decision.seats, decision.outcome), (seats, outcome));
        assert_eq!(decision.booking, None);
    }
    let again = decide(&unpaid_record(State::Expired).without_seats(), USUAL);
    assert_eq!((again.seats, again.outcome), (Keep, Recorded));
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

    let lost = decide(&owing().disputed(dispute::Status::Lost, PRICE), USUAL);
    let won = decide(&owing().disputed(dispute::Status::Won, PRICE), USUAL);

    assert_eq!(
        (lost.refund, won.refund),
        (Refund::OweNothing, Refund::Keep)
    );
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
    assert_eq!(decision.refund, Refund::Keep);
}

/// Every combination there is, reachable or not.
#[test]
fn no_decision_books_without_seats_or_keeps_them_for_nothing() {
    let bookings = [
        None,
        Some((Status::Confirmed, None)),
        Some((Status::Cancelled, None)),
        Some((Status::Cancelled, Some(reason::CANCELLED_BY_BUYER))),
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
    let cases = bookings.len() * refunds.len() * disputes.len() * amounts.len().pow(2) * 128;
    for case in 0..cases {
        let mut rest = case;
        let mut pick = |choices: usize| {
            let picked = rest % choices;
            rest /= choices;
            picked
        };
        let mut record = paid();
        if let Some((status, reason)) = bookings[pick(bookings.len())] {
            record = record.booked(status, reason);
        }
        let (status, refunded) = (refunds[pick(refunds.len())], amounts[pick(amounts.len())]);
        if refunded > 0 {
            record = record.refund(status, refunded);
        }
        let (status, lost) = (disputes[pick(disputes.len())], amounts[pick(amounts.len())]);
        if lost > 0 {
            record = record.disputed(status, lost);
        }
        let mut is = || pick(2) == 1;
        record.checkout.seats_held = is();
        let (owing, done) = (is(), is());
        if owing {
            record = record.owing(done);
        }
        let given = Circumstances {
            duplicate: is(),
            slot_started: is(),
            seats_left: is(),
            policy: if is() {
                OnUnfulfillable::Refund
            } else {
                OnUnfulfillable::Hold
            },
        };

        let decision = decide(&record, given);

        assert!(
            is_sound(&record, given, decision),
            "{record:?} {given:?} {decision:?}"
        );
    }
    assert_eq!(cases, 8 * 3 * 3 * 3 * 3 * 128);
}

fn is_sound(record: &CheckoutRecord, given: Circumstances, decision: Decision) -> bool {
    let was_held = record.checkout.seats_held;
    let (held, allowed) = match decision.seats {
        Seats::Keep => (was_held, true),
        Seats::Take => (true, !was_held && !given.duplicate && given.seats_left),
        Seats::Free => (false, true),
        Seats::MoveTo(_) => (was_held, false),
    };
    let Some((status, reason)) = decision.booking else {
        return allowed && decision.refund != Refund::Owe;
    };
    let fits = match status {
        Status::Confirmed => held,
        Status::Cancelled | Status::RefundPending => !held,
        Status::NeedsAttention => reason.is_some(),
    };
    let before = record.booking.as_ref();
    let same = before.is_some_and(|it| it.status == status && it.reason.as_deref() == reason);
    let owes = decision.refund == Refund::Owe;
    allowed && fits && !same && owes == (status == Status::RefundPending)
}
