//! A buyer sees a booking and cancels it by the link from the mail.

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use shared::{
    booking_link::LinkSecrets,
    clock,
    db::{booking::Status, dead_letter, intervention},
    message::{BookingCancel, Envelope},
    queue::Lane,
    traceparent::Traceparent,
};
use worker::run_job;

use super::{book, booking_of, payment_of, say, slot_of, told, types};
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_buyer_cancels_once_and_all_of_it_goes_back,
    a_buyer_who_is_late_gets_the_share_they_were_told,
    what_a_bank_has_still_to_say_is_not_promised,
    what_nobody_signed_cancels_nothing,
];

const SECRET: &str = "secret-of-the-tests-for-links-in-mails";

pub async fn shop_with_links(mut stack: Stack) -> Shop {
    stack.variables.insert("LINK_SECRET", SECRET.to_owned());
    Shop::open(stack).await
}

fn secrets() -> LinkSecrets {
    LinkSecrets::from_env(&[("LINK_SECRET", SECRET)].into_iter().collect()).unwrap()
}

pub async fn set_policy(shop: &Shop, free_hours: i32, late_percent: i32) {
    let statement = format!(
        "UPDATE offering SET cancellation_free_hours = {free_hours}, \
         cancellation_late_percent = {late_percent}"
    );
    let done = shop.stack.db.execute_unprepared(&statement).await;
    assert!(done.unwrap().rows_affected() > 0);
}

pub async fn token_of(shop: &Shop, reference: &str) -> String {
    let id = booking_of(shop, reference).await.id;
    secrets().token(id).unwrap()
}

async fn ask(shop: &Shop, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = shop.http.post(format!("{}{path}", shop.url)).json(body);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn a_buyer_cancels_once_and_all_of_it_goes_back(stack: Stack) {
    let shop = shop_with_links(stack).await;
    let slot = shop.slot(1).await;
    let (session, reference) = book(&shop, slot).await;
    let token = token_of(&shop, &reference).await;
    let cancel = json!({ "reference": reference, "token": token, "refund_amount": 4900 });

    let without_policy = ask(&shop, "/api/booking/cancel", &cancel).await;
    set_policy(&shop, 1, 0).await;
    let by_link = json!({ "reference": reference.to_lowercase(), "token": token });
    let (status, seen) = ask(&shop, "/api/booking", &by_link).await;
    let (_, by_email) = ask(
        &shop,
        "/api/booking",
        &json!({ "reference": reference, "email": " Ada@Example.com " }),
    )
    .await;
    for wrong in [
        json!({ "reference": reference }),
        json!({ "reference": reference, "email": "" }),
        json!({ "reference": reference, "email": "eve@example.com" }),
        json!({ "reference": reference, "token": "0".repeat(32) }),
        json!({ "reference": "AAAAA-AAAAA", "token": token }),
        json!({ "reference": "\u{0}", "token": token }),
    ] {
        let (status, answer) = ask(&shop, "/api/booking", &wrong).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{wrong}");
        assert_eq!(answer["code"], "booking_not_found");
    }
    let forged = json!({ "reference": reference, "token": "0".repeat(32), "refund_amount": 0 });
    let forged = ask(&shop, "/api/booking/cancel", &forged).await;
    assert_eq!(
        booking_of(&shop, &reference).await.status,
        Status::Confirmed
    );
    let twice = tokio::join!(
        ask(&shop, "/api/booking/cancel", &cancel),
        ask(&shop, "/api/booking/cancel", &cancel)
    );
    eventually("the money is back", async || {
        let payment = payment_of(&shop, &reference).await;
        payment.amount_refunded_minor_units == 4900
    })
    .await;
    let late = ask(&shop, "/api/booking/cancel", &cancel).await;
    let wish = secrets().cancellation(booking_of(&shop, &reference).await.id, 4900);
    let again = Envelope::booking_cancel(&wish.unwrap(), clock::system(), &Traceparent::new());
    let again = run_job(&shop.worker_context(), &again).await.unwrap();

    assert_eq!(without_policy.1["code"], "cancellation_closed");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(seen["status"], "confirmed");
    assert_eq!(seen["booking"]["reference"], reference.as_str());
    assert_eq!(seen["cancellation"]["refund_amount"], 4900);
    assert_eq!(seen["cancellation"]["currency"], "eur");
    assert_eq!(by_email["booking"]["reference"], reference.as_str());
    assert_eq!(by_email.get("cancellation"), None);
    assert_eq!(forged.0, StatusCode::NOT_FOUND);
    assert_eq!(twice.0.0, StatusCode::ACCEPTED);
    assert!([StatusCode::ACCEPTED, StatusCode::CONFLICT].contains(&twice.1.0));
    assert_eq!(late.1["code"], "cancellation_closed");
    assert_eq!(again.as_str(), "already_processed");
    let ended = booking_of(&shop, &reference).await;
    assert_eq!(
        (ended.status, ended.reason.as_deref()),
        (Status::Cancelled, Some("cancelled_by_buyer"))
    );
    assert_eq!(slot_of(&shop, slot).await.seats_taken, 0);
    assert_eq!(shop.stripe.ledger()[0].refunds.len(), 1);
    let told = told(&shop, &reference).await;
    assert_eq!(
        types(&told),
        ["booking.confirmed", "booking.cancelled", "payment.refunded"]
    );
    let kept = intervention::Entity::find().all(&shop.stack.db).await;
    assert_eq!(kept.unwrap().len(), 1);
    let dead = dead_letter::Entity::find().all(&shop.stack.db).await;
    assert_eq!(dead.unwrap(), []);
    let (_, confirm) = shop.told(&session.id).await;
    assert_eq!(confirm["status"], "cancelled");
    let story = say(&shop, &["booking", "show", &reference]).await.unwrap();
    assert!(story.contains("by the buyer"), "{story}");
    shop.close().await;
}

async fn a_buyer_who_is_late_gets_the_share_they_were_told(stack: Stack) {
    let shop = shop_with_links(stack).await;
    let slot = shop.slot(1).await;
    set_policy(&shop, 720, 33).await;
    let (_, reference) = book(&shop, slot).await;
    let token = token_of(&shop, &reference).await;
    let cancel =
        |amount| json!({ "reference": reference, "token": token, "refund_amount": amount });

    let seen = json!({ "reference": reference, "token": token });
    let (_, seen) = ask(&shop, "/api/booking", &seen).await;
    // As a page says that was opened when all of it would have come back.
    let (_, before) = ask(&shop, "/api/booking/cancel", &cancel(4900)).await;
    let (status, _) = ask(&shop, "/api/booking/cancel", &cancel(1617)).await;
    // What the shop sets now is not what the buyer was told.
    set_policy(&shop, 720, 0).await;
    eventually("the share is back", async || {
        let payment = payment_of(&shop, &reference).await;
        payment.amount_refunded_minor_units == 1617
    })
    .await;

    assert_eq!(seen["cancellation"]["refund_amount"], 1617);
    assert_eq!(before["code"], "cancellation_changed");
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(
        booking_of(&shop, &reference).await.status,
        Status::Cancelled
    );
    shop.close().await;
}

async fn what_a_bank_has_still_to_say_is_not_promised(stack: Stack) {
    let shop = shop_with_links(stack).await;
    let slot = shop.slot(1).await;
    set_policy(&shop, 1, 0).await;
    let (session, reference) = book(&shop, slot).await;
    let token = token_of(&shop, &reference).await;

    shop.stripe.dispute(&session.id, false).unwrap();
    eventually("the dispute is known", async || {
        let payment = payment_of(&shop, &reference).await;
        payment.dispute_status.is_some()
    })
    .await;
    let seen = json!({ "reference": reference, "token": token });
    let (status, seen) = ask(&shop, "/api/booking", &seen).await;
    let cancel = json!({ "reference": reference, "token": token });
    let (_, refused) = ask(&shop, "/api/booking/cancel", &cancel).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(seen.get("cancellation"), None);
    assert_eq!(refused["code"], "cancellation_closed");
    shop.close().await;
}

async fn what_nobody_signed_cancels_nothing(stack: Stack) {
    let shop = shop_with_links(stack).await;
    let slot = shop.slot(1).await;
    set_policy(&shop, 1, 0).await;
    let (_, reference) = book(&shop, slot).await;
    let booking_id = booking_of(&shop, &reference).await.id;
    let signature = secrets().token(booking_id).unwrap();
    let wish = BookingCancel {
        booking_id,
        refund_amount: 4900,
        signature,
    };

    let forged = Envelope::booking_cancel(&wish, clock::system(), &Traceparent::new());
    shop.publisher.publish(Lane::Events, &forged).await.unwrap();
    eventually("it is kept for an operator", async || {
        let dead = dead_letter::Entity::find().all(&shop.stack.db).await;
        dead.unwrap().iter().any(|it| it.reason == "forged")
    })
    .await;

    assert_eq!(
        booking_of(&shop, &reference).await.status,
        Status::Confirmed
    );
    shop.close().await;
}
