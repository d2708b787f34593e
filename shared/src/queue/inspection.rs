//! Looking at the broker: are the queues what they should be, and how much is in them?

use std::time::{Duration, Instant};

use lapin::{Connection, types::FieldTable};

use crate::{
    config::QueueSettings,
    queue::{
        Lane, OpenError, RetryTier, canary,
        rabbitmq::{
            connection,
            ensure::{ensure, is_refused, missing},
        },
        topology::{Topology, declare_queue, look_for_queue},
    },
};

/// For the look at one queue.
const TIMEOUT: Duration = Duration::from_secs(5);
/// For all queues to be made, on a cluster that is busy.
const TO_DECLARE: Duration = Duration::from_secs(30);
/// For a message to go through each queue in which messages wait.
const TO_MOVE: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Debug)]
pub enum Inspection {
    /// There is no broker; the queue is in the database.
    Embedded,
    /// There is one.
    RabbitMq {
        /// Whether our exchanges and bindings are there, or why not.
        topology: Result<(), OpenError>,
        /// Its queues of ours.
        queues: Vec<InspectedQueue>,
    },
}

/// One queue.
#[derive(Debug)]
pub struct InspectedQueue {
    /// Its name.
    pub name: String,
    /// Whether it needs a consumer; messages leave the others by themselves.
    pub is_lane: bool,
    /// What is in it and who takes it, or why it cannot be used.
    pub use_of_it: Result<QueueUse, OpenError>,
    /// Over how many queues events were spread at least when this was one of them, if it is not any more.
    pub left_by: Option<u8>,
    /// Whether the broker moves on what has waited its time, of a queue where messages do and could be tried.
    pub moves_on: Option<bool>,
}

/// What is in a queue, and who takes it.
#[derive(Debug, Clone, Copy)]
pub struct QueueUse {
    /// Whether it has the arguments that it should have; who may not declare it only sees that it is there.
    pub arguments_checked: bool,
    /// Messages that are ready for delivery.
    pub messages: u32,
    /// Those who take them.
    pub consumers: u32,
}

/// A quorum queue that does not answer the broker within this time is said to be empty.
const BROKERS_PATIENCE: Duration = Duration::from_millis(200);
/// More looks at a queue that may not have answered.
const LOOKS: u32 = 4;

/// What is in a queue. One that seems empty is looked at again as long as it may be too busy to
/// say.
async fn look_at(
    connection: &Connection,
    name: &str,
    arguments: &FieldTable,
) -> Result<QueueUse, OpenError> {
    // On a channel of its own: a refusal closes it.
    let mut channel = connection.create_channel().await?;
    let mut may_declare = true;
    let mut looks_left = LOOKS;
    loop {
        let start = Instant::now();
        let declared = if may_declare {
            declare_queue(&channel, name, arguments.clone()).await
        } else {
            look_for_queue(&channel, name).await
        };
        let queue = match declared {
            Err(error) if may_declare && is_refused(&error) => {
                may_declare = false;
                channel = connection.create_channel().await?;
                continue;
            }
            declared if may_declare => declared.map_err(OpenError::from_declare)?,
            looked_for => looked_for.map_err(missing)?,
        };
        let found = QueueUse {
            arguments_checked: may_declare,
            messages: queue.message_count(),
            consumers: queue.consumer_count(),
        };
        let is_empty = found.messages == 0 && found.consumers == 0;
        if !is_empty || start.elapsed() < BROKERS_PATIENCE || looks_left == 0 {
            return Ok(found);
        }
        looks_left = looks_left.saturating_sub(1);
    }
}

/// Makes the exchanges and queues that are missing, if there is a broker, and has events go to no other queues.
///
/// # Errors
///
/// [`OpenError`] if the broker cannot be reached, has others under our names, or lacks one that this user may
/// not declare.
pub async fn declare(settings: &QueueSettings) -> Result<(), OpenError> {
    let Some((uri, topology)) = Topology::of(settings) else {
        return Ok(());
    };
    let connection = connection::connect(uri, "migrations").await?;
    let declare = async {
        ensure(&connection, &topology).await?;
        let channel = connection.create_channel().await?;
        match topology.unbind_others(&channel).await {
            Err(error) if is_refused(&error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "Other queues may still be bound: this user may not see to it"
                );
            }
            unbound => {
                unbound?;
                // Before the connection: lapin (4.12) may wait for ever for both at once.
                channel.close(200, "done".into()).await.ok();
            }
        }
        Ok(())
    };
    let declared = tokio::time::timeout(TO_DECLARE, declare).await;
    declared.unwrap_or(Err(OpenError::TimedOut(TO_DECLARE)))?;
    // It is made; how the connection ends does not matter.
    let close = connection.close(200, "done".into());
    tokio::time::timeout(TIMEOUT, close).await.ok();
    Ok(())
}

/// Of those that are there and empty; a user who may not try finds out nothing.
async fn try_to_move(connection: &Connection, topology: &Topology, queues: &mut [InspectedQueue]) {
    let mut empty = RetryTier::ALL.to_vec();
    empty.retain(|tier| {
        let name = topology.retry_queue(*tier);
        let used = queues.iter().find(|it| it.name == name);
        used.is_some_and(|it| it.use_of_it.as_ref().is_ok_and(|it| it.messages == 0))
    });
    let tried = tokio::time::timeout(TO_MOVE, canary::send(connection, topology, &empty)).await;
    for (tier, came) in tried.into_iter().flatten().flatten() {
        let name = topology.retry_queue(tier);
        if let Some(queue) = queues.iter_mut().find(|it| it.name == name) {
            queue.moves_on = Some(came);
        }
    }
}

/// Queues that events were spread over, as far as there are messages in them: no worker with this setting takes them.
async fn left_queues(
    connection: &Connection,
    topology: &Topology,
) -> Result<Vec<InspectedQueue>, OpenError> {
    let mut left = Vec::new();
    for (number, name) in topology.further_event_queues() {
        // On a channel of its own: that it is not there closes it.
        let channel = connection.create_channel().await?;
        let look = tokio::time::timeout(TIMEOUT, look_for_queue(&channel, &name)).await;
        let use_of_it = match look.map(|found| found.map_err(missing)) {
            Ok(Err(OpenError::Missing(_))) => continue,
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(OpenError::TimedOut(TIMEOUT)),
            Ok(Ok(queue)) => {
                channel.close(200, "done".into()).await.ok();
                if queue.message_count() == 0 {
                    continue;
                }
                Ok(QueueUse {
                    arguments_checked: false,
                    messages: queue.message_count(),
                    consumers: queue.consumer_count(),
                })
            }
        };
        left.push(InspectedQueue {
            name,
            is_lane: true,
            use_of_it,
            left_by: Some(number),
            moves_on: None,
        });
    }
    Ok(left)
}

/// Looks at every queue of ours. One that is missing is made, by a user who may.
///
/// # Errors
///
/// [`OpenError`] if the broker cannot be reached.
pub async fn inspect(settings: &QueueSettings) -> Result<Inspection, OpenError> {
    let Some((uri, topology)) = Topology::of(settings) else {
        return Ok(Inspection::Embedded);
    };
    let mut connection = connection::connect(uri, "doctor").await?;
    let declared = tokio::time::timeout(TIMEOUT, ensure(&connection, &topology)).await;
    let declared = declared.unwrap_or(Err(OpenError::TimedOut(TIMEOUT)));
    if !connection.status().connected() {
        // What the broker does not know ends the connection.
        connection = connection::connect(uri, "doctor").await?;
    }
    let lanes: Vec<_> = Lane::ALL
        .into_iter()
        .flat_map(|lane| topology.queues_of(lane))
        .collect();
    let mut queues = Vec::new();
    for (name, arguments) in topology.queues() {
        let look = look_at(&connection, &name, &arguments);
        let use_of_it = tokio::time::timeout(TIMEOUT, look).await;
        queues.push(InspectedQueue {
            is_lane: lanes.contains(&name),
            name,
            use_of_it: use_of_it.unwrap_or(Err(OpenError::TimedOut(TIMEOUT))),
            left_by: None,
            moves_on: None,
        });
    }
    queues.extend(left_queues(&connection, &topology).await?);
    try_to_move(&connection, &topology, &mut queues).await;
    Ok(Inspection::RabbitMq {
        topology: declared,
        queues,
    })
}
