//! Load generator: Stripe's webhooks about paid sessions, as fast as answers come or at a fixed
//! rate.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use hyper::StatusCode;
use tokio::task::JoinSet;

use crate::{
    event::{Names, Template, signature},
    figures::{Times, per_second},
    http::Connection,
    rows::Rows,
};

/// Path of the webhook, in the product and in the peers.
pub const WEBHOOK: &str = "/api/payment/webhook";
/// Events of each second that are followed to their rows: more would be a load of their own.
const FOLLOWED: u32 = 20;
/// Shortest pause between two looks for a row; with the look itself, the precision of its time.
const LOOK: Duration = Duration::from_micros(250);
/// Divisor of the time so far for a longer pause: looks must not delay late rows further.
const LOOK_SHARE: u32 = 16;
/// Longest delay of the runtime's timer.
const TICK: Duration = Duration::from_millis(2);
/// Longest wait for a row.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts events of one run: buyers 0, 1, 2, …
pub struct Generator {
    pub address: SocketAddr,
    pub template: Arc<Template>,
    pub run: u32,
}

/// Results of the posts.
#[derive(Debug)]
pub struct Posted {
    pub accepted: usize,
    pub refused: usize,
    pub time: Duration,
    pub answers: Times,
    /// Times from the scheduled arrival to the visible row, where rows were followed.
    pub rows: Option<Times>,
    pub rows_missing: usize,
}

impl Posted {
    pub fn accepted_per_second(&self) -> f64 {
        per_second(self.accepted, self.time)
    }
}

#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    answers: Vec<Duration>,
}

impl Generator {
    /// Posts over `connections`, each of which sends an event once the one before is answered.
    pub async fn as_fast_as_answered(
        &self,
        connections: usize,
        most: u32,
        time: Duration,
    ) -> anyhow::Result<Posted> {
        let next = Arc::new(AtomicU32::new(0));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let mut connection = Connection::open(self.address).await?;
            let (next, template, run) = (next.clone(), self.template.clone(), self.run);
            tasks.spawn(async move {
                let mut tally = Tally::default();
                while start.elapsed() < time {
                    let buyer = next.fetch_add(1, Ordering::Relaxed);
                    if buyer >= most {
                        break;
                    }
                    let began = Instant::now();
                    post(&mut connection, &template, run, buyer, began, &mut tally).await?;
                }
                anyhow::Ok(tally)
            });
        }
        let tally = together(tasks).await?;
        Ok(Posted::new(tally, start.elapsed()))
    }

    /// Posts an event every `1 / rate` s, whether or not those before are answered. Times count
    /// from when an event was due.
    pub async fn at_rate(
        &self,
        rate: u32,
        time: Duration,
        rows: &Arc<Rows>,
    ) -> anyhow::Result<Posted> {
        const CONNECTIONS: usize = 128;
        let total = u32::try_from(time.as_secs())?.saturating_mul(rate);
        let connections = try_join_all((0..CONNECTIONS).map(async |_| {
            let mut connection = Connection::open(self.address).await?;
            // A client that holds its connections has asked over each of them before.
            connection.post(WEBHOOK, None, String::new()).await?;
            anyhow::Ok(connection)
        }));
        let connections = connections.await?;
        let next = Arc::new(AtomicU32::new(0));
        let start = Instant::now() + Duration::from_millis(100);
        let due = move |buyer: u32| start + Duration::from_secs(1) * buyer / rate;
        let mut tasks = JoinSet::new();
        for mut connection in connections {
            let (next, template, run) = (next.clone(), self.template.clone(), self.run);
            tasks.spawn(async move {
                let mut tally = Tally::default();
                loop {
                    let buyer = next.fetch_add(1, Ordering::Relaxed);
                    if buyer >= total {
                        return anyhow::Ok(tally);
                    }
                    let due = due(buyer);
                    wait_until(due).await?;
                    post(&mut connection, &template, run, buyer, due, &mut tally).await?;
                }
            });
        }
        let mut followers = JoinSet::new();
        let every = usize::try_from((rate / FOLLOWED).max(1))?;
        for buyer in (0..total).step_by(every) {
            let rows = rows.clone();
            let (session_id, due) = (Names::of(self.run, buyer).session, due(buyer));
            followers.spawn(async move { follow(&rows, &session_id, due).await });
        }
        let tally = together(tasks).await?;
        let mut posted = Posted::new(tally, start.elapsed());
        let mut seen = Vec::new();
        while let Some(row) = followers.join_next().await {
            match row?? {
                Some(took) => seen.push(took),
                None => posted.rows_missing += 1,
            }
        }
        posted.rows = Some(Times::of(seen));
        Ok(posted)
    }
}

async fn post(
    connection: &mut Connection,
    template: &Template,
    run: u32,
    buyer: u32,
    began: Instant,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let body = template.body(&Names::of(run, buyer));
    let signature = signature(&body)?;
    let header = Some(("stripe-signature", signature.as_str()));
    let (status, _) = connection.post(WEBHOOK, header, body).await?;
    if status == StatusCode::OK {
        tally.answers.push(began.elapsed());
    } else {
        tally.refused += 1;
    }
    Ok(())
}

async fn follow(rows: &Rows, session_id: &str, due: Instant) -> anyhow::Result<Option<Duration>> {
    wait_until(due).await?;
    while due.elapsed() < PATIENCE {
        if rows.has(session_id).await? {
            return Ok(Some(due.elapsed()));
        }
        sleep_exactly(LOOK.max(due.elapsed() / LOOK_SHARE)).await?;
    }
    Ok(None)
}

async fn wait_until(due: Instant) -> anyhow::Result<()> {
    if let Some(roughly) = due.checked_sub(TICK) {
        tokio::time::sleep_until(roughly.into()).await;
    }
    let rest = due.saturating_duration_since(Instant::now());
    if rest.is_zero() {
        return Ok(());
    }
    sleep_exactly(rest).await
}

/// Sleeps on a thread, which the kernel wakes within 0.05 ms: the runtime's timer counts whole
/// milliseconds, and what is measured takes few of them.
async fn sleep_exactly(time: Duration) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || std::thread::sleep(time)).await?;
    Ok(())
}

async fn together(mut tasks: JoinSet<anyhow::Result<Tally>>) -> anyhow::Result<Tally> {
    let mut all = Tally::default();
    while let Some(tally) = tasks.join_next().await {
        let tally = tally??;
        all.refused += tally.refused;
        all.answers.extend(tally.answers);
    }
    Ok(all)
}

impl Posted {
    fn new(tally: Tally, time: Duration) -> Self {
        Self {
            accepted: tally.answers.len(),
            refused: tally.refused,
            time,
            answers: Times::of(tally.answers),
            rows: None,
            rows_missing: 0,
        }
    }
}
