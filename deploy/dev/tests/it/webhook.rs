//! `POST /api/payment/webhook`

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::db::dispute;
use stripe_sim::{Faults, Outcome};
use testkit::Broker;

use crate::{
    queue,
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    an_event_becomes_a_booking_without_a_call_to_stripe,
    what_is_not_for_us_is_acknowledged_and_changes_nothing,
    what_stripe_did_not_sign_is_refused,
    a_header_that_a_proxy_has_touched_is_stripes_all_the_same,
    a_thin_event_leads_to_the_same_booking,
    what_is_left_out_is_named_by_doctor,
    an_event_that_is_faster_than_the_session_id_finds_its_hold,
];

/// The event of a session that was just paid, which only the test delivers.
async fn undelivered_payment(shop: &Shop) -> (Session, Value) {
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let slot = shop.slot(5).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    (session, event)
}

async fn deliver(shop: &Shop, event: &Value) -> (StatusCode, Value) {
    let (signature, body) = shop.stripe.sign(event);
    deliver_raw(shop, &signature, body.into_bytes()).await
}

async fn deliver_raw(shop: &Shop, signature: &str, body: Vec<u8>) -> (StatusCode, Value) {
    let request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
    let request = request.header("stripe-signature", signature).body(body);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn an_event_becomes_a_booking_without_a_call_to_stripe(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = undelivered_payment(&shop).await;
    let calls_before = shop.stripe.api_calls();

    let answer = deliver(&shop, &event).await;
    let again = deliver(&shop, &event).await;

    assert_eq!(answer, (StatusCode::OK, json!({ "received": true })));
    assert_eq!(again.0, StatusCode::OK);
    shop.wait_for_bookings(1).await;
    assert_eq!(shop.stripe.api_calls(), calls_before);
    shop.close().await;
}

async fn what_is_not_for_us_is_acknowledged_and_changes_nothing(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let (_, event) = undelivered_payment(&shop).await;
    let with = |pointer: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let mut connected = event.clone();
    connected["account"] = json!("acct_1");
    let mut foreign = with("/data/object/id", json!("cs_test_ofSomebodyElse"));
    foreign["id"] = json!("evt_foreign");
    foreign["data"]["object"]["metadata"] = json!({});
    foreign["data"]["object"]["client_reference_id"] = json!("campaign-7");

    for event in [
        with("/type", json!("customer.created")),
        with("/type", json!("brand.new.type")),
        with("/livemode", json!(true)),
        with("/object", json!("v3.core.event")),
        connected,
        foreign,
    ] {
        assert_eq!(deliver(&shop, &event).await.0, StatusCode::OK, "{event}");
    }
    // Only the worker can tell that a session is another integration's.
    eventually("the foreign one is queued", async || {
        queue::waiting(&shop.stack, "events").await == 1
    })
    .await;
    shop.start_worker();
    deliver(&shop, &event).await;
    shop.wait_for_bookings(1).await;
    // By then it has finished the foreign one as well, which it got first.
    shop.stop_workers().await;
    assert_eq!(queue::waiting(&shop.stack, "events").await, 0);
    assert_eq!(queue::dead(&shop.stack).await, 0);
    assert_eq!(shop.bookings().await, 1);
    shop.close().await;
}

async fn what_stripe_did_not_sign_is_refused(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = undelivered_payment(&shop).await;
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
    let forged = deliver_raw(&shop, "t=1,v1=00", body.clone()).await;
    let changed = deliver_raw(&shop, &signature, tampered).await;
    let (signature, no_event) = sign("not an event");
    let malformed = deliver_raw(&shop, &signature, no_event.into_bytes()).await;
    let too_large = deliver_raw(&shop, &signature, vec![b'x'; 257 * 1024]).await;

    for refused in [unsigned, twice, not_text] {
        assert_eq!(refused["code"], "signature_verification_failed");
    }
    assert_eq!(forged.1["code"], "signature_verification_failed");
    assert_eq!(changed.1["code"], "signature_verification_failed");
    assert_eq!(malformed.1["code"], "malformed_event");
    assert_eq!(too_large.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(shop.bookings().await, 0);
    // The books balance only once the real event came through.
    deliver(&shop, &event).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

async fn a_header_that_a_proxy_has_touched_is_stripes_all_the_same(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = undelivered_payment(&shop).await;
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
    let (session, event) = undelivered_payment(&shop).await;
    let event = stripe_sim::thin(&event);
    assert_eq!(event["type"], "v1.checkout.session.completed");
    assert_eq!(event["data"], Value::Null);
    let told = async |kind: &str| {
        let events = shop.stripe.events();
        let event = events.iter().rfind(|it| it["type"] == kind).unwrap();
        let thin = stripe_sim::thin(event);
        assert_eq!(deliver(&shop, &thin).await.0, StatusCode::OK);
    };

    assert_eq!(deliver(&shop, &event).await.0, StatusCode::OK);
    assert_eq!(deliver(&shop, &event).await.0, StatusCode::OK);

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

async fn what_is_left_out_is_named_by_doctor(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = undelivered_payment(&shop).await;
    let mut other_mode = event.clone();
    (other_mode["livemode"], other_mode["id"]) = (json!(true), json!("evt_live"));
    let mut connected = event.clone();
    (connected["account"], connected["id"]) = (json!("acct_1"), json!("evt_connected"));
    let mut later = event.clone();
    (later["object"], later["id"]) = (json!("v3.core.event"), json!("evt_later"));
    let mut not_ours = connected.clone();
    not_ours["type"] = json!("customer.created");

    for event in [&other_mode, &connected, &connected, &later, &not_ours] {
        assert_eq!(deliver(&shop, event).await.0, StatusCode::OK);
    }

    let doctor = crate::operations::worker(&shop, &["doctor", "--json"]).await;
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let findings = findings.as_array().unwrap().iter();
    let left_out = findings.filter(|it| it["check"] == "left out");
    let mut details: Vec<_> = left_out.map(|it| it["detail"].as_str().unwrap()).collect();
    details.sort_unstable();
    assert_eq!(details.len(), 3, "{details:?}");
    assert!(
        details[0].starts_with("1 event ignored_other_mode, the last evt_live at 20"),
        "{details:?}"
    );
    assert!(
        details[1].starts_with("1 event ignored_unknown_form, the last evt_later at"),
        "{details:?}"
    );
    assert!(
        details[2].starts_with("2 events ignored_connected_account, the last evt_connected at"),
        "{details:?}"
    );
    deliver(&shop, &event).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

async fn an_event_that_is_faster_than_the_session_id_finds_its_hold(stack: Stack) {
    use sea_orm::{EntityTrait, sea_query::Expr};
    use shared::db::checkout;
    let shop = Shop::open(stack).await;
    let (session, event) = undelivered_payment(&shop).await;
    // As if ingress had crashed between creating the session and storing its id.
    checkout::Entity::update_many()
        .col_expr(checkout::Column::SessionId, Expr::value(None::<String>))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    deliver(&shop, &event).await;

    shop.wait_for_bookings(1).await;
    assert_eq!(shop.confirm(&session.id, 0).await.1["status"], "confirmed");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_that_was_answered_with_200_dies_with_the_broker() {
    let broker = Broker::private().unwrap();
    // Its worker has to find the way back by itself.
    let shop = Shop::open(Stack::postgres_with_broker(&broker.url).await).await;
    shop.wait_until_ready().await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let slot = shop.slot(402).await;
    for _ in 0..400 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    let events = shop.stripe.events();
    let unpaid = shop.create(slot).await;

    // The broker dies while 16 posts are on their way, and is back for the last hundred.
    let posted = AtomicUsize::new(0);
    let post = async |event| {
        if posted.fetch_add(1, Ordering::Relaxed) == 150 {
            broker.kill().unwrap();
        }
        (event, deliver(&shop, event).await)
    };
    let post_all = async |events| -> Vec<(&Value, (StatusCode, Value))> {
        let posts = stream::iter(events).map(post);
        posts.buffer_unordered(16).collect().await
    };
    let (before, after) = events.split_at(300);
    let mut answers = post_all(before).await;
    broker.start_again().await.unwrap();
    // A queue may need a moment longer than its broker.
    eventually("webhooks are taken again", async || {
        deliver(&shop, &events[0]).await.0 == StatusCode::OK
    })
    .await;
    answers.extend(post_all(after).await);
    let (accepted, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|(_, (status, _))| *status == StatusCode::OK);
    for (_, (status, problem)) in &refused {
        assert_eq!(*status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem["code"], "queue_unavailable");
    }
    assert!(refused.len() >= 100, "{} refused", refused.len());
    assert!(accepted.len() >= 200, "{} accepted", accepted.len());

    // Every 200 was a promise.
    let promised = u64::try_from(accepted.len()).unwrap();
    eventually("every promise is kept", async || {
        shop.bookings().await >= promised
    })
    .await;
    // Stripe delivers the others again.
    for (event, _) in refused {
        assert_eq!(deliver(&shop, event).await.0, StatusCode::OK);
    }
    shop.wait_for_bookings(400).await;
    assert_eq!(shop.told(&unpaid.id).await.1["status"], "awaiting_payment");

    // Nor does confirm promise what it cannot keep.
    broker.kill().unwrap();
    let asked = shop.create(slot).await;
    eventually("confirm knows that the broker is gone", async || {
        let (status, problem) = shop.confirm(&asked.id, 1).await;
        status == StatusCode::SERVICE_UNAVAILABLE && problem["code"] == "queue_unavailable"
    })
    .await;
    shop.close().await;
}
