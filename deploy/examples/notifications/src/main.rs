//! A consumer of `bookonce.notifications`: prints a line for everything that happens to a booking.
//!
//! `AMQP_URL` says where the broker is; `QUEUE_PREFIX` is that of the services.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example, which has no more than this file"
)]

use std::{collections::HashSet, env};

use anyhow::Context;
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = env::var("AMQP_URL").context("AMQP_URL")?;
    let prefix = env::var("QUEUE_PREFIX").unwrap_or_else(|_| "bookonce".to_owned());
    let (exchange, queue) = (
        format!("{prefix}.notifications"),
        format!("{prefix}.site.rust"),
    );

    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    // It keeps what happens while no consumer runs, also over a restart of the broker.
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(
            queue.as_str().into(),
            QueueDeclareOptions::durable(),
            arguments,
        )
        .await?;
    channel
        .queue_bind(
            queue.as_str().into(),
            exchange.as_str().into(),
            "booking.*".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    // One at a time: what happened to a booking stays in its order.
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let mut deliveries = channel
        .basic_consume(
            queue.as_str().into(),
            "site".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;

    // In a real site a table with the id as its key, written in the transaction of what you do.
    let mut seen = HashSet::new();
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        let told: Value = serde_json::from_slice(&delivery.data)?;
        let text = |path: &str| {
            let value = told.pointer(path).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        if seen.insert(text("/id")) {
            let (id, kind, reference) = (text("/id"), text("/type"), text("/booking/reference"));
            println!("{id} {kind} {reference}");
        }
        // Only now: what is not acked comes again.
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
