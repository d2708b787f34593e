//! After the loss of the database: a backup of before, and what Stripe knows, make the books whole.

use std::process::Output;

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{booking, checkout, payment, slot},
};
use stripe_sim::Outcome;

use crate::{
    backup::Backup,
    deployment::Deployment,
    service,
    shop::eventually,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    seats_that_went_back_are_there_for_who_bought_them_then,
    what_is_sold_without_a_slot_is_ours_by_where_its_buyer_goes_back,
    a_backup_of_before_and_stripe_make_the_books_whole,
    a_payment_counts_as_when_it_came,
];

async fn worker(shop: &Deployment, arguments: &[&str]) -> Output {
    service::run("worker", arguments, &shop.variables).await
}

async fn reconcile(shop: &Deployment, more: &[&str]) -> Value {
    let arguments = [&["reconcile", "--since", "1h", "--json"], more].concat();
    let output = worker(shop, &arguments).await;
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn cancelled(shop: &Deployment) -> usize {
    let rows = booking::Entity::find().all(&shop.stack.db).await.unwrap();
    let cancelled = rows
        .iter()
        .filter(|it| it.status == booking::Status::Cancelled);
    cancelled.count()
}

async fn intents(shop: &Deployment) -> Vec<String> {
    let rows = payment::Entity::find().all(&shop.stack.db).await.unwrap();
    rows.into_iter()
        .filter_map(|it| it.payment_intent_id)
        .collect()
}

/// A session that is not paid yet.
async fn order(shop: &Deployment, slot: uuid::Uuid) -> String {
    let url = format!("{}/api/create-checkout-session", shop.url);
    let order = json!({
        "slot_id": slot, "quantity": 2, "client_reference": "order-7",
        "metadata": { "hotel": "Kranich" },
        "customer": { "name": "Grace Hopper", "email": "grace@example.com" },
    });
    let answer = shop.http.post(url).json(&order).send().await.unwrap();
    let session: Value = answer.json().await.unwrap();
    session["session_id"].as_str().unwrap().to_owned()
}

/// A paid session of a shop that sells without slots.
async fn pay_without_a_slot(shop: &Deployment, success_url: &str) -> String {
    let url = format!("{}/v1/checkout/sessions", shop.stripe.base_url());
    let hold = uuid::Uuid::now_v7().to_string();
    let session = shop.http.post(url).bearer_auth("sk_test_1").form(&[
        ("mode", "payment"),
        ("success_url", success_url),
        ("customer_email", "emmy@example.com"),
        ("metadata[checkout_id]", &hold),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "4900"),
        ("line_items[0][price_data][product_data][name]", "Gift card"),
    ]);
    let session: Value = session.send().await.unwrap().json().await.unwrap();
    let id = session["id"].as_str().unwrap().to_owned();
    shop.stripe.pay(&id, Outcome::Succeed).await.unwrap();
    id
}

async fn refund(shop: &Deployment, payment_intent: &str) {
    let url = format!("{}/v1/refunds", shop.stripe.base_url());
    let refund = shop.http.post(url).bearer_auth("sk_test_1");
    let refund = refund
        .form(&[("payment_intent", payment_intent)])
        .send()
        .await;
    assert!(refund.unwrap().status().is_success());
}

async fn a_backup_of_before_and_stripe_make_the_books_whole(stack: Stack) {
    let mut shop = Deployment::new(stack).await;
    let slot = shop.stack.slot(20).await;
    let (ingress, worker_) = (shop.start_ingress().await, shop.start("worker"));
    shop.buy(slot, 3).await;
    shop.wait_for_bookings(3).await;
    let before = intents(&shop).await;
    let backup = Backup::make(&shop.stack).await;

    // What the backup does not have: four payments, one of which went back; a refund of an earlier one; and
    // a buyer who is still on Stripe's page.
    shop.buy(slot, 4).await;
    shop.wait_for_bookings(7).await;
    let late = intents(&shop)
        .await
        .into_iter()
        .find(|it| !before.contains(it));
    let open = order(&shop, slot).await;
    for intent in [&before[0], &late.unwrap()] {
        refund(&shop, intent).await;
    }
    eventually("both are noted", async || cancelled(&shop).await == 2).await;
    ingress.kill();
    worker_.kill();
    backup.restore(&mut shop.stack).await;
    assert_eq!(
        booking::Entity::find().count(&shop.stack.db).await.unwrap(),
        3
    );

    let (ingress, worker_) = (shop.start_ingress().await, shop.start("worker"));
    worker_.wait_until_ready().await;
    let audit = worker(&shop, &["audit", "--since", "1h"]).await;
    let said = String::from_utf8(audit.stdout).unwrap();
    assert!(
        !audit.status.success() && said.contains("hold_missing"),
        "{said}"
    );
    let plain = reconcile(&shop, &[]).await;
    assert_eq!(
        plain["restored_holds"], 0,
        "without a word nothing is made of another shop's"
    );
    let dry = reconcile(&shop, &["--restored", "--dry-run"]).await;
    assert_eq!(dry["restored_holds"], 5);
    let arguments = ["reconcile", "--since", "1h", "--restored"];
    let done = worker(&shop, &arguments).await;
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("5 sessions of lost holds"), "{said}");

    shop.wait_for_bookings(7).await;
    let found = checkout::Entity::find().all(&shop.stack.db).await.unwrap();
    let found = found
        .iter()
        .find(|it| it.session_id.as_deref() == Some(&open))
        .unwrap();
    assert_eq!((found.quantity, found.seats_held), (2, true));
    assert_eq!(found.client_reference.as_deref(), Some("order-7"));
    assert_eq!(found.metadata, Some(json!({ "hotel": "Kranich" })));
    assert_eq!(found.customer_email, "grace@example.com");
    shop.stripe.pay(&open, Outcome::Succeed).await.unwrap();
    shop.wait_for_bookings(8).await;
    eventually("the books agree", async || {
        worker(&shop, &["audit", "--since", "1h"])
            .await
            .status
            .success()
    })
    .await;
    let again = reconcile(&shop, &["--restored"]).await;
    assert_eq!(again["restored_holds"], 0, "once");
    assert_eq!(cancelled(&shop).await, 2, "what went back is gone again");
    assert!(worker_.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}

/// A slot that has begun since, or whose seats are gone, is no reason to forget who had paid before.
async fn a_payment_counts_as_when_it_came(stack: Stack) {
    let mut shop = Deployment::new(stack).await;
    let (begun, full) = (shop.stack.slot(5).await, shop.stack.slot(5).await);
    let (ingress, worker_) = (shop.start_ingress().await, shop.start("worker"));
    let backup = Backup::make(&shop.stack).await;
    shop.buy(begun, 1).await;
    shop.buy(full, 1).await;
    let unpaid = order(&shop, full).await;
    shop.wait_for_bookings(2).await;
    ingress.kill();
    worker_.kill();
    backup.restore(&mut shop.stack).await;
    let begins_at = clock::system().truncate_to_second() + time::Duration::seconds(2);
    for (id, column, value) in [
        (begun, slot::Column::StartsAt, Expr::value(begins_at)),
        (full, slot::Column::Capacity, Expr::value(0)),
    ] {
        let change = slot::Entity::update_many().col_expr(column, value);
        let change = change.filter(slot::Column::Id.eq(id));
        change.exec(&shop.stack.patient_db).await.unwrap();
    }
    let (ingress, worker_) = (shop.start_ingress().await, shop.start("worker"));

    eventually("it has begun", async || clock::system() > begins_at).await;

    let found = reconcile(&shop, &["--restored"]).await;

    assert_eq!(found["restored_holds"], 3);
    shop.wait_for_bookings(2).await;
    eventually("what cannot be held cannot be paid", async || {
        let events = shop.stripe.events();
        let mut expired = events
            .iter()
            .filter(|it| it["type"] == "checkout.session.expired");
        expired.any(|it| it["data"]["object"]["id"] == unpaid)
    })
    .await;
    eventually("one goes back", async || cancelled(&shop).await == 1).await;
    let rows = booking::Entity::find().all(&shop.stack.db).await.unwrap();
    for row in &rows {
        let is_full = row.slot_id == Some(full);
        let expected = if is_full {
            booking::Status::Cancelled
        } else {
            booking::Status::Confirmed
        };
        assert_eq!(row.status, expected, "{:?}", row.reason);
    }
    eventually("the books agree", async || {
        worker(&shop, &["audit", "--since", "1h"])
            .await
            .status
            .success()
    })
    .await;
    assert!(worker_.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}

async fn what_is_sold_without_a_slot_is_ours_by_where_its_buyer_goes_back(stack: Stack) {
    let mut shop = Deployment::new(stack).await;
    shop.variables.insert("PUBLIC_URL", shop.url.clone());
    let ours = pay_without_a_slot(&shop, &format!("{}/payment-success", shop.url)).await;
    let theirs = pay_without_a_slot(&shop, "https://other.example.com/thanks").await;
    let started = shop.start("worker");

    let found = reconcile(&shop, &["--restored"]).await;

    assert_eq!(found["restored_holds"], 1);
    assert_eq!(found["beyond_restoring"], json!([theirs]));
    shop.wait_for_bookings(1).await;
    let row = checkout::Entity::find().one(&shop.stack.db).await;
    let row = row.unwrap().unwrap();
    assert_eq!(row.session_id, Some(ours));
    let said = worker(&shop, &["reconcile", "--since", "1h", "--restored"]).await;
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("1 paid session of a slot that is not here") && said.contains(&theirs),
        "{said}"
    );
    assert!(started.terminate().await.success());
}

async fn seats_that_went_back_are_there_for_who_bought_them_then(stack: Stack) {
    let mut shop = Deployment::new(stack).await;
    let slot = shop.stack.slot(1).await;
    let (ingress, started) = (shop.start_ingress().await, shop.start("worker"));
    shop.buy(slot, 1).await;
    shop.wait_for_bookings(1).await;
    let backup = Backup::make(&shop.stack).await;
    refund(&shop, &intents(&shop).await[0]).await;
    eventually("its seat is free", async || cancelled(&shop).await == 1).await;
    shop.buy(slot, 1).await;
    shop.wait_for_bookings(2).await;
    ingress.kill();
    started.kill();
    backup.restore(&mut shop.stack).await;
    shop.variables.insert("ON_UNFULFILLABLE", "hold".to_owned());
    let started = shop.start("worker");

    let first = reconcile(&shop, &[]).await;
    assert_eq!(first["missing_sessions"], 1, "{first}");
    eventually("its seat is free again", async || {
        cancelled(&shop).await == 1
    })
    .await;
    let then = reconcile(&shop, &["--restored"]).await;

    assert_eq!(then["restored_holds"], 1, "{then}");
    shop.wait_for_bookings(2).await;
    let rows = booking::Entity::find().all(&shop.stack.db).await.unwrap();
    let confirmed = rows
        .iter()
        .filter(|it| it.status == booking::Status::Confirmed);
    assert_eq!(confirmed.count(), 1);
    eventually("the books agree", async || {
        worker(&shop, &["audit", "--since", "1h"])
            .await
            .status
            .success()
    })
    .await;
    assert!(started.terminate().await.success());
    shop.close().await;
}
