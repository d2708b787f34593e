//! The same load on small tables and on large ones.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hyper::StatusCode;
use serde::Serialize;
use testkit::{Servers, binary};

use super::{
    confirm::{self, Confirm},
    create_session::paid_buyers,
    plans::{Plan, plans},
    steady::{Steady, steady},
    throughput::{Throughput, throughput},
};
use crate::{effort::Effort, figures::median, http::Connection, product::Product};

/// Webhooks a second at which latency is compared.
const RATE: u32 = 200;
/// Time to see every statement.
const WATCHED: Duration = Duration::from_secs(3);
/// How far back an audit looks, which has to find at Stripe what it finds here: what was made up before is older.
const AUDITED: Duration = Duration::from_secs(30);
/// Paid sessions that it finds.
const BUYERS: usize = 200;

#[derive(Debug, Serialize)]
pub struct Growth {
    /// Bookings that fill the large tables, each with its checkout, payment and event.
    pub bookings: u64,
    pub small: Load,
    pub large: Load,
    /// How PostgreSQL carries out each statement of ingress, worker and audit on the large tables.
    pub plans: Vec<Plan>,
    /// Steps of them that read a whole table.
    pub scans: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Load {
    pub throughput: Throughput,
    pub steady: Steady,
    pub confirm: Confirm,
    /// How long `worker audit` took, of 200 paid sessions.
    pub audit_ms: f64,
}

pub async fn growth(
    product: &mut Product,
    servers: &Servers,
    bookings: u64,
    effort: Effort,
) -> anyhow::Result<Growth> {
    let small = measure(product, effort).await?;
    let database = product.target.rows.database().await?;
    tracing::info!("Filling the tables");
    servers
        .postgres
        .psql(&database, &FILL.replace("$BOOKINGS", &bookings.to_string()))?;
    servers.postgres.psql(&database, "VACUUM ANALYZE")?;
    // Flush the new rows now, so that the measured writes do not pay for it.
    servers.postgres.psql(&database, "CHECKPOINT")?;
    let large = measure(product, effort).await?;

    // Only new connections log their plans, so the services are restarted.
    servers
        .postgres
        .psql(&database, &EXPLAIN.replace("$DATABASE", &database))?;
    product.stop_worker().await?;
    product.start_worker()?;
    product.restart_ingress().await?;
    steady(&product.target, RATE, WATCHED).await?;
    confirm::confirm(&product.target, WATCHED).await?;
    audit(product).await?;
    let plans = plans(&servers.postgres.log()?);
    let scans = plans.iter().flat_map(Plan::whole_tables);
    Ok(Growth {
        bookings,
        small,
        large,
        scans: scans.collect(),
        plans,
    })
}

async fn measure(product: &Product, effort: Effort) -> anyhow::Result<Load> {
    let (mut fast, mut busy, mut confirms, mut audits) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        fast.push(throughput(&product.target, effort.time).await?);
        busy.push(steady(&product.target, RATE, effort.time).await?);
        confirms.push(confirm::confirm(&product.target, effort.time).await?);
        audits.push(audit(product).await?);
    }
    Ok(Load {
        throughput: Throughput::median(&fast),
        steady: Steady::median(&busy),
        confirm: Confirm::median(&confirms),
        audit_ms: median(audits),
    })
}

/// Books for some buyers and compares their sessions with Stripe's. Returns how many milliseconds the audit took.
async fn audit(product: &Product) -> anyhow::Result<f64> {
    tokio::time::sleep(AUDITED).await;
    let sessions = paid_buyers(product, BUYERS).await?;
    let mut connection = Connection::open(product.target.address).await?;
    for session in &sessions {
        let wait = Some(("prefer", "wait=10"));
        let (status, _) = connection
            .post(confirm::PATH, wait, confirm::body(session))
            .await?;
        ensure!(status == StatusCode::OK, "confirm answered {status}");
    }
    let since = format!("{}s", AUDITED.as_secs());
    let mut command = tokio::process::Command::new(binary("worker")?);
    command.args(["audit", "--json", "--since", &since]);
    command.env_clear().envs(&product.variables);
    let start = Instant::now();
    let output = command.output().await?;
    let took = start.elapsed();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(output.status.success(), "{found}");
    ensure!(found["paid_sessions"] == BUYERS, "{found}");
    Ok(took.as_secs_f64() * 1000.0)
}

const EXPLAIN: &str = "
ALTER DATABASE $DATABASE SET session_preload_libraries = 'auto_explain';
ALTER DATABASE $DATABASE SET auto_explain.log_min_duration = 0;
";

/// All of it is over for a year: 20 seats a slot, a refund of each hundredth, a dispute of each thousandth.
const FILL: &str = "
INSERT INTO slot (id, offering_id, starts_at, ends_at, capacity, seats_taken)
    SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(slot), 12, '0'))::uuid, offering.id,
           now() - interval '1 year', now() - interval '1 year' + interval '1 hour', 20, 20
    FROM generate_series(0, $BOOKINGS / 20) AS slot, (SELECT id FROM offering LIMIT 1) AS offering;
CREATE TEMPORARY TABLE grown AS
    SELECT buyer, ('00000000-0000-7000-8000-' || lpad(to_hex(buyer), 12, '0'))::uuid AS id,
           md5(buyer::text) AS random, md5('booked' || buyer) AS reference,
           ('00000000-0000-7000-9000-' || lpad(to_hex(buyer / 20), 12, '0'))::uuid AS slot_id,
           now() - interval '1 year' AS at
    FROM generate_series(1, $BOOKINGS) AS buyer;
INSERT INTO checkout (id, slot_id, quantity, amount_minor_units, currency, customer_name, customer_email,
                      state, seats_held, session_id, intent, created_at, expires_at)
    SELECT id, slot_id, 1, 4900, 'eur', 'Ada Lovelace', 'ada@example.com',
           'paid', true, 'cs_test_' || random || random, random, at, at FROM grown;
INSERT INTO booking (id, checkout_id, slot_id, quantity, reference, status, created_at)
    SELECT id, id, slot_id, 1, reference, 'confirmed', at FROM grown;
INSERT INTO payment (id, checkout_id, session_id, payment_intent_id, amount_minor_units, currency, status, created_at)
    SELECT id, id, 'cs_test_' || random || random, 'pi_' || random, 4900, 'eur', 'paid', at FROM grown;
INSERT INTO stripe_event (id, kind, checkout_id, outcome, processed_at)
    SELECT 'evt_' || random, 'checkout.session.completed', id, 'booked', at FROM grown;
INSERT INTO refund (id, checkout_id, amount_minor_units, currency, status, created_at, updated_at)
    SELECT 're_' || random, id, 900, 'eur', 'succeeded', at, at FROM grown WHERE buyer % 100 = 0;
INSERT INTO dispute (id, checkout_id, amount_minor_units, currency, reason, status, funds_withdrawn, funds_reinstated,
                     created_at, updated_at)
    SELECT 'du_' || random, id, 4900, 'eur', 'fraudulent', 'won', true, true, at, at FROM grown WHERE buyer % 1000 = 1;
DROP TABLE grown;
";
