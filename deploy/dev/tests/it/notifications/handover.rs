//! What a worker writes is on its way with the commit: no other has to find it.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use shared::{config::QueueSettings, db::outbox};
use testkit::Receiver;
use time::Duration;

use super::{add_endpoint, arrived, book};
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![what_a_worker_writes_it_hands_on_itself];

async fn what_a_worker_writes_it_hands_on_itself(stack: Stack) {
    let has_broker = matches!(stack.queue, QueueSettings::RabbitMq { .. });
    let shop = Shop::open(stack).await;
    let receiver = Receiver::start().await.unwrap();
    add_endpoint(&shop, &receiver.url, &[]).await;
    let slot = shop.slot(5).await;
    let session = book(&shop, slot).await;
    arrived(&receiver, 1).await;

    let told = handed_on(&shop, 1).await;
    if has_broker {
        let lease = told.due_at - told.created_at;
        assert_eq!(lease, Duration::seconds(15), "from the beginning");
        let took = told.done_at.unwrap() - told.created_at;
        assert!(took < Duration::seconds(10), "a relay waits longer: {took}");
    } else {
        assert_eq!(told.done_at, Some(told.created_at));
    }

    // Whatever comes later is for the relay, which knows what has to be told before.
    shop.stripe.refund(&session.id, Some(900)).unwrap();
    let told = handed_on(&shop, 2).await;
    assert_ne!(told.done_at, Some(told.created_at));
    assert_ne!(told.due_at - told.created_at, Duration::seconds(15));
    arrived(&receiver, 2).await;
    shop.close().await;
}

/// The notification with this place among those of the only booking, once it is handed on.
async fn handed_on(shop: &Shop, sequence: i32) -> outbox::Model {
    let find = || {
        let of_sequence = outbox::Column::Sequence.eq(sequence);
        let row = outbox::Entity::find().filter(of_sequence);
        let done = row.filter(outbox::Column::DoneAt.is_not_null());
        async move { done.one(&shop.stack.db).await.unwrap() }
    };
    eventually("it is handed on", async || find().await.is_some()).await;
    find().await.unwrap()
}
