//! The broker of a stack, as a test looks at it, and what is left on it in the end.

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use shared::{
    config::{AmqpUri, QueueSettings},
    queue::{RetryTier, topology::Topology},
};

/// The broker may be one that the test has killed; then there is nothing left to delete.
pub async fn delete_topology(queue: &QueueSettings) {
    let Some((uri, topology)) = Topology::of(queue) else {
        return;
    };
    let Ok(connection) = connect(uri).await else {
        return;
    };
    let channel = connection.create_channel().await.unwrap();
    for (queue, _) in topology.queues() {
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
    let tiers = RetryTier::ALL.map(|tier| topology.retry_exchange(tier));
    let others = [
        topology.work_exchange(),
        topology.dead_exchange(),
        topology.unroutable_exchange(),
        topology.notifications_exchange(),
    ];
    let others = others.into_iter().chain(topology.events_exchange());
    for exchange in others.chain(tiers) {
        channel
            .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
            .await
            .unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// A plain connection, for a test that looks at the broker itself.
pub async fn connect(uri: &AmqpUri) -> lapin::Result<Connection> {
    Connection::connect_uri(uri.expose(), ConnectionProperties::default()).await
}
