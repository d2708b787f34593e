//! Does the broker move on what waits for its next attempt? Messages that it took off a queue and cannot move are in no
//! count that a client sees, so one is sent after them.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Connection,
    options::{
        BasicGetOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio::time::Instant;
use uuid::Uuid;

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
    let run = Uuid::new_v4();
    let (channel, name) = (
        connection.create_channel().await?,
        topology.doctor_queue(run),
    );
    declare(&channel, topology, &name, tiers, run).await?;
    for tier in tiers {
        publish(&channel, topology, *tier, run).await?;
    }
    let start = Instant::now();
    let (mut missing, mut found) = (tiers.to_vec(), Vec::new());
    let no_ack = BasicGetOptions { no_ack: true };
    while !missing.is_empty() && start.elapsed() < PATIENCE {
        match channel.basic_get(name.as_str().into(), no_ack).await? {
            Some(message) => {
                let came = |tier: &mut RetryTier| key(*tier, run) == message.routing_key.as_str();
                found.extend(missing.extract_if(.., came).map(|tier| (tier, true)));
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
    if missing.is_empty() {
        let options = QueueDeleteOptions::default();
        channel.queue_delete(name.into(), options).await?;
    }
    for tier in missing {
        // Another message may have come before it, and waits its time.
        let queue = look_for_queue(&channel, &topology.retry_queue(tier)).await?;
        if queue.message_count() == 0 {
            found.push((tier, false));
        }
    }
    Ok(found)
}

/// The queue to which they come. One that some do not come to stays until they may, or the broker deletes it.
async fn declare(
    channel: &Channel,
    topology: &Topology,
    name: &str,
    tiers: &[RetryTier],
    run: Uuid,
) -> Result<(), lapin::Error> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongLongInt(UNUSED));
    channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    for tier in tiers {
        channel
            .queue_bind(
                name.into(),
                topology.work_exchange().into(),
                key(*tier, run).into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    Ok(())
}

async fn publish(
    channel: &Channel,
    topology: &Topology,
    tier: RetryTier,
    run: Uuid,
) -> Result<(), lapin::Error> {
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_expiration(WAIT.into());
    channel
        .basic_publish(
            topology.retry_exchange(tier).into(),
            key(tier, run).into(),
            BasicPublishOptions::default(),
            &[],
            properties,
        )
        .await?;
    Ok(())
}

/// Of this look alone: there may be another at the same time.
fn key(tier: RetryTier, run: Uuid) -> String {
    format!("doctor.{run}.{}", tier.as_str())
}
