//! Decisions of people, raced with everything that Stripe says.
//!
//! `TEST_SEED=… TEST_HISTORIES=1` plays one history again; a failure prints its seed.

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use shared::{
    db::{booking, checkout, dispute, intervention, owed_refund, slot},
    message::Envelope,
};
use uuid::Uuid;
use worker::{
    Decision, Intervention, Share, Wish,
    operator::{booking_show::story, bookings::decide_by_context},
    refund_payments, run_job,
};

use super::{
    happened::Happened,
    histories::{OwnStripe, PER_STRIPE, own_stripe, replayable, seed},
    quiet_shop,
    story::Story,
};
use crate::{
    books,
    shop::Shop,
    stack::{Stack, on_each_stack, scale},
};

on_each_stack![whatever_is_decided_meanwhile_money_and_seats_are_counted_once];

/// Of messages and decisions at once.
const LANES: usize = 3;
/// Rounds after which everything that can come to an end has.
const ROUNDS: usize = 6;

/// Something that happens to a booking.
enum Step {
    Message(Box<Envelope>),
    Decision(Decision),
    Refunds,
}

async fn whatever_is_decided_meanwhile_money_and_seats_are_counted_once(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (first, count) = (seed(), u64::from(scale("TEST_HISTORIES", 150)));
    let seeds: Vec<u64> = (first..first + count).collect();
    for seeds in seeds.chunks(PER_STRIPE) {
        let own = own_stripe(&shop).await;
        for seed in seeds {
            Box::pin(replayable(*seed, play(&shop, &own, *seed))).await;
        }
    }
    books::assert_seats(&shop.stack.db).await;
}

async fn play(shop: &Shop, own: &OwnStripe, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let story = Story::random(&mut random);
    let before = own.stripe.event_count();
    let happened = story.happen(shop, &own.stripe).await;
    let other_slot = shop.stack.slot_after(happened.slot_id, 120).await;
    let mut steps = steps(shop, &happened, other_slot, &mut random);
    steps.shuffle(&mut random);
    let mut lanes: Vec<Vec<Step>> = (0..LANES).map(|_| Vec::new()).collect();
    for (index, step) in steps.into_iter().enumerate() {
        lanes[index % LANES].push(step);
    }

    let lanes = lanes.into_iter().map(async |lane| {
        for step in lane {
            take(own, happened.checkout_id, step).await;
        }
    });
    join_all(lanes).await;
    settle(shop, own, &happened, before).await;

    check(shop, own, &happened, &story).await;
}

fn steps(shop: &Shop, happened: &Happened, other_slot: Uuid, random: &mut StdRng) -> Vec<Step> {
    let mut messages = happened.messages(shop);
    messages.push(happened.confirm_job());
    let again = messages.clone();
    messages.extend(again.into_iter().filter(|_| random.random_bool(0.3)));
    let mut steps: Vec<Step> = messages
        .into_iter()
        .map(|it| Step::Message(Box::new(it)))
        .collect();
    let shares = [
        Share::Full,
        Share::None,
        Share::Part(1250),
        Share::UpTo(1250),
        Share::UpTo(1_000_000),
    ];
    let wishes = [Wish::Merchant, Wish::Buyer];
    while random.random_bool(0.7) && steps.len() < 20 {
        steps.push(match random.random_range(0..8) {
            0..=2 => Step::Decision(Decision::Cancel {
                wish: wishes[random.random_range(0..2_usize)],
                refund: shares[random.random_range(0..5_usize)],
            }),
            3 | 4 => Step::Decision(Decision::Move {
                slot_id: [happened.slot_id, other_slot][random.random_range(0..2_usize)],
            }),
            5 => Step::Decision(Decision::Book),
            6 => Step::Decision(Decision::End),
            _ => Step::Decision(Decision::GiveBack),
        });
    }
    steps.extend((0..random.random_range(0..3_usize)).map(|_| Step::Refunds));
    steps
}

async fn take(own: &OwnStripe, checkout_id: Uuid, step: Step) {
    match step {
        Step::Message(message) => {
            run_job(&own.worker, &message).await.unwrap();
        }
        Step::Decision(kind) => {
            let intervention = Intervention {
                kind,
                by: "ada".to_owned(),
                why: "a test".to_owned(),
            };
            // What cannot be is refused, with nothing changed.
            decide_by_context(&own.worker, checkout_id, intervention)
                .await
                .ok();
        }
        Step::Refunds => {
            refund_payments(&own.worker).await.unwrap();
        }
    }
}

/// Until nothing more follows: what is owed is given back, and its events arrive.
async fn settle(shop: &Shop, own: &OwnStripe, happened: &Happened, before: usize) {
    let mut last = None;
    for _ in 0..ROUNDS {
        let due = "UPDATE owed_refund SET due_at = created_at WHERE done_at IS NULL";
        shop.stack.patient_db.execute_unprepared(due).await.unwrap();
        refund_payments(&own.worker).await.unwrap();
        for event in own.stripe.events_after(before) {
            run_job(&own.worker, &shop.message(&event)).await.unwrap();
        }
        run_job(&own.worker, &happened.confirm_job()).await.unwrap();
        let events = own.stripe.events_after(before).len();
        let now = Some((events, outcome(shop, happened.checkout_id).await));
        if now == last {
            break;
        }
        last = now;
    }
    // What waits for a verdict of a bank is left behind, and not for the next history.
    let over = "UPDATE owed_refund SET due_at = '2999-01-01T00:00:00Z' WHERE done_at IS NULL";
    shop.stack
        .patient_db
        .execute_unprepared(over)
        .await
        .unwrap();
}

/// How it stands, but for what every attempt changes.
async fn outcome(shop: &Shop, checkout_id: Uuid) -> String {
    let db = &shop.stack.db;
    let owed = owed_refund::Entity::find_by_id(checkout_id).one(db).await;
    let owed = owed.unwrap().map(|it| (it.done_at, it.refund_id));
    let booking = booking::Entity::find().filter(booking::Column::CheckoutId.eq(checkout_id));
    let booking = booking.one(db).await.unwrap();
    format!("{owed:?} {booking:?}")
}

async fn check(shop: &Shop, own: &OwnStripe, happened: &Happened, told: &Story) {
    let db = &shop.stack.db;
    let id = happened.checkout_id;
    let checkout = checkout::Entity::find_by_id(id).one(db).await;
    let checkout = checkout.unwrap().unwrap();
    let booking = booking::Entity::find().filter(booking::Column::CheckoutId.eq(id));
    let booking = booking.one(db).await.unwrap();
    let owed = owed_refund::Entity::find_by_id(id).one(db).await.unwrap();
    let decisions = intervention::Entity::find().filter(intervention::Column::CheckoutId.eq(id));
    let decisions = decisions.all(db).await.unwrap();
    let story = story(db, &id.to_string()).await.unwrap().to_string();

    // Money back is at most money paid, and the part we owed went back once.
    let ledger = own.stripe.ledger();
    let entry = ledger
        .iter()
        .find(|it| it.session_id == happened.session.id)
        .unwrap();
    assert!(entry.amount_refunded <= entry.amount_total, "{entry:?}");
    if let Some(owed) = owed.filter(|it| it.refund_id.is_some()) {
        let by_hand: i64 = told
            .refunds
            .iter()
            .filter(|it| !it.fails)
            .map(|it| it.amount)
            .sum();
        let expected = by_hand + owed.amount_minor_units.unwrap();
        assert_eq!(entry.amount_refunded, expected, "{story}");
    }

    // Seats are held by what is booked and by nothing else, in the slot it is booked for.
    let mut taken = 0;
    for slot in slot::Entity::find()
        .filter(slot::Column::OfferingId.eq(offering_of(shop, happened.slot_id).await))
        .all(db)
        .await
        .unwrap()
    {
        let here = checkout.seats_held && checkout.slot_id == Some(slot.id);
        assert_eq!(slot.seats_taken, i32::from(here), "{story}");
        taken += slot.seats_taken;
    }
    assert!(taken <= 1);
    let Some(booking) = booking else {
        assert!(decisions.is_empty(), "{story}");
        return;
    };
    assert_eq!(booking.slot_id, checkout.slot_id, "{story}");

    // What a person has ended stays so, but for a refund that did not go back after all.
    let mut in_order: Vec<_> = decisions.iter().filter(|it| it.kind != "move").collect();
    in_order.sort_by_key(|it| it.id);
    if in_order
        .last()
        .is_some_and(|it| ["cancel", "end"].contains(&it.kind.as_str()))
    {
        let failed = booking.reason.as_deref() == Some("refund_failed");
        let ended = booking.status == booking::Status::Cancelled || failed;
        assert!(ended, "{story}");
    }

    // Every end has something in the story that explains it.
    let disputed = dispute::Entity::find().filter(dispute::Column::CheckoutId.eq(id));
    let disputed = !disputed.all(db).await.unwrap().is_empty();
    match booking.status {
        booking::Status::Confirmed => assert!(checkout.seats_held, "{story}"),
        booking::Status::NeedsAttention => assert!(booking.reason.is_some(), "{story}"),
        // It waits for the verdict of a bank.
        booking::Status::RefundPending => assert!(!checkout.seats_held && disputed, "{story}"),
        booking::Status::Cancelled => {
            assert!(!checkout.seats_held, "{story}");
            let is_decided = decisions
                .iter()
                .any(|it| ["cancel", "end"].contains(&it.kind.as_str()));
            let is_by_person = booking
                .reason
                .as_deref()
                .is_some_and(|it| booking::ENDS.contains(&it));
            assert!(!is_by_person || is_decided, "{story}");
            assert!(
                is_by_person
                    || entry.amount_refunded == entry.amount_total
                    || disputed
                    || booking.reason.is_some(),
                "{story}"
            );
            for expected in ["decided ", "refund ", "dispute "] {
                let explains = match expected {
                    "decided " => !is_by_person,
                    _ => true,
                };
                assert!(explains || story.contains(expected), "{story}");
            }
        }
    }
}

async fn offering_of(shop: &Shop, slot: Uuid) -> Option<Uuid> {
    let slot = slot::Entity::find_by_id(slot).one(&shop.stack.db).await;
    slot.unwrap().unwrap().offering_id
}
