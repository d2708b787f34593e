//! What is one wish, and what is another.

use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe_sim::Outcome;

use super::{tab, wait_for};
use crate::{
    create_checkout_session::at_stripe,
    operations::worker,
    shop::Shop,
    site_checkout,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    who_wants_two_gets_two,
    another_slot_or_person_is_another_wish,
    what_the_site_calls_the_same_is_booked_once,
    a_reference_goes_with_it,
];

async fn who_wants_two_gets_two(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(3).await;
    let first = tab(&shop, slot, "ada@example.com", true).await;
    let more = tab(&shop, slot, "ada@example.com", false).await;

    shop.pay(&first, Outcome::Succeed).await;
    shop.pay(&more, Outcome::Succeed).await;

    wait_for(&shop, &first, "confirmed").await;
    wait_for(&shop, &more, "confirmed").await;
    assert_eq!(shop.seats_taken(slot).await, 2);
    shop.close().await;
}

async fn another_slot_or_person_is_another_wish(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (slot, later) = (shop.slot(3).await, shop.slot(3).await);

    for (slot, email) in [
        (slot, "ada@example.com"),
        (later, "ada@example.com"),
        (slot, "grace@example.com"),
    ] {
        let session = tab(&shop, slot, email, true).await;
        shop.pay(&session, Outcome::Succeed).await;
        wait_for(&shop, &session, "confirmed").await;
    }

    shop.close().await;
}

async fn what_the_site_calls_the_same_is_booked_once(stack: Stack) {
    let shop = site_checkout::shop(stack).await;
    let order_of = |name: &str| {
        let mut order = site_checkout::order();
        order["customer"]["name"] = json!(name);
        order["once_per_reference"] = json!(true);
        order
    };
    let (in_one_tab, in_another) = (order_of("Ada"), order_of("Ada Lovelace"));
    let first = site_checkout::create(&shop, &in_one_tab).await;
    let second = site_checkout::create(&shop, &in_another).await;
    let mut any = site_checkout::order();
    any["client_reference"] = json!("order-1043");
    let other = site_checkout::create(&shop, &any).await;

    shop.pay(&first, Outcome::Succeed).await;
    wait_for(&shop, &first, "confirmed").await;
    wait_for(&shop, &second, "expired").await;

    // The paid one, though another is later.
    let shown = worker(&shop, &["booking", "show", "order-1042"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&first.id), "{shown}");
    let also = format!("also      {}\n          expired", second.id);
    assert!(shown.contains(&also), "{shown}");
    let again = site_checkout::refused(&shop, &in_another).await;
    assert_eq!(again, "checkout_completed");
    assert_eq!(at_stripe(&shop, &other.id).await["status"], "open");
    // What goes back can be wished again.
    shop.stripe.refund(&first.id, None).unwrap();
    wait_for(&shop, &first, "refunded").await;
    let third = site_checkout::create(&shop, &in_another).await;
    shop.pay(&third, Outcome::Delay).await;
    wait_for(&shop, &third, "payment_pending").await;
    let while_on_its_way = site_checkout::refused(&shop, &in_one_tab).await;
    assert_eq!(while_on_its_way, "checkout_completed");
    shop.stripe.settle(&third.id, true).await.unwrap();
    wait_for(&shop, &third, "confirmed").await;
    shop.close().await;
}

async fn a_reference_goes_with_it(stack: Stack) {
    let shop = site_checkout::shop(stack).await;
    let mut order = site_checkout::order();
    order["once_per_reference"] = json!(true);
    order["client_reference"] = Value::Null;

    let answer = site_checkout::send(&shop, &order).await;

    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["errors"][0]["field"], "client_reference");
    shop.close().await;
}
