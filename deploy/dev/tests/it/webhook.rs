//! `POST /api/payment/webhook`

use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::db::dispute;

use crate::{
    queue,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    an_event_becomes_a_booking_without_a_call_to_stripe,
    what_stripe_did_not_sign_is_refused,
    a_header_that_a_proxy_has_touched_is_stripes_all_the_same,
    a_thin_event_leads_to_the_same_booking,
    an_event_that_is_faster_than_the_session_id_finds_its_hold,
];

async fn an_event_becomes_a_booking_without_a_call_to_stripe(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = shop.undelivered_payment().await;
    let calls_before = shop.stripe.api_calls();

    let answer = shop.deliver(&event).await;
    let again = shop.deliver(&event).await;

    assert_eq!(answer, (StatusCode::OK, json!({ "received": true })));
    assert_eq!(again.0, StatusCode::OK);
    shop.wait_for_bookings(1).await;
    assert_eq!(shop.stripe.api_calls(), calls_before);
    shop.close().await;
}

async fn what_stripe_did_not_sign_is_refused(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = shop.undelivered_payment().await;
    let (signature, body) = shop.stripe.sign(&event);
    let body = body.into_bytes();
    let mut tampered = body.clone();
    tampered.push(b' ');
    let sign = |text: &str| shop.stripe.sign(&json!(text));

    let with_headers = async |values: &[&[u8]]| {
        let mut request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        for value in values {
            let value = reqwest::header::HeaderValue::from_bytes(value).unwrap();
            request = request.header("stripe-signature", value);
        }
        let response = request.body(body.clone()).send().await.unwrap();
        response.json::<Value>().await.unwrap()
    };
    let unsigned = with_headers(&[]).await;
    let twice = with_headers(&[signature.as_bytes(), signature.as_bytes()]).await;
    let not_text = with_headers(&[b"t=1,v1=\xff"]).await;
    let forged = shop.deliver_raw("t=1,v1=00", body.clone()).await;
    let changed = shop.deliver_raw(&signature, tampered).await;
    let (signature, no_event) = sign("not an event");
    let malformed = shop.deliver_raw(&signature, no_event.into_bytes()).await;
    let too_large = shop.deliver_raw(&signature, vec![b'x'; 257 * 1024]).await;

    for refused in [unsigned, twice, not_text] {
        assert_eq!(refused["code"], "signature_verification_failed");
    }
    assert_eq!(forged.1["code"], "signature_verification_failed");
    assert_eq!(changed.1["code"], "signature_verification_failed");
    assert_eq!(malformed.1["code"], "malformed_event");
    assert_eq!(too_large.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(shop.bookings().await, 0);
    // The books balance only once the real event came through.
    shop.deliver(&event).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

async fn a_header_that_a_proxy_has_touched_is_stripes_all_the_same(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = shop.undelivered_payment().await;
    let (signature, body) = shop.stripe.sign(&event);
    let (time, hash) = signature.split_once(',').unwrap();

    for lines in [
        vec![format!("{time}, {hash}")],
        vec![format!(" {time} ,\t{hash} ")],
        vec![time.to_owned(), hash.to_owned()],
        vec![hash.to_owned(), time.to_owned()],
        vec![signature.clone(), "v1=00".to_owned()],
    ] {
        let mut request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        for line in &lines {
            request = request.header("stripe-signature", line);
        }
        let answer = request.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{lines:?}");
    }
    // The worker has read the same header.
    shop.wait_for_bookings(1).await;
    assert_eq!(queue::dead(&shop.stack).await, 0);
    shop.close().await;
}

/// It names the object; the worker asks Stripe what became of it.
async fn a_thin_event_leads_to_the_same_booking(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (session, event) = shop.undelivered_payment().await;
    let event = stripe_sim::thin(&event);
    assert_eq!(event["type"], "v1.checkout.session.completed");
    assert_eq!(event["data"], Value::Null);
    let told = async |kind: &str| {
        let events = shop.stripe.events();
        let event = events.iter().rfind(|it| it["type"] == kind).unwrap();
        let thin = stripe_sim::thin(event);
        assert_eq!(shop.deliver(&thin).await.0, StatusCode::OK);
    };

    assert_eq!(shop.deliver(&event).await.0, StatusCode::OK);
    assert_eq!(shop.deliver(&event).await.0, StatusCode::OK);

    shop.wait_for_bookings(1).await;
    shop.stripe.refund(&session.id, Some(1000)).unwrap();
    told("refund.created").await;
    eventually("the refund is known", async || {
        shop.confirm(&session.id, 0).await.1["payment"]["amount_refunded"] == 1000
    })
    .await;
    shop.stripe.dispute(&session.id, false).unwrap();
    told("charge.dispute.created").await;
    eventually("the dispute is known", async || {
        let disputes = dispute::Entity::find().count(&shop.stack.db).await;
        disputes.unwrap() == 1
    })
    .await;
    assert_eq!(queue::dead(&shop.stack).await, 0);
    shop.close().await;
}

async fn an_event_that_is_faster_than_the_session_id_finds_its_hold(stack: Stack) {
    use sea_orm::{EntityTrait, sea_query::Expr};
    use shared::db::checkout;
    let shop = Shop::open(stack).await;
    let (session, event) = shop.undelivered_payment().await;
    // As if ingress had crashed between creating the session and storing its id.
    checkout::Entity::update_many()
        .col_expr(checkout::Column::SessionId, Expr::value(None::<String>))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    shop.deliver(&event).await;

    shop.wait_for_bookings(1).await;
    assert_eq!(shop.confirm(&session.id, 0).await.1["status"], "confirmed");
    shop.close().await;
}
