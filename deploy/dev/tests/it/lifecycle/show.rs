//! `worker booking show`

use serde_json::Value;
use stripe_sim::Verdict;
use worker::operator::booking_show::story;

use super::{booked, booking_of, payment_of, play, quiet_shop};
use crate::{
    service::program,
    stack::{Stack, on_each_stack},
};

on_each_stack![the_whole_story_is_found_under_every_name];

async fn the_whole_story_is_found_under_every_name(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;
    let refund = shop.stripe.refund(&session.id, Some(1000)).unwrap();
    let dispute = shop.stripe.dispute(&session.id, false).unwrap();
    shop.stripe.close_dispute(&dispute, Verdict::Lost).unwrap();
    play(&shop, &mut played).await;
    let event = shop.stripe.events()[0]["id"].as_str().unwrap().to_owned();
    let booking = booking_of(&shop, &session).await;
    let intent = payment_of(&shop, &session).await.payment_intent_id.unwrap();

    let text = story(&shop.stack.db, &booking.reference)
        .await
        .unwrap()
        .to_string();
    let names = [
        booking.reference.to_lowercase(),
        booking.checkout_id.to_string(),
        session.id.clone(),
        event,
        intent,
        refund.clone(),
        dispute.clone(),
    ];
    for name in names {
        let found = story(&shop.stack.db, &name).await.unwrap();
        assert_eq!(found.to_string(), text, "{name}");
    }

    for expected in [
        "partially_refunded, 49.00 EUR, of which 10.00 EUR went back",
        &format!("refund    {refund}  succeeded, 10.00 EUR"),
        &format!("dispute   {dispute}  lost (general), money withdrawn,"),
        "confirmed, made",
    ] {
        let unwrapped = text.replace("\n          ", " ");
        assert!(unwrapped.contains(expected), "{expected}: {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let outcomes: Vec<_> = text
        .lines()
        .filter(|line| line.contains("evt_"))
        .map(|line| line.rsplit("  ").next().unwrap())
        .collect();
    assert_eq!(outcomes[0], "booked", "{text}");
    assert_eq!(outcomes.len(), shop.stripe.event_count());
    assert!(
        !text.contains("ada@example.com") && !text.contains("Lovelace"),
        "{text}"
    );

    let worker = |name: &str| {
        let arguments = ["booking", "show", "--json", name];
        let mut command = program("worker", &arguments, &shop.stack.variables);
        command.output().unwrap()
    };
    let json: Value = serde_json::from_slice(&worker(&session.id).stdout).unwrap();
    assert_eq!(json["payment"]["amount_refunded"], 1000);
    assert_eq!(json["events"].as_array().unwrap().len(), outcomes.len());
    let nothing = worker("7K3FQ-00000");
    assert_eq!(nothing.status.code(), Some(1));
    let complaint = String::from_utf8(nothing.stderr).unwrap();
    assert!(complaint.contains("nothing here is called"), "{complaint}");
    shop.close().await;
}
