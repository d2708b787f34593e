//! `POST /api/create-checkout-session`, sent again.

use futures_util::future::join_all;
use reqwest::StatusCode;
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};
use shared::db::{checkout, offering};
use stripe_sim::{Faults, Outcome};
use testkit::order;

use crate::{
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    the_same_idempotency_key_opens_one_session,
    a_quantity_that_is_left_out_is_one,
    an_idempotency_key_ends_with_its_session,
    a_buyer_who_leaves_too_early_leaves_no_hold_without_a_session,
    a_repeated_request_pays_the_price_of_its_hold,
];

/// As a client that sends an `Idempotency-Key`.
pub async fn send(shop: &Shop, key: &str, body: &Value) -> (StatusCode, Value) {
    let url = format!("{}/api/create-checkout-session", shop.url);
    let request = shop.http.post(url).header("idempotency-key", key);
    let response = request.json(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn the_same_idempotency_key_opens_one_session(stack: Stack) {
    let shop = Shop::open(stack).await;
    // As at Stripe: a second call with the same key is refused while the first one runs.
    shop.stripe.set_faults(Faults {
        create_latency_ms: 1500,
        ..Faults::default()
    });
    let slot = shop.slot(10).await;
    let wish = order(slot, 2);

    let clicks = join_all((0..20).map(|_| send(&shop, "one wish", &wish))).await;
    let mut padded = wish.clone();
    padded["customer"]["name"] = json!("  Ada Lovelace ");
    padded["customer"]["email"] = json!("ada@example.com ");
    let padded = send(&shop, "one wish", &padded).await;
    let another_body = send(&shop, "one wish", &order(slot, 1)).await;
    let malformed = send(&shop, &"x".repeat(256), &wish).await;

    let (status, first) = &clicks[0];
    assert_eq!(*status, StatusCode::CREATED, "{first}");
    assert_eq!(padded.1, *first, "what is trimmed is the same wish");
    assert!(clicks.iter().all(|click| click == &clicks[0]), "{clicks:?}");
    assert_eq!(another_body.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(another_body.1["code"], "idempotency_key_reused");
    assert_eq!(malformed.1["code"], "malformed_idempotency_key");
    assert_eq!(shop.seats_taken(slot).await, 2);
    assert_eq!(shop.stripe.ledger().len(), 1);
    shop.close().await;
}

async fn a_quantity_that_is_left_out_is_one(stack: Stack) {
    let shop = Shop::open(stack).await;
    let wish = order(shop.slot(10).await, 1);
    let mut left_out = wish.clone();
    left_out.as_object_mut().unwrap().remove("quantity");

    let (status, first) = send(&shop, "one wish", &left_out).await;
    let second = send(&shop, "one wish", &wish).await;

    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_eq!(second, (StatusCode::CREATED, first));
    assert_eq!(shop.stripe.ledger().len(), 1);
    shop.close().await;
}

async fn an_idempotency_key_ends_with_its_session(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;
    let wish = order(slot, 2);
    let session = async || {
        let (status, body) = send(&shop, "one wish", &wish).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        Session {
            id: body["session_id"].as_str().unwrap().to_owned(),
        }
    };

    let expired = session().await;
    shop.stripe.expire(&expired.id).unwrap();
    eventually("the seats are free", async || {
        shop.seats_taken(slot).await == 0
    })
    .await;
    let paid = session().await;
    shop.pay(&paid, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let (status, problem) = send(&shop, "one wish", &wish).await;

    assert_ne!(paid.id, expired.id);
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["code"], "checkout_completed");
    assert_eq!(shop.seats_taken(slot).await, 2);
    shop.close().await;
}

async fn a_buyer_who_leaves_too_early_leaves_no_hold_without_a_session(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.stripe.set_faults(Faults {
        create_latency_ms: 4_000,
        ..Faults::default()
    });
    let slot = shop.slot(10).await;

    let wish = order(slot, 2);
    tokio::select! {
        answer = send(&shop, "one wish", &wish) => panic!("too soon for this test: {answer:?}"),
        () = eventually("the seats are held", async || shop.seats_taken(slot).await == 2) => {}
    }

    eventually("the hold has its session", async || {
        let checkout = checkout::Entity::find().one(&shop.stack.db).await.unwrap();
        checkout.unwrap().session_id.is_some()
    })
    .await;
    shop.close().await;
}

/// Ingress may crash after Stripe made the session; meanwhile the shop changes its prices.
async fn a_repeated_request_pays_the_price_of_its_hold(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;
    let wish = order(slot, 3);
    let (_, first) = send(&shop, "one wish", &wish).await;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::SessionId, Expr::value(None::<String>))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
    offering::Entity::update_many()
        .col_expr(offering::Column::UnitAmountMinorUnits, Expr::value(9900))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    let (status, second) = send(&shop, "one wish", &wish).await;

    assert_eq!(status, StatusCode::CREATED, "{second}");
    assert_eq!(second, first);
    shop.close().await;
}
