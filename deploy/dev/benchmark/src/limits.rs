//! Limits of broker and database: what they do at best, with no service in between.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions,
        BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde::Serialize;
use testkit::Servers;

use crate::{
    event::{Names, Template},
    figures::{median, per_second},
};

const QUEUE: &str = "benchmark.limit";
const MESSAGES: u32 = 30_000;
/// Confirms awaited at once.
pub const IN_FLIGHT: usize = 256;
/// Clients of the database.
const CLIENTS: &str = "16";

/// Limits, each a rate per second.
#[derive(Debug, Serialize)]
pub struct Limits {
    /// Messages of the usual size that a quorum queue confirms.
    pub confirms: f64,
    /// Messages confirmed while they are consumed and acked one by one.
    pub through: f64,
    /// Transactions that write a booking and its payment, in four round trips.
    pub transactions: f64,
    /// The same transactions in one round trip.
    pub statements: f64,
    /// Bookings, each with its payment, 50 in a transaction.
    pub batched: f64,
}

impl Limits {
    pub fn median(runs: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(runs.iter().map(value));
        Self {
            confirms: of(|it| it.confirms),
            through: of(|it| it.through),
            transactions: of(|it| it.transactions),
            statements: of(|it| it.statements),
            batched: of(|it| it.batched),
        }
    }
}

pub async fn limits(servers: &Servers, folder: &Path, time: Duration) -> anyhow::Result<Limits> {
    servers.postgres.psql("postgres", SCHEMA)?;
    let pgbench = |script: &str| -> anyhow::Result<f64> {
        let file = folder.join("pgbench.sql");
        std::fs::write(&file, script)?;
        let seconds = time.as_secs().to_string();
        servers
            .postgres
            .psql("postgres", "TRUNCATE limit_payment, limit_booking")?;
        let file = file.to_str().context("a path in UTF-8")?;
        let said = servers.postgres.pgbench(&[
            "-n", "-M", "prepared", "-f", file, "-c", CLIENTS, "-j", "2", "-T", &seconds,
        ])?;
        let (_, tps) = said.split_once("tps = ").context("pgbench says no tps")?;
        let tps = tps.split_whitespace().next().context("tps")?;
        Ok(tps.parse()?)
    };
    Ok(Limits {
        confirms: publish(&servers.broker.url, false).await?,
        through: publish(&servers.broker.url, true).await?,
        transactions: pgbench(FOUR_ROUND_TRIPS)?,
        statements: pgbench(ONE_STATEMENT)?,
        batched: pgbench(BATCH)? * 50.0,
    })
}

/// Publishes [`MESSAGES`] to a quorum queue of its own. Returns messages a second, until all are
/// consumed if `consume`.
async fn publish(amqp_url: &str, consume: bool) -> anyhow::Result<f64> {
    let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(QUEUE.into(), durable, arguments)
        .await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;

    let body = Template::new()?.body(&Names::of(0, 0));
    let start = Instant::now();
    let consumer = if consume {
        Some(tokio::spawn(take_all(connection.create_channel().await?)))
    } else {
        None
    };
    stream::iter(0..MESSAGES)
        .map(|_| confirmed(&channel, body.as_bytes()))
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    if let Some(consumer) = consumer {
        consumer.await??;
    }
    let time = start.elapsed();
    channel
        .queue_delete(QUEUE.into(), QueueDeleteOptions::default())
        .await?;
    connection.close(200, "done".into()).await?;
    Ok(per_second(usize::try_from(MESSAGES)?, time))
}

async fn confirmed(channel: &Channel, body: &[u8]) -> anyhow::Result<()> {
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let confirm = channel
        .basic_publish("".into(), QUEUE.into(), options, body, persistent)
        .await?;
    ensure!(
        matches!(confirm.await?, Confirmation::Ack(_)),
        "not confirmed"
    );
    Ok(())
}

async fn take_all(channel: Channel) -> anyhow::Result<()> {
    channel.basic_qos(256, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut deliveries = channel
        .basic_consume(QUEUE.into(), "".into(), options, FieldTable::default())
        .await?;
    for _ in 0..MESSAGES {
        let next = tokio::time::timeout(Duration::from_secs(30), deliveries.next()).await?;
        next.context("no more")??
            .ack(BasicAckOptions::default())
            .await?;
    }
    // Cancelled here: lapin would cancel on drop, and not know the broker's answer once the
    // channel is gone.
    let cancel = BasicCancelOptions::default();
    channel.basic_cancel(deliveries.tag(), cancel).await?;
    Ok(())
}

const SCHEMA: &str = "
DROP TABLE IF EXISTS limit_payment, limit_booking;
CREATE TABLE limit_booking (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id text NOT NULL UNIQUE, reference text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE limit_payment (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    booking_id uuid NOT NULL UNIQUE REFERENCES limit_booking (id), session_id text NOT NULL UNIQUE,
    amount bigint NOT NULL, currency text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
";

const FOUR_ROUND_TRIPS: &str = r"
\set buyer random(1, 1000000000000)
BEGIN;
INSERT INTO limit_booking (id, session_id, reference)
    VALUES (md5(:buyer::text)::uuid, 'cs_' || :buyer::text, 'ABCDE-12345') ON CONFLICT DO NOTHING;
INSERT INTO limit_payment (booking_id, session_id, amount, currency)
    VALUES (md5(:buyer::text)::uuid, 'cs_' || :buyer::text, 4900, 'eur') ON CONFLICT DO NOTHING;
COMMIT;
";

const ONE_STATEMENT: &str = r"
WITH booked AS (INSERT INTO limit_booking (session_id, reference)
    VALUES (gen_random_uuid() || '', 'ABCDE-12345') ON CONFLICT DO NOTHING RETURNING id, session_id)
INSERT INTO limit_payment (booking_id, session_id, amount, currency) SELECT id, session_id, 4900, 'eur' FROM booked;
";

const BATCH: &str = r"
WITH booked AS (INSERT INTO limit_booking (session_id, reference)
    SELECT gen_random_uuid() || '', 'ABCDE-12345' FROM generate_series(1, 50) ON CONFLICT DO NOTHING RETURNING id, session_id)
INSERT INTO limit_payment (booking_id, session_id, amount, currency) SELECT id, session_id, 4900, 'eur' FROM booked;
";
