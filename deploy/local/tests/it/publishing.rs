//! Publishing to a broker, from many tasks at once over one channel.

use futures_util::future::join_all;
use lapin::{
    options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use shared::queue::{Lane, PublishError, topology::Topology};

use crate::{
    queue::{Ends, channel, message, prefix},
    stack::Stack,
};

/// Enough that two threads are bound to publish in the same microsecond.
const MESSAGES: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_message_is_told_what_became_of_itself() {
    let stack = Stack::postgres_rabbitmq().await;
    let publisher = Ends::open(&stack).await.publisher;
    let refused = Lane::Confirm;
    refuse_all_of(&stack, refused).await;

    let publishing = (0..MESSAGES).map(|n| {
        let publisher = publisher.clone();
        let lane = if n % 2 == 0 { Lane::Events } else { refused };
        tokio::spawn(async move { (lane, publisher.publish(lane, &message()).await) })
    });
    let outcomes = join_all(publishing).await;

    let wrong = outcomes
        .into_iter()
        .map(Result::unwrap)
        .filter(|(lane, outcome)| match outcome {
            Ok(()) => *lane == refused,
            Err(PublishError::Refused) => *lane != refused,
            Err(_) => true,
        });
    assert_eq!(wrong.count(), 0, "told what became of another");
}

/// Puts a queue in the place of the lane's that is full from the start.
async fn refuse_all_of(stack: &Stack, lane: Lane) {
    let topology = Topology::new(prefix(stack));
    let queue = topology.queue(lane);
    let channel = channel(stack).await;
    let delete = QueueDeleteOptions::default();
    channel
        .queue_delete(queue.as_str().into(), delete)
        .await
        .unwrap();
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongInt(0));
    full.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    let declare = QueueDeclareOptions::default();
    channel
        .queue_declare(queue.as_str().into(), declare, full)
        .await
        .unwrap();
    let exchange = topology.work_exchange();
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            lane.routing_key().into(),
            bind,
            FieldTable::default(),
        )
        .await
        .unwrap();
}
