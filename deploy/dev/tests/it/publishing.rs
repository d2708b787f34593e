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

const BURSTS: usize = 10;
/// Messages at once: enough that two threads publish in the same microsecond.
const MESSAGES: usize = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_message_is_told_what_became_of_itself() {
    let stack = Stack::postgres_rabbitmq().await;
    let publisher = Ends::open(&stack).await.publisher;
    refuse_all_of(&stack, Lane::Confirm).await;

    for _ in 0..BURSTS {
        let publishing = (0..MESSAGES).map(|n| {
            let publisher = publisher.clone();
            let refused = n % 2 == 0;
            let lane = if refused { Lane::Confirm } else { Lane::Events };
            tokio::spawn(async move { (refused, publisher.publish(lane, &message()).await) })
        });
        for outcome in join_all(publishing).await {
            match outcome.unwrap() {
                (false, Ok(())) | (true, Err(PublishError::Refused)) => {}
                (_, told @ (Ok(()) | Err(PublishError::Refused))) => {
                    panic!("was told of another: {told:?}")
                }
                (_, Err(error)) => panic!("not published: {error}"),
            }
        }
    }
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
    let declare = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
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
