//! An endpoint that was off, and one that wants to hear it again.

use sea_orm::ConnectionTrait;
use testkit::Receiver;

use super::{add_endpoint, arrived, book, endpoint_of, no_waiting, say};
use crate::{
    operations::worker,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    what_lasts_switches_it_off_and_it_catches_up_when_it_is_back,
    what_was_told_can_be_told_again,
];

async fn what_lasts_switches_it_off_and_it_catches_up_when_it_is_back(stack: Stack) {
    let shop = Shop::open(stack).await;
    let receiver = Receiver::start().await.unwrap();
    let (id, _) = add_endpoint(&shop, &receiver.url, &[]).await;
    let slot = shop.slot(5).await;
    receiver.answer(503);
    book(&shop, slot).await;
    eventually("it fails", async || {
        endpoint_of(&shop, &id).await.failing_since.is_some()
    })
    .await;

    let long_ago =
        format!("UPDATE endpoint SET failing_since = '2020-01-01T00:00:00Z' WHERE id = '{id}'");
    shop.stack
        .patient_db
        .execute_unprepared(&long_ago)
        .await
        .unwrap();
    no_waiting(&shop).await;
    eventually("it is switched off", async || {
        endpoint_of(&shop, &id).await.disabled_at.is_some()
    })
    .await;
    let before = receiver.received().len();
    receiver.answer(200);
    book(&shop, slot).await;
    no_waiting(&shop).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(
        receiver.received().len(),
        before,
        "nothing is told while it is off"
    );
    let listed = say(&shop, &["endpoint", "list"]).await;
    assert!(
        listed.contains("switched off") && listed.contains("endpoint enable"),
        "{listed}"
    );

    say(&shop, &["endpoint", "enable", &id]).await;

    arrived(&receiver, before + 2).await;
    // One that wants no more is switched off at once.
    receiver.answer(410);
    book(&shop, slot).await;
    eventually("it is switched off", async || {
        endpoint_of(&shop, &id).await.disabled_at.is_some()
    })
    .await;
    shop.close().await;
}

async fn what_was_told_can_be_told_again(stack: Stack) {
    let shop = Shop::open(stack).await;
    let receiver = Receiver::start().await.unwrap();
    let slot = shop.slot(5).await;
    book(&shop, slot).await;
    // It is told of what happened before it was there, if one asks for it.
    let (id, _) = add_endpoint(&shop, &receiver.url, &[]).await;
    book(&shop, slot).await;
    arrived(&receiver, 1).await;

    let dry = say(
        &shop,
        &["endpoint", "replay", &id, "--since", "1h", "--dry-run"],
    )
    .await;
    let by_time = say(&shop, &["endpoint", "replay", &id, "--since", "1h"]).await;
    arrived(&receiver, 3).await;
    let first = receiver.received()[0].id.clone();
    say(
        &shop,
        &["endpoint", "replay", &id, "--notification", &first],
    )
    .await;
    arrived(&receiver, 4).await;
    let nothing = worker(&shop, &["endpoint", "replay", &id]).await;
    let unknown = worker(&shop, &["endpoint", "replay", "ep_no", "--since", "1h"]).await;

    assert!(dry.contains("would be told of 2 notifications"), "{dry}");
    assert!(by_time.contains("is told of 2 notifications"), "{by_time}");
    let all = receiver.received();
    assert_eq!(all[3].id, first);
    assert_eq!(all[3].body, all[0].body, "byte for byte");
    assert!(!nothing.status.success() && !unknown.status.success());
    shop.close().await;
}
