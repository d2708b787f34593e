//! The same load on small tables and on large ones.

use std::time::Duration;

use serde::Serialize;
use testkit::Servers;

use super::{
    steady::{Steady, steady},
    throughput::{Throughput, throughput},
};
use crate::{effort::Effort, product::Product};

/// Webhooks a second at which latency is compared.
const RATE: u32 = 200;
/// Time to see every statement.
const WATCHED: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
pub struct Growth {
    /// Bookings that fill the large tables, each with its checkout, payment and event.
    pub bookings: u64,
    pub small: (Throughput, Steady),
    pub large: (Throughput, Steady),
    /// Plans by which PostgreSQL reads the large tables, for every statement of some events.
    pub plans: Vec<String>,
    /// Plans that read a whole table.
    pub scans: Vec<String>,
}

pub async fn growth(
    product: &mut Product,
    servers: &Servers,
    bookings: u64,
    effort: Effort,
) -> anyhow::Result<Growth> {
    let small = measure(product, effort).await?;
    let database = product.target.rows.database().await?;
    servers
        .postgres
        .psql(&database, &FILL.replace("$BOOKINGS", &bookings.to_string()))?;
    servers.postgres.psql(&database, "VACUUM ANALYZE")?;
    // Flush the new rows now, so that the measured writes do not pay for it.
    servers.postgres.psql(&database, "CHECKPOINT")?;
    let large = measure(product, effort).await?;

    // Only new connections log their plans, so the worker is restarted.
    servers
        .postgres
        .psql(&database, &EXPLAIN.replace("$DATABASE", &database))?;
    product.stop_worker().await?;
    product.start_worker()?;
    steady(&product.target, RATE, WATCHED).await?;
    let log = servers.postgres.log()?;
    let mut plans: Vec<String> = log
        .lines()
        .filter_map(|line| line.split_once("  (cost=").map(|(node, _)| node))
        .map(|node| node.trim().trim_start_matches("->").trim().to_owned())
        .collect();
    plans.sort_unstable();
    plans.dedup();
    let scans = plans.iter().filter(|plan| reads_all(plan)).cloned();
    Ok(Growth {
        bookings,
        small,
        large,
        scans: scans.collect(),
        plans,
    })
}

async fn measure(product: &Product, effort: Effort) -> anyhow::Result<(Throughput, Steady)> {
    let (mut fast, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        fast.push(throughput(&product.target, effort.time).await?);
        busy.push(steady(&product.target, RATE, effort.time).await?);
    }
    Ok((Throughput::median(&fast), Steady::median(&busy)))
}

/// Whether `plan` scans a table that grows; the others hold what is sold or under way.
fn reads_all(plan: &str) -> bool {
    let grown = ["booking", "checkout", "payment", "stripe_event"];
    plan.strip_prefix("Seq Scan on ")
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|table| grown.contains(&table))
}

const EXPLAIN: &str = "
ALTER DATABASE $DATABASE SET session_preload_libraries = 'auto_explain';
ALTER DATABASE $DATABASE SET auto_explain.log_min_duration = 0;
";

const FILL: &str = "
INSERT INTO slot (id, offering_id, starts_at, ends_at, capacity, seats_taken)
    SELECT gen_random_uuid(), id, now(), now(), $BOOKINGS, $BOOKINGS FROM offering LIMIT 1;
CREATE TEMPORARY TABLE grown AS
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(buyer), 12, '0'))::uuid AS id,
           md5(buyer::text) AS random, md5('booked' || buyer) AS reference,
           (SELECT id FROM slot WHERE capacity = $BOOKINGS LIMIT 1) AS slot_id
    FROM generate_series(1, $BOOKINGS) AS buyer;
INSERT INTO checkout (id, slot_id, quantity, amount_minor_units, currency, customer_name, customer_email,
                      state, seats_held, session_id, intent, created_at, expires_at)
    SELECT id, slot_id, 1, 4900, 'eur', 'Ada Lovelace', 'ada@example.com',
           'paid', true, 'cs_test_' || random || random, random, now(), now() FROM grown;
INSERT INTO booking (id, checkout_id, slot_id, quantity, reference, status, created_at)
    SELECT id, id, slot_id, 1, reference, 'confirmed', now() FROM grown;
INSERT INTO payment (id, checkout_id, session_id, payment_intent_id, amount_minor_units, currency, status, created_at)
    SELECT id, id, 'cs_test_' || random || random, 'pi_' || random, 4900, 'eur', 'paid', now() FROM grown;
INSERT INTO stripe_event (id, kind, checkout_id, outcome, processed_at)
    SELECT 'evt_' || random, 'checkout.session.completed', id, 'booked', now() FROM grown;
DROP TABLE grown;
";
