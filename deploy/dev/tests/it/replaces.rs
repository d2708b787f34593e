//! Orders that take the place of an earlier one.

use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe_sim::Outcome;
use testkit::order;
use uuid::Uuid;

use crate::{
    create_checkout_session::at_stripe,
    idempotency_key::send,
    shop::{Session, Shop},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    an_order_takes_the_place_of_an_earlier_one_that_is_still_open,
    one_that_ended_at_stripe_gives_its_seats_up_before_its_event_comes,
    who_cannot_have_the_new_seats_keeps_the_old_ones,
];

async fn an_order_takes_the_place_of_an_earlier_one_that_is_still_open(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let replacing = async |session: &Session| {
        let mut wish = order(slot, 2);
        wish["replaces"] = json!(session.id);
        // Said twice, as after an answer that was lost.
        let (_, first) = send(&shop, &session.id, &wish).await;
        let (status, again) = send(&shop, &session.id, &wish).await;
        assert_eq!(first, again);
        (status, again)
    };

    let earlier = shop.create(slot).await;
    let (status, later) = replacing(&earlier).await;
    assert_eq!(status, StatusCode::CREATED, "{later}");
    assert_eq!(shop.seats_taken(slot).await, 2);
    assert_eq!(at_stripe(&shop, &earlier.id).await["status"], "expired");

    // What is paid stays.
    let paid = Session {
        id: later["session_id"].as_str().unwrap().to_owned(),
    };
    shop.pay(&paid, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let (status, refused) = replacing(&paid).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["code"], "checkout_completed");
    assert_eq!(shop.confirm(&paid.id, 0).await.1["status"], "confirmed");

    let mut wish = order(slot, 1);
    wish["replaces"] = json!("../refunds");
    let (status, problem) = send(&shop, "malformed", &wish).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "replaces");
    shop.close().await;
}

async fn one_that_ended_at_stripe_gives_its_seats_up_before_its_event_comes(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let earlier = shop.create(slot).await;
    shop.stripe.set_webhook_url(None);
    shop.stripe.expire(&earlier.id).unwrap();

    let (status, answer) = replace(&shop, &earlier, slot, 1).await;

    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(shop.seats_taken(slot).await, 1);
    shop.close().await;
}

async fn who_cannot_have_the_new_seats_keeps_the_old_ones(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (mine, full) = (shop.slot(2).await, shop.slot(1).await);
    let (earlier, _others) = (shop.create(mine).await, shop.create(full).await);

    for (slot, quantity, code) in [
        (full, 1, "slot_full"),
        (mine, 3, "slot_full"),
        (Uuid::nil(), 1, "slot_not_found"),
    ] {
        let (_, problem) = replace(&shop, &earlier, slot, quantity).await;
        assert_eq!(problem["code"], code);
    }

    assert_eq!(at_stripe(&shop, &earlier.id).await["status"], "open");
    assert_eq!(shop.seats_taken(mine).await, 1);
    let (status, answer) = replace(&shop, &earlier, mine, 2).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    shop.close().await;
}

async fn replace(shop: &Shop, earlier: &Session, slot: Uuid, quantity: i64) -> (StatusCode, Value) {
    let mut wish = order(slot, quantity);
    wish["replaces"] = json!(earlier.id);
    send(shop, &format!("{slot} {quantity}"), &wish).await
}
