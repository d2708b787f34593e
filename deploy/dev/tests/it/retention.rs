//! What is no longer needed is erased, and the books are as before.

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::Value;
use shared::{
    clock,
    db::{checkout, dead_letter, outbox, outbox_delivery},
    queue::Lane,
};
use testkit::Receiver;
use uuid::Uuid;

use crate::{
    notifications::{add_endpoint, arrived, book},
    operations::worker,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![what_is_old_is_erased_and_what_is_new_is_not];

async fn what_is_old_is_erased_and_what_is_new_is_not(stack: Stack) {
    let shop = Shop::open(stack).await;
    let receiver = Receiver::start().await.unwrap();
    let (endpoint, _) = add_endpoint(&shop, &receiver.url, &[]).await;
    let slot = shop.slot(9).await;
    let old = book(&shop, slot).await;
    arrived(&receiver, 1).await;
    let unpaid = shop.create(slot).await;
    shop.stripe.expire(&unpaid.id).unwrap();
    let unreadable = shared::message::Envelope {
        kind: Some("nothing".to_owned()),
        ..unpaid.confirm_job()
    };
    shop.publisher
        .publish(Lane::Events, &unreadable)
        .await
        .unwrap();
    eventually("one is set aside, one has expired", async || {
        let expired = checkout_of(&shop, &unpaid.id).await.state == checkout::State::Expired;
        expired && crate::queue::dead(&shop.stack).await == 1
    })
    .await;
    worker(&shop, &["dead", "discard", "--all", "--why", "a test"]).await;
    for (table, column) in [
        ("outbox", "created_at"),
        ("checkout", "expires_at"),
        ("dead_letter", "resolved_at"),
    ] {
        let long_ago = format!("UPDATE {table} SET {column} = '2020-01-01T00:00:00Z'");
        shop.stack
            .patient_db
            .execute_unprepared(&long_ago)
            .await
            .unwrap();
    }
    let new = book(&shop, slot).await;
    arrived(&receiver, 2).await;

    let context = shop.worker_context();
    let (first, cursor) = worker::erase(&context, Uuid::nil(), clock::system())
        .await
        .unwrap();
    let (second, _) = worker::erase(&context, cursor, clock::system())
        .await
        .unwrap();

    assert_eq!((first, second), (3, 0));
    let rows = outbox::Entity::find().all(&shop.stack.db).await.unwrap();
    let kept: Vec<_> = rows.iter().filter(|it| !it.document.is_empty()).collect();
    assert_eq!((rows.len(), kept.len()), (2, 1));
    assert!(kept[0].document.contains(&new.id));
    assert_eq!(
        outbox_delivery::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap()
            .len(),
        1
    );
    let letter = dead_letter::Entity::find()
        .one(&shop.stack.db)
        .await
        .unwrap()
        .unwrap();
    assert!(letter.body.is_empty());
    let forgotten = checkout_of(&shop, &unpaid.id).await;
    assert_eq!(
        (
            forgotten.customer_name.as_str(),
            forgotten.customer_email.as_str()
        ),
        ("", "")
    );
    assert_eq!(
        checkout_of(&shop, &old.id).await.customer_email,
        "ada@example.com"
    );
    let again = worker(
        &shop,
        &["endpoint", "replay", &endpoint, "--since", "100000h"],
    )
    .await;
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 notification"));
    let audit = worker(&shop, &["audit", "--json"]).await;
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(audit["differences"], serde_json::json!([]));
    shop.close().await;
}

async fn checkout_of(shop: &Shop, session_id: &str) -> checkout::Model {
    let rows = checkout::Entity::find().all(&shop.stack.db).await.unwrap();
    let mut rows = rows.into_iter();
    rows.find(|it| it.session_id.as_deref() == Some(session_id))
        .unwrap()
}
