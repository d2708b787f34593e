use shared::db::refund::Status::{Pending, Succeeded};
use uuid::Uuid;

use crate::fulfill_checkout::{
    intervene::*,
    sample::{PRICE, paid},
};

fn cancelled(refund: Share) -> Kind {
    Kind::Cancel {
        wish: Wish::Merchant,
        refund,
    }
}

#[test]
fn a_cancellation_gives_back_what_it_says_and_never_more_than_there_is() {
    let confirmed = || paid().booked(Status::Confirmed, None);
    let owed =
        |record: &CheckoutRecord, refund| intervene(record, cancelled(refund)).map(|it| it.refund);

    assert_eq!(owed(&confirmed(), Share::Full), Ok(Refund::OweAnew(None)));
    assert_eq!(owed(&confirmed(), Share::None), Ok(Refund::Forget));
    assert_eq!(
        owed(&confirmed(), Share::Part(900)),
        Ok(Refund::OweAnew(Some(900)))
    );
    assert_eq!(
        owed(&confirmed(), Share::Part(PRICE)),
        Ok(Refund::OweAnew(None))
    );
    let partly = confirmed().refund(Pending, 4000);
    let mut partly = partly.refund(Succeeded, 900);
    assert_eq!(owed(&partly, Share::Part(1)), Ok(Refund::OweAnew(Some(1))));
    partly.payment.as_mut().unwrap().amount_refunded_minor_units = 900;
    assert_eq!(
        owed(&partly, Share::Part(1)),
        Err(Refusal::TooMuch("0.00 EUR".to_owned()))
    );
    // The one on its way may come back.
    assert_eq!(owed(&partly, Share::Full), Ok(Refund::OweAnew(None)));
    let mut all = confirmed().refund(Succeeded, PRICE);
    all.payment.as_mut().unwrap().amount_refunded_minor_units = PRICE;
    assert_eq!(owed(&all, Share::Full), Ok(Refund::Forget));
    let mut rest = confirmed().refund(Pending, 4000);
    rest.payment.as_mut().unwrap().amount_refunded_minor_units = 0;
    assert_eq!(
        owed(&rest, Share::Part(900)),
        Ok(Refund::OweAnew(Some(900)))
    );
    for wrong in [0, -1, PRICE + 1] {
        assert_eq!(
            owed(&confirmed(), Share::Part(wrong)),
            Err(Refusal::TooMuch("49.00 EUR".to_owned()))
        );
    }
}

#[test]
fn a_buyer_gets_what_they_were_told_or_what_is_left() {
    let by_buyer = |record: &CheckoutRecord, amount| {
        let refund = Share::UpTo(amount);
        let wish = Wish::Buyer;
        let decided = intervene(record, Kind::Cancel { wish, refund });
        decided.map(|it| (it.outcome, it.refund))
    };
    let confirmed = || paid().booked(Status::Confirmed, None);
    let cancelled = |refund| Ok((Fulfillment::Cancelled, refund));

    assert_eq!(
        by_buyer(&confirmed(), PRICE),
        cancelled(Refund::OweAnew(None))
    );
    assert_eq!(
        by_buyer(&confirmed(), 900),
        cancelled(Refund::OweAnew(Some(900)))
    );
    assert_eq!(by_buyer(&confirmed(), 0), cancelled(Refund::Forget));
    // More went back meanwhile than the buyer was told would be left.
    let mut partly = confirmed().refund(Succeeded, 4000);
    partly.payment.as_mut().unwrap().amount_refunded_minor_units = 4000;
    assert_eq!(by_buyer(&partly, PRICE), cancelled(Refund::OweAnew(None)));
    let mut all = confirmed().refund(Succeeded, PRICE);
    all.payment.as_mut().unwrap().amount_refunded_minor_units = PRICE;
    assert_eq!(by_buyer(&all, PRICE), cancelled(Refund::Forget));
    // All of it is on its way, and may come back.
    let mut on_its_way = confirmed().refund(Pending, PRICE);
    let payment = on_its_way.payment.as_mut().unwrap();
    payment.amount_refunded_minor_units = PRICE;
    for told in [0, PRICE] {
        assert_eq!(
            by_buyer(&on_its_way, told),
            cancelled(Refund::OweAnew(None))
        );
    }

    let again = paid().booked(Status::Cancelled, None);
    let alone = Ok((Fulfillment::AlreadyProcessed, Refund::Keep));
    assert_eq!(by_buyer(&again, PRICE), alone);
    let unclear = paid().booked(Status::NeedsAttention, None);
    assert_eq!(by_buyer(&unclear, PRICE), Err(Refusal::NeedsAttention));
}

#[test]
fn what_was_decided_is_not_decided_again() {
    let record = |status| paid().booked(status, None);
    let slot_id = Uuid::from_u128(1);

    let cancel = |status| intervene(&record(status), cancelled(Share::Full)).err();
    let moved = |status| intervene(&record(status), Kind::Move { slot_id }).err();
    let booked = |status| intervene(&record(status), Kind::Book).err();

    assert_eq!(cancel(Status::Cancelled), Some(Refusal::AlreadyCancelled));
    assert_eq!(cancel(Status::RefundPending), Some(Refusal::GoingBack));
    assert_eq!(moved(Status::Confirmed), None);
    assert_eq!(moved(Status::NeedsAttention), Some(Refusal::NotConfirmed));
    assert_eq!(moved(Status::Cancelled), Some(Refusal::AlreadyCancelled));
    assert_eq!(booked(Status::Confirmed), Some(Refusal::NeedsNoAttention));
    assert_eq!(booked(Status::NeedsAttention), None);
    assert_eq!(intervene(&paid(), Kind::End), Err(Refusal::NotBooked));
}
