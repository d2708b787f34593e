//! Two sessions that cannot both become a booking: for one purchase, or for the last seat.
//!
//! Which of them wins depends on the order of the messages, so the test checks what has to hold
//! in any order: one session has the seat, and the other is refunded.
//! `TEST_SEED=… TEST_HISTORIES=1` plays one pair again.

use rand::{
    RngExt, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use sea_orm::{ActiveModelTrait, EntityTrait};
use shared::{
    clock,
    db::{
        self,
        booking::Status,
        checkout::{self, State},
        seats,
    },
    message::Envelope,
};
use stripe_sim::{Outcome, StripeSim};
use uuid::Uuid;
use worker::{refund_payments, run_job};

use super::{
    booking_of, checkout_of,
    histories::{OwnStripe, PER_STRIPE, own_stripe, replayable, seed},
    open_checkout, quiet_shop,
};
use crate::{
    books,
    shop::{Session, Shop},
    stack::{Stack, on_each_stack, scale},
};

on_each_stack![of_two_that_exclude_each_other_one_is_booked_and_one_refunded];

/// Outcome at Stripe of one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Paid,
    PaidAndRefunded,
    Expired,
}

async fn of_two_that_exclude_each_other_one_is_booked_and_one_refunded(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let first = seed();
    let count = u64::from(scale("TEST_HISTORIES", 600).div_ceil(6));
    let seeds: Vec<u64> = (first..first + count).collect();
    for seeds in seeds.chunks(PER_STRIPE) {
        let own = own_stripe(&shop).await;
        for seed in seeds {
            replayable(*seed, play(&shop, &own, *seed)).await;
        }
    }
    // `play` has compared the money of each pair with its own Stripe; the seats are the shop's.
    books::assert_seats(&shop.stack.db).await;
}

async fn play(shop: &Shop, own: &OwnStripe, seed: u64) {
    let OwnStripe { stripe, worker, .. } = own;
    let mut random = StdRng::seed_from_u64(seed);
    let wish = random.random_bool(0.5).then(|| Uuid::now_v7().to_string());
    let slot = shop.slot(if wish.is_some() { 2 } else { 1 }).await;
    let mut heard = stripe.event_count();
    // The first hold ended on our side only; that is how there can be two.
    let released = hold(shop, stripe, slot, wish.clone(), true).await;
    let held = hold(shop, stripe, slot, wish, false).await;
    let both = [released, held];
    let ends = [
        End::Paid,
        End::Paid,
        End::Paid,
        End::PaidAndRefunded,
        End::Expired,
    ];
    let ends = both
        .each_ref()
        .map(|_| ends[random.random_range(0..ends.len())]);
    for (session, end) in both.iter().zip(ends) {
        match end {
            End::Expired => stripe.expire(&session.id).unwrap(),
            End::Paid | End::PaidAndRefunded => {
                stripe.pay(&session.id, Outcome::Succeed).await.unwrap();
            }
        }
        if end == End::PaidAndRefunded {
            stripe.refund(&session.id, None).unwrap();
        }
    }

    // Delivered until there are no new events: refunds that we make lead to more.
    loop {
        let news: Vec<Envelope> = stripe
            .events_after(heard)
            .iter()
            .map(|it| shop.message(it))
            .collect();
        heard += news.len();
        if news.is_empty() && refund_payments(worker).await.unwrap() == 0 {
            break;
        }
        let mut told = news.clone();
        told.extend(both.iter().map(Session::confirm_job));
        told.extend(news.sample(&mut random, 3).cloned());
        told.shuffle(&mut random);
        for message in &told {
            run_job(worker, message).await.unwrap();
            if random.random_bool(0.2) {
                refund_payments(worker).await.unwrap();
            }
        }
    }

    let ledger = stripe.ledger();
    let mut confirmed = 0;
    for (session, end) in both.iter().zip(ends) {
        let entry = ledger
            .iter()
            .find(|it| it.session_id == session.id)
            .unwrap();
        if end == End::Expired {
            assert!(!checkout_of(shop, session).await.seats_held);
            continue;
        }
        let booking = booking_of(shop, session).await;
        let given_back = entry.amount_refunded == entry.amount_total;
        let expected = if given_back {
            Status::Cancelled
        } else {
            Status::Confirmed
        };
        assert_eq!(booking.status, expected, "{ends:?}");
        assert!(
            entry.amount_refunded == 0 || given_back,
            "refunded in full, and once"
        );
        confirmed += i32::from(!given_back);
    }
    assert!(confirmed <= 1, "{ends:?}");
    // A session gets no seat while the other may still be paid, and a paid one has a claim.
    if ends[1] == End::Paid && ends[0] != End::PaidAndRefunded {
        assert_eq!(confirmed, 1, "{ends:?}");
    }
    assert_eq!(shop.seats_taken(slot).await, confirmed);
}

/// A session with its hold, which may have ended.
async fn hold(
    shop: &Shop,
    stripe: &StripeSim,
    slot_id: Uuid,
    intent: Option<String>,
    released: bool,
) -> Session {
    let id = Uuid::now_v7();
    let form = format!(
        "mode=payment&success_url=https://shop.example&metadata[checkout_id]={id}\
         &payment_intent_data[metadata][checkout_id]={id}&line_items[0][quantity]=1\
         &line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=4900\
         &line_items[0][price_data][product_data][name]=Seat"
    );
    let session = Session {
        id: stripe.create_session(&form).unwrap(),
    };
    let now = clock::system();
    let checkout = checkout::Model {
        state: if released {
            State::Expired
        } else {
            State::Open
        },
        order_fingerprint: intent,
        ..open_checkout(id, slot_id, &session)
    };
    let row = checkout::ActiveModel::from(checkout.clone()).reset_all();
    let tx = db::begin(&shop.stack.patient_db).await.unwrap();
    checkout::Entity::insert(row)
        .exec_without_returning(&tx)
        .await
        .unwrap();
    if !released {
        assert!(seats::take(&tx, &checkout, now).await.unwrap());
    }
    tx.commit().await.unwrap();
    session
}
