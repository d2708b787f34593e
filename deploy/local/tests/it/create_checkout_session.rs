//! `POST /api/create-checkout-session`

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait, sea_query::Expr};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{checkout, offering},
};
use stripe_sim::{Faults, Outcome};
use uuid::Uuid;

use crate::{
    shop::{Session, Shop, eventually, insert_slot, order},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    the_server_decides_about_price_and_addresses,
    a_hundred_buyers_share_ten_seats,
    the_same_idempotency_key_opens_one_session,
    an_idempotency_key_ends_with_its_session,
    a_buyer_who_leaves_too_early_leaves_no_hold_without_a_session,
    a_repeated_request_pays_the_price_of_its_hold,
    an_order_takes_the_place_of_an_earlier_one_that_is_still_open,
    bad_requests_get_a_clear_error,
    a_failure_of_stripe_gives_the_seats_back,
];

async fn the_server_decides_about_price_and_addresses(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    let before = clock::system().unix_timestamp();

    for field in ["amount_total", "currency", "success_url", "qty"] {
        let mut order = order(slot, 3);
        order[field] = json!(1);
        let response = shop.post("/api/create-checkout-session", &order).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{field}");
    }
    let (_, created) = shop.try_create(slot, 3).await;

    assert_eq!(created["amount_total"], 3 * 4900);
    assert_eq!(created["currency"], "eur");
    let id = created["session_id"].as_str().unwrap();
    let session = at_stripe(&shop, id).await;
    assert_eq!(session["amount_total"], 3 * 4900);
    assert_eq!(session["customer_email"], "ada@example.com");
    assert_eq!(session["metadata"]["slot_id"], slot.to_string());
    assert_eq!(session["metadata"]["quantity"], "3");
    assert_eq!(
        session["metadata"]["checkout_id"],
        session["client_reference_id"]
    );
    assert_eq!(
        session["success_url"],
        format!(
            "{}/payment-success?session_id={{CHECKOUT_SESSION_ID}}",
            shop.url
        )
    );
    let minutes = (session["expires_at"].as_i64().unwrap() - before) / 60;
    assert!((30..=31).contains(&minutes), "{minutes}");
    assert_eq!(shop.seats_taken(slot).await, 3);
    shop.close().await;
}

async fn a_hundred_buyers_share_ten_seats(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;

    let answers = join_all((0..100).map(|_| shop.try_create(slot, 1))).await;

    let with = |status| answers.iter().filter(|answer| answer.0 == status).count();
    assert_eq!(
        (with(StatusCode::CREATED), with(StatusCode::CONFLICT)),
        (10, 90)
    );
    let refused = answers
        .iter()
        .find(|answer| answer.0 == StatusCode::CONFLICT)
        .unwrap();
    assert_eq!(refused.1["code"], "slot_full");
    assert_eq!(shop.seats_taken(slot).await, 10);
    shop.close().await;
}

/// As a client that sends an `Idempotency-Key`.
async fn send(shop: &Shop, key: &str, body: &Value) -> (StatusCode, Value) {
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
    let another_body = send(&shop, "one wish", &order(slot, 1)).await;
    let malformed = send(&shop, &"x".repeat(256), &wish).await;

    let (status, first) = &clicks[0];
    assert_eq!(*status, StatusCode::CREATED, "{first}");
    assert!(clicks.iter().all(|click| click == &clicks[0]), "{clicks:?}");
    assert_eq!(another_body.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(another_body.1["code"], "idempotency_key_reused");
    assert_eq!(malformed.1["code"], "malformed_idempotency_key");
    assert_eq!(shop.seats_taken(slot).await, 2);
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
        create_latency_ms: 1500,
        ..Faults::default()
    });
    let slot = shop.slot(10).await;

    let hurry = Duration::from_millis(500);
    let wish = order(slot, 2);
    let gone = tokio::time::timeout(hurry, send(&shop, "one wish", &wish)).await;

    assert!(gone.is_err(), "the answer came too soon for this test");
    assert_eq!(shop.seats_taken(slot).await, 2);
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
        .exec(&shop.stack.db)
        .await
        .unwrap();
    offering::Entity::update_many()
        .col_expr(offering::Column::UnitAmountMinorUnits, Expr::value(9900))
        .exec(&shop.stack.db)
        .await
        .unwrap();

    let (status, second) = send(&shop, "one wish", &wish).await;

    assert_eq!(status, StatusCode::CREATED, "{second}");
    assert_eq!(second, first);
    shop.close().await;
}

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

async fn bad_requests_get_a_clear_error(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let begun = insert_slot(&shop.stack, 2, clock::system()).await;
    let with = |field: &str, value: Value| {
        let mut order = order(slot, 1);
        *order.pointer_mut(field).unwrap() = value;
        order
    };

    for (body, status, code, field) in [
        (json!([]), 400, "malformed_request", None),
        (json!({}), 422, "validation_failed", Some("slot_id")),
        (
            with("/slot_id", json!("7")),
            422,
            "validation_failed",
            Some("slot_id"),
        ),
        (with("/slot_id", json!(7)), 400, "malformed_request", None),
        (
            with("/quantity", json!(0)),
            422,
            "validation_failed",
            Some("quantity"),
        ),
        (
            with("/quantity", json!(21)),
            422,
            "validation_failed",
            Some("quantity"),
        ),
        (
            with("/quantity", json!(1.5)),
            400,
            "malformed_request",
            None,
        ),
        (
            with("/customer", json!(null)),
            422,
            "validation_failed",
            Some("customer.name"),
        ),
        (
            with("/customer/name", json!(" ")),
            422,
            "validation_failed",
            Some("customer.name"),
        ),
        (
            with("/customer/email", json!("ada")),
            422,
            "validation_failed",
            Some("customer.email"),
        ),
        (order(Uuid::now_v7(), 1), 404, "slot_not_found", None),
        (order(begun, 1), 409, "slot_closed", None),
        (order(slot, 3), 409, "slot_full", None),
    ] {
        let response = shop.post("/api/create-checkout-session", &body).await;

        assert_eq!(response.status(), status, "{body}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{body}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["errors"][0]["field"].as_str(), field, "{body}");
    }

    let url = format!("{}/api/create-checkout-session", shop.url);
    let too_large = shop
        .post("/api/create-checkout-session", &json!("x".repeat(5000)))
        .await;
    let no_json = shop.http.post(&url).body("{}").send().await.unwrap();
    let broken = shop
        .http
        .post(&url)
        .header("content-type", "application/json")
        .body("{");
    let wrong_method = shop.http.get(&url).send().await.unwrap();
    assert_eq!(too_large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(no_json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        broken.send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(wrong_method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        wrong_method.json::<Value>().await.unwrap()["code"],
        "method_not_allowed"
    );
    assert_eq!(shop.seats_taken(slot).await, 0);
    shop.close().await;
}

async fn a_failure_of_stripe_gives_the_seats_back(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let wish = order(slot, 1);

    shop.stripe.set_faults(Faults {
        api_status: Some(500),
        ..Faults::default()
    });
    let (status, problem) = send(&shop, "wish", &wish).await;
    let seats_after_failure = shop.seats_taken(slot).await;
    shop.stripe.set_faults(Faults::default());
    let (status_later, _) = send(&shop, "wish", &wish).await;

    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(problem["code"], "stripe_unavailable");
    assert_eq!(seats_after_failure, 0);
    assert_eq!(status_later, StatusCode::CREATED);
    assert_eq!(
        checkout::Entity::find()
            .count(&shop.stack.db)
            .await
            .unwrap(),
        2
    );
    shop.close().await;
}

async fn at_stripe(shop: &Shop, id: &str) -> Value {
    let request = shop.http.get(format!(
        "{}/v1/checkout/sessions/{id}",
        shop.stripe.base_url()
    ));
    request
        .bearer_auth("sk_test_of_the_tests")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}
