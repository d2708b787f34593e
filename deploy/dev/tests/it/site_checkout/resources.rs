//! Times of a resource: what is sold of one is not sold twice.

use futures_util::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use shared::db::slot;
use stripe_sim::Outcome;

use super::{create, give_up, hours, refused, send, shop, wait_for_status};
use crate::stack::{Stack, on_each_stack};

on_each_stack![
    times_of_a_resource_use_it_up_for_each_other,
    the_last_seat_of_a_resource_is_sold_once,
    a_resource_is_as_large_as_the_site_said_last,
    a_late_payment_takes_what_is_left_of_a_resource,
];

async fn times_of_a_resource_use_it_up_for_each_other(stack: Stack) {
    let shop = shop(stack).await;

    create(&shop, &hours(2, (10, 12), 1)).await;
    create(&shop, &hours(2, (12, 14), 1)).await;
    // One seat is left throughout, since the others follow each other.
    create(&shop, &hours(2, (10, 14), 1)).await;

    for within in [(9, 11), (11, 13), (13, 20), (10, 12)] {
        assert_eq!(refused(&shop, &hours(2, within, 1)).await, "slot_full");
    }
    create(&shop, &hours(2, (14, 16), 2)).await;
    let mut elsewhere = hours(2, (10, 12), 2);
    elsewhere["resource"] = json!("room 8");
    create(&shop, &elsewhere).await;
    // What could not be sold left nothing behind.
    let slots = slot::Entity::find().all(&shop.stack.db).await.unwrap();
    assert_eq!(slots.len(), 5);
    shop.close().await;
}

async fn the_last_seat_of_a_resource_is_sold_once(stack: Stack) {
    let shop = shop(stack).await;

    let orders: Vec<Value> = (0..12).map(|it| hours(1, (it, it + 12), 1)).collect();
    let answers = join_all(orders.iter().map(|order| send(&shop, order))).await;

    let mut statuses: Vec<_> = answers.iter().map(|it| it.status().as_u16()).collect();
    statuses.sort_unstable();
    let mut expected = [409; 12];
    // They have the twelfth hour in common.
    expected[0] = 201;
    assert_eq!(statuses, expected);
    shop.close().await;
}

async fn a_resource_is_as_large_as_the_site_said_last(stack: Stack) {
    let shop = shop(stack).await;

    create(&shop, &hours(1, (10, 12), 1)).await;
    let full = refused(&shop, &hours(1, (10, 12), 1)).await;
    create(&shop, &hours(2, (10, 12), 1)).await;
    let shrunk = refused(&shop, &hours(1, (11, 13), 1)).await;

    assert_eq!([full, shrunk], ["slot_full", "slot_full"]);
    create(&shop, &hours(1, (12, 13), 1)).await;
    shop.close().await;
}

/// The hold has ended, and another buyer took a time that overlaps it.
async fn a_late_payment_takes_what_is_left_of_a_resource(stack: Stack) {
    let shop = shop(stack).await;
    let late = create(&shop, &hours(2, (10, 12), 1)).await;
    let later = create(&shop, &hours(2, (14, 16), 1)).await;
    for session in [&late, &later] {
        give_up(&shop, session).await;
    }
    create(&shop, &hours(2, (11, 13), 2)).await;

    shop.pay(&late, Outcome::Succeed).await;
    shop.pay(&later, Outcome::Succeed).await;

    wait_for_status(&shop, &late.id, "refunded").await;
    wait_for_status(&shop, &later.id, "confirmed").await;
    shop.close().await;
}
