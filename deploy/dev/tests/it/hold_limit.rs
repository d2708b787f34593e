//! How many seats one client may have on hold, unpaid.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe_sim::Outcome;
use testkit::order;
use uuid::Uuid;

use crate::{
    create_checkout_session::at_stripe,
    shop::{Session, Shop},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    one_client_holds_no_more_than_its_share,
    orders_at_once_are_counted_one_after_the_other,
    the_same_order_twice_at_once_is_one,
    a_change_beyond_the_limit_keeps_the_earlier_order,
    a_change_beyond_what_all_may_open_keeps_the_earlier_order,
];

const ONE: &str = "192.0.2.1";

async fn shop(mut stack: Stack, seats: &str) -> Shop {
    stack.variables.extend([
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("HELD_SEATS_PER_CLIENT", seats.to_owned()),
    ]);
    Shop::open(stack).await
}

/// The session, if the order is not one too many.
async fn send(shop: &Shop, client: &str, key: &str, order: &Value) -> Option<Session> {
    let url = format!("{}/api/create-checkout-session", shop.url);
    let request = shop.http.post(url).json(order);
    let request = request.header("x-forwarded-for", client);
    let answer = request.header("idempotency-key", key).send().await.unwrap();
    let is_taken = answer.status() == StatusCode::CREATED;
    let answer: Value = answer.json().await.unwrap();
    if !is_taken {
        assert_eq!(answer["code"], "too_many_orders", "{answer}");
    }
    let id = || answer["session_id"].as_str().unwrap().to_owned();
    is_taken.then(|| Session { id: id() })
}

async fn hold(shop: &Shop, client: &str, slot: Uuid, seats: i64) -> Option<Session> {
    let key = Uuid::new_v4().to_string();
    send(shop, client, &key, &order(slot, seats)).await
}

async fn one_client_holds_no_more_than_its_share(stack: Stack) {
    let shop = shop(stack, "50").await;
    let large = shop.slot(60).await;
    let (small, other, wide) = (
        shop.slot(30).await,
        shop.slot(60).await,
        shop.slot(1000).await,
    );

    // Half of one slot, or what one order may have.
    let paid = hold(&shop, ONE, large, 20).await.unwrap();
    let pending = hold(&shop, ONE, large, 10).await.unwrap();
    assert!(hold(&shop, ONE, large, 1).await.is_none());
    assert!(hold(&shop, ONE, small, 19).await.is_some());
    assert!(hold(&shop, ONE, small, 2).await.is_none());
    // And of all together fifty, of which one is left.
    assert!(hold(&shop, ONE, other, 2).await.is_none());
    assert!(hold(&shop, "192.0.2.2", large, 20).await.is_some());
    // One customer with many networks is eight, and each of them one.
    for network in 0..9 {
        let client = format!("2001:db8:0:{network}::1");
        for (seats, is_taken) in [(20, true), (20, true), (10, true), (1, false)] {
            let taken = hold(&shop, &client, wide, seats).await;
            assert_eq!(
                taken.is_some(),
                is_taken && network < 8,
                "{network} {seats}"
            );
        }
    }

    // What is on its way is not paid; what is paid is not on hold.
    shop.pay(&pending, Outcome::Delay).await;
    shop.told(&pending.id).await;
    assert!(hold(&shop, ONE, other, 2).await.is_none());
    shop.pay(&paid, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    assert!(hold(&shop, ONE, other, 20).await.is_some());
    shop.close().await;
}

async fn orders_at_once_are_counted_one_after_the_other(stack: Stack) {
    let shop = shop(stack, "50").await;
    let slot = shop.slot(1000).await;

    let orders = (0..30).map(|_| hold(&shop, ONE, slot, 4));
    let taken = join_all(orders).await.into_iter().flatten().count();

    assert_eq!((taken, shop.seats_taken(slot).await), (12, 48));
    shop.close().await;
}

async fn the_same_order_twice_at_once_is_one(stack: Stack) {
    let shop = shop(stack, "20").await;
    let slot = shop.slot(30).await;
    let order = order(slot, 15);

    let clicks = join_all([(); 4].map(|()| send(&shop, ONE, "one wish", &order))).await;

    let ids: Vec<_> = clicks.into_iter().map(|it| it.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(shop.seats_taken(slot).await, 15);
    shop.close().await;
}

async fn a_change_beyond_what_all_may_open_keeps_the_earlier_order(mut stack: Stack) {
    let one = ("SESSIONS_PER_MINUTE", "1".to_owned());
    stack.variables.extend([one]);
    let shop = shop(stack, "20").await;
    let slot = shop.slot(100).await;
    let earlier = send(&shop, ONE, "earlier", &order(slot, 5)).await.unwrap();

    let mut change = order(slot, 6);
    change["replaces"] = json!(earlier.id);
    change["replaces_key"] = json!("earlier");
    assert!(send(&shop, ONE, "change", &change).await.is_none());

    assert_eq!(at_stripe(&shop, &earlier.id).await["status"], "open");
    assert_eq!(shop.seats_taken(slot).await, 5);
    shop.close().await;
}

async fn a_change_beyond_the_limit_keeps_the_earlier_order(stack: Stack) {
    let shop = shop(stack, "20").await;
    let slot = shop.slot(100).await;
    let earlier = send(&shop, ONE, "earlier", &order(slot, 5)).await.unwrap();
    assert!(hold(&shop, ONE, slot, 12).await.is_some());
    let change = async |key: &str, seats| {
        let mut change = order(slot, seats);
        change["replaces"] = json!(earlier.id);
        change["replaces_key"] = json!("earlier");
        send(&shop, ONE, key, &change).await
    };

    assert!(change("too many", 9).await.is_none());
    assert_eq!(at_stripe(&shop, &earlier.id).await["status"], "open");
    assert!(change("enough", 8).await.is_some());
    assert_eq!(at_stripe(&shop, &earlier.id).await["status"], "expired");
    assert_eq!(shop.seats_taken(slot).await, 20);
    shop.close().await;
}
