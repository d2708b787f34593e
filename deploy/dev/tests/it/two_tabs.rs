//! One wish in two tabs: one booking, and no money kept for the other.

mod wishes;

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use rand::random_bool;
use reqwest::StatusCode;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{checkout, refund},
};
use stripe_sim::{Faults, Outcome};
use testkit::order;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    create_checkout_session::at_stripe,
    shop::{Session, Shop, eventually, undelivered},
    stack::{Stack, on_each_stack, scale},
};

on_each_stack![
    the_other_tab_ends_once_one_is_paid,
    a_tab_that_is_being_opened_meanwhile_ends_too,
    an_order_does_not_tell_who_has_booked,
    a_second_payment_goes_back,
    buyers_with_two_tabs_each_have_one_booking,
];

/// An order of one seat in a tab of its own.
async fn tab(shop: &Shop, slot: Uuid, email: &str, once: bool) -> Session {
    let mut order = order(slot, 1);
    order["customer"]["email"] = json!(email);
    order["once_per_email"] = json!(once);
    let answer = shop.post("/api/create-checkout-session", &order).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();
    let id = answer["session_id"].as_str().unwrap().to_owned();
    Session { id }
}

async fn status(shop: &Shop, session: &Session) -> String {
    let told = shop.confirm(&session.id, 0).await.1;
    told["status"].as_str().unwrap().to_owned()
}

async fn wait_for(shop: &Shop, session: &Session, expected: &str) {
    eventually(expected, async || status(shop, session).await == expected).await;
}

async fn the_other_tab_ends_once_one_is_paid(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(3).await;
    let first = tab(&shop, slot, "ada@example.com", true).await;
    let second = tab(&shop, slot, "Ada@Example.com", true).await;
    let of_another = tab(&shop, slot, "grace@example.com", true).await;
    assert_eq!(shop.seats_taken(slot).await, 3);

    shop.pay(&second, Outcome::Succeed).await;

    wait_for(&shop, &second, "confirmed").await;
    eventually("the other tab cannot be paid", async || {
        at_stripe(&shop, &first.id).await["status"] == "expired"
    })
    .await;
    wait_for(&shop, &first, "expired").await;
    assert_eq!(shop.seats_taken(slot).await, 2);
    assert_eq!(at_stripe(&shop, &of_another.id).await["status"], "open");
    shop.close().await;
}

async fn end_of_hold(shop: &Shop, session: &Session) -> OffsetDateTime {
    let row = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(&session.id))
        .one(&shop.stack.db)
        .await
        .unwrap();
    row.unwrap().expires_at
}

/// When the first was booked, the other had a hold and no session yet that could be ended.
async fn a_tab_that_is_being_opened_meanwhile_ends_too(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(3).await;
    let first = tab(&shop, slot, "ada@example.com", true).await;
    shop.stripe.set_faults(Faults {
        create_latency_ms: 3000,
        ..Faults::default()
    });

    let booked_meanwhile = async {
        eventually("the other is held", async || {
            shop.seats_taken(slot).await == 2
        })
        .await;
        shop.pay(&first, Outcome::Succeed).await;
        wait_for(&shop, &first, "confirmed").await;
    };
    let (second, ()) = tokio::join!(tab(&shop, slot, "ada@example.com", true), booked_meanwhile);

    assert!(end_of_hold(&shop, &second).await < clock::system());
    wait_for(&shop, &second, "expired").await;
    assert_eq!(shop.seats_taken(slot).await, 1);
    shop.close().await;
}

/// Anyone may order with any address: what becomes of the order must be no answer.
async fn an_order_does_not_tell_who_has_booked(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(3).await;
    let booked = tab(&shop, slot, "ada@example.com", true).await;
    shop.pay(&booked, Outcome::Succeed).await;
    wait_for(&shop, &booked, "confirmed").await;

    let of_a_stranger = tab(&shop, slot, "ada@example.com", true).await;
    // More comes about what is booked.
    shop.stripe.refund(&booked.id, Some(900)).unwrap();
    eventually("the refund is booked", async || {
        refund::Entity::find().count(&shop.stack.db).await.unwrap() == 1
    })
    .await;

    let half_an_hour = clock::system() + time::Duration::minutes(29);
    assert!(end_of_hold(&shop, &of_a_stranger).await > half_an_hour);
    assert_eq!(at_stripe(&shop, &of_a_stranger.id).await["status"], "open");
    shop.close().await;
}

async fn a_second_payment_goes_back(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(3).await;
    shop.stripe.set_faults(undelivered());
    let first = tab(&shop, slot, "ada@example.com", true).await;
    let second = tab(&shop, slot, "ada@example.com", true).await;

    // Both before we hear of either.
    shop.pay(&first, Outcome::Succeed).await;
    shop.pay(&second, Outcome::Succeed).await;
    assert_eq!(shop.confirm(&first.id, 10).await.1["status"], "confirmed");
    let told = shop.confirm(&second.id, 10).await.1;

    assert_eq!(told["booking"]["reason"], "duplicate_payment");
    wait_for(&shop, &second, "refunded").await;
    let told = shop.confirm(&second.id, 0).await.1;
    assert_eq!(told["booking"]["reason"], "duplicate_payment");
    assert_eq!(status(&shop, &first).await, "confirmed");
    assert_eq!(shop.seats_taken(slot).await, 1);
    shop.close().await;
}

/// Each pays in one tab or in both, at the same moment.
async fn buyers_with_two_tabs_each_have_one_booking(stack: Stack) {
    let buyers = scale("BUYERS", 30);
    let shop = Shop::open(stack).await;
    let slot = shop.slot(i32::try_from(2 * buyers).unwrap()).await;
    let tabs = (0..buyers).map(async |buyer| {
        let email = format!("buyer{buyer}@example.com");
        [
            tab(&shop, slot, &email, true).await,
            tab(&shop, slot, &email, true).await,
        ]
    });
    let tabs = join_all(tabs).await;

    let paid = tabs.iter().map(async |[one, other]| {
        if random_bool(0.5) {
            tokio::join!(
                shop.pay(one, Outcome::Succeed),
                shop.pay(other, Outcome::Succeed)
            );
        } else {
            shop.pay(other, Outcome::Succeed).await;
        }
    });
    join_all(paid).await;

    // By Stripe's books: to ask confirm would have the session looked into.
    let settled = || {
        let ledger = shop.stripe.ledger();
        let ends: HashMap<&str, (bool, bool)> = ledger
            .iter()
            .map(|it| {
                let kept = it.payment_status == "paid" && it.amount_refunded == 0;
                let over = it.status == "expired" || it.amount_refunded == it.amount_total;
                (it.session_id.as_str(), (kept, over))
            })
            .collect();
        tabs.iter().all(|[one, other]| {
            let (one, other) = (ends[one.id.as_str()], ends[other.id.as_str()]);
            matches!(
                (one, other),
                ((true, _), (_, true)) | ((_, true), (true, _))
            )
        })
    };
    let mut patience = 120;
    while !settled() {
        patience -= 1;
        assert!(
            patience > 0,
            "one booking each, the other tab refunded or expired"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eventually("all is written down", async || {
        let rows = checkout::Entity::find().all(&shop.stack.db).await.unwrap();
        rows.iter().all(|row| !row.state.is_undecided())
    })
    .await;
    for [one, other] in &tabs {
        let confirmed = [status(&shop, one).await, status(&shop, other).await];
        let one_of_each = confirmed.iter().filter(|it| *it == "confirmed").count();
        assert_eq!(one_of_each, 1, "{confirmed:?}");
    }
    assert_eq!(shop.seats_taken(slot).await, i32::try_from(buyers).unwrap());
    shop.close().await;
}
