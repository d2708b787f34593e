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

/// Of the order that is replaced.
const KEY: &str = "earlier";

on_each_stack![
    an_order_takes_the_place_of_an_earlier_one_that_is_still_open,
    a_stranger_who_knows_the_session_cannot_end_it,
    one_that_ended_at_stripe_gives_its_seats_up_before_its_event_comes,
    who_cannot_have_the_new_seats_keeps_the_old_ones,
];

async fn an_order_takes_the_place_of_an_earlier_one_that_is_still_open(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let replacing = async |session: &Session, its_key: &str, key: &str| {
        let wish = replacement(order(slot, 2), session, its_key);
        // Said twice, as after an answer that was lost.
        let (_, first) = send(&shop, key, &wish).await;
        let (status, again) = send(&shop, key, &wish).await;
        assert_eq!(first, again);
        (status, again)
    };

    let earlier = ordered(&shop, slot, "first").await;
    let (status, later) = replacing(&earlier, "first", "second").await;
    assert_eq!(status, StatusCode::CREATED, "{later}");
    assert_eq!(shop.seats_taken(slot).await, 2);
    assert_eq!(at_stripe(&shop, &earlier.id).await["status"], "expired");

    // What is paid stays.
    let paid = Session {
        id: later["session_id"].as_str().unwrap().to_owned(),
    };
    shop.pay(&paid, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let (status, refused) = replacing(&paid, "second", "third").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["code"], "checkout_completed");
    assert_eq!(shop.confirm(&paid.id, 0).await.1["status"], "confirmed");

    let id = "../refunds".to_owned();
    let wish = replacement(order(slot, 1), &Session { id }, "third");
    let (status, problem) = send(&shop, "malformed", &wish).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "replaces");
    shop.close().await;
}

/// It stands in addresses; the key of its order stays with its buyer.
async fn a_stranger_who_knows_the_session_cannot_end_it(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    let mine = ordered(&shop, slot, "mine").await;
    let without_key = shop.create(slot).await;

    for (session, key) in [
        (&mine, json!(null)),
        (&mine, json!("theirs")),
        (&mine, json!("site\nmine")),
        (&without_key, json!(null)),
        (&without_key, json!("")),
    ] {
        let mut wish = order(slot, 1);
        wish["replaces"] = json!(session.id);
        wish["replaces_key"] = key;
        let (status, problem) = send(&shop, "theirs", &wish).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["field"], "replaces_key");
        assert_eq!(at_stripe(&shop, &session.id).await["status"], "open");
    }
    assert_eq!(shop.seats_taken(slot).await, 2);
    shop.close().await;
}

async fn one_that_ended_at_stripe_gives_its_seats_up_before_its_event_comes(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let earlier = ordered(&shop, slot, KEY).await;
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
    let earlier = ordered(&shop, mine, KEY).await;
    shop.create(full).await;

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
    let wish = replacement(order(slot, quantity), earlier, KEY);
    send(shop, &format!("{slot} {quantity}"), &wish).await
}

/// As a client that keeps the key it ordered with.
async fn ordered(shop: &Shop, slot: Uuid, key: &str) -> Session {
    let (status, answer) = send(shop, key, &order(slot, 1)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    Session {
        id: answer["session_id"].as_str().unwrap().to_owned(),
    }
}

fn replacement(mut wish: Value, earlier: &Session, its_key: &str) -> Value {
    wish["replaces"] = json!(earlier.id);
    wish["replaces_key"] = json!(its_key);
    wish
}
