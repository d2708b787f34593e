//! What telling costs: the same busy shop with everyone told, and with no one; and how soon they know.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::ensure;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use shared::config::{DatabaseSettings, QueueSettings};
use testkit::Listeners;

use super::steady::{Steady, steady};
use crate::{figures::Times, product::Product};

/// Pause between two looks at what is on its way.
const LOOK: Duration = Duration::from_millis(100);
/// Longest wait for the last of them.
const PATIENCE: Duration = Duration::from_mins(1);

/// From the transaction that booked to the answer of who was told, as the rows have it.
const TOOK: &str = "
    SELECT CASE WHEN destination LIKE 'ep_%' THEN 'webhook' ELSE 'mail' END AS who,
           extract(epoch FROM outbox_delivery.done_at - created_at)::float8 AS seconds
    FROM outbox_delivery JOIN outbox ON outbox.id = outbox_id
    UNION ALL SELECT 'broker', extract(epoch FROM done_at - created_at)::float8 FROM outbox";
const WAITING: &str = "
    SELECT (SELECT count(*) FROM outbox WHERE done_at IS NULL)
         + (SELECT count(*) FROM outbox_delivery WHERE done_at IS NULL) AS count";

#[derive(Debug)]
pub struct Telling {
    pub steady: Steady,
    /// CPU time of ingress and worker for each event.
    pub cpu_ms: f64,
    /// How soon each of those who are told has it.
    pub arrivals: BTreeMap<String, Times>,
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Steady {
            rate,
            answers,
            rows,
            ..
        } = &self.steady;
        write!(
            f,
            "{rate}/s, p50 / p99 ms: answer {:.1} / {:.1}, row {:.1} / {:.1}",
            answers.p50, answers.p99, rows.p50, rows.p99
        )?;
        for (who, times) in &self.arrivals {
            write!(f, ", {who} {:.0} / {:.0}", times.p50, times.p99)?;
        }
        write!(f, "; {:.3} ms of our CPU time each", self.cpu_ms)
    }
}

/// Has a webhook, a queue and a mail server told of what `product` books.
pub async fn tell_everyone(product: &mut Product) -> anyhow::Result<Listeners> {
    let env = testkit::env(&product.variables);
    let queue = QueueSettings::from_env(&env, &DatabaseSettings::from_env(&env)?)?;
    let db = product.target.rows.db.clone();
    let listeners = Listeners::start(&db, queue, &mut product.variables).await?;
    let url = format!("http://{}", product.target.address);
    product.variables.insert("PUBLIC_URL", url);
    product.stop_worker().await?;
    product.start_worker()?;
    Ok(listeners)
}

/// - `listeners`: who is told, if anyone is.
/// - `rate`: webhooks a second.
pub async fn telling(
    product: &Product,
    listeners: Option<&Listeners>,
    rate: u32,
    time: Duration,
) -> anyhow::Result<Telling> {
    let db = &product.target.rows.db;
    all_is_told(db).await?;
    db.execute_unprepared("TRUNCATE outbox CASCADE").await?;
    let mails = mails_of(listeners)?;
    let before: f64 = product.target.cpu_ms()?.values().sum();
    let steady = steady(&product.target, rate, time).await?;
    all_is_told(db).await?;
    let cpu: f64 = product.target.cpu_ms()?.values().sum();
    let arrivals = arrivals(db).await?;
    let events = f64::from(rate) * time.as_secs_f64();
    let mails = mails_of(listeners)? - mails;
    ensure!(
        listeners.is_none() || mails as f64 >= events,
        "{mails} mails of {events} bookings"
    );
    Ok(Telling {
        steady,
        cpu_ms: (cpu - before) / events,
        arrivals,
    })
}

fn mails_of(listeners: Option<&Listeners>) -> anyhow::Result<usize> {
    listeners.map_or(Ok(0), |it| it.mail.count())
}

async fn all_is_told(db: &DatabaseConnection) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let waiting = Statement::from_string(db.get_database_backend(), WAITING);
        let waiting = db.query_one_raw(waiting).await?;
        let waiting: i64 = waiting.map_or(Ok(0), |it| it.try_get("", "count"))?;
        if waiting == 0 {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "{waiting} are still to be told");
        tokio::time::sleep(LOOK).await;
    }
}

async fn arrivals(db: &DatabaseConnection) -> anyhow::Result<BTreeMap<String, Times>> {
    let took = Statement::from_string(db.get_database_backend(), TOOK);
    let mut by_who: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for row in db.query_all_raw(took).await? {
        let (who, seconds): (String, f64) = (row.try_get("", "who")?, row.try_get("", "seconds")?);
        let took = Duration::try_from_secs_f64(seconds)?;
        by_who.entry(who).or_default().push(took);
    }
    let each = by_who.into_iter();
    Ok(each.map(|(who, times)| (who, Times::of(times))).collect())
}
