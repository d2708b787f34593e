//! Does the broker move on what waits for its next attempt? Messages that it took off a queue and cannot move are in no
//! count that a client sees, so one is sent after them.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Connection,
    options::{
        BasicGetOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions,
        QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio::time::Instant;

use crate::queue::{
    RetryTier,
    topology::{Topology, look_for_queue},
};

/// For all of them to come back.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// How long they wait in their queue, in ms.
const WAIT: &str = "1";
/// After so many ms without a look the broker deletes the queue to which they come.
const UNUSED: i64 = 86_400_000;

/// Sends one through each of `tiers`, whose queues are empty.
///
/// Returns those that came back, and those that did not. Of a queue that is not empty any more, nothing is known.
///
/// # Errors
///
/// [`lapin::Error`] if this user may not, or the broker is in trouble.
pub(super) async fn send(
    connection: &Connection,
    topology: &Topology,
    tiers: &[RetryTier],
) -> Result<Vec<(RetryTier, bool)>, lapin::Error> {
    let channel = connection.create_channel().await?;
    open(&channel, topology, tiers).await?;
    let mut sent = Vec::new();
    for tier in tiers {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_expiration(WAIT.into());
        channel
            .basic_publish(
                topology.retry_exchange(*tier).into(),
                key(*tier).into(),
                BasicPublishOptions::default(),
                &[],
                properties,
            )
            .await?;
        sent.push(*tier);
    }
    let start = Instant::now();
    let mut found = Vec::new();
    let no_ack = BasicGetOptions { no_ack: true };
    while !sent.is_empty() && start.elapsed() < PATIENCE {
        let queue = topology.doctor_queue();
        match channel.basic_get(queue.into(), no_ack).await? {
            Some(message) => {
                let came = |tier: &RetryTier| key(*tier) == message.routing_key.as_str();
                found.extend(
                    sent.extract_if(.., |tier| came(tier))
                        .map(|tier| (tier, true)),
                );
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
    for tier in sent {
        // Another message may have come before it, and waits its time.
        let queue = look_for_queue(&channel, &topology.retry_queue(tier)).await?;
        if queue.message_count() == 0 {
            found.push((tier, false));
        }
    }
    Ok(found)
}

/// The queue to which they come, without those of an earlier look.
async fn open(
    channel: &Channel,
    topology: &Topology,
    tiers: &[RetryTier],
) -> Result<(), lapin::Error> {
    let name = topology.doctor_queue();
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongLongInt(UNUSED));
    channel
        .queue_declare(
            name.clone().into(),
            QueueDeclareOptions::durable(),
            arguments,
        )
        .await?;
    for tier in tiers {
        channel
            .queue_bind(
                name.clone().into(),
                topology.work_exchange().into(),
                key(*tier).into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    channel
        .queue_purge(name.into(), QueuePurgeOptions::default())
        .await?;
    Ok(())
}

fn key(tier: RetryTier) -> String {
    format!("doctor.{}", tier.as_str())
}
