//! What strangers who hold connections do to others: in turns without them and with them. A quarter says
//! nothing, a quarter asks once and stays, half of them post a body byte by byte; who is closed comes back.
//! Beside them pages wait for a booking that does not come.

mod strangers;

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hyper::StatusCode;
use tokio::task::JoinSet;

pub use self::strangers::stay;
use super::{
    confirm,
    steady::{Steady, steady},
    throughput::warm_up,
};
use crate::{
    effort::Effort,
    event::Names,
    figures::Times,
    http::Connection,
    product::{Backing, Product},
    usage,
};

/// Authentic webhooks a second, over connections that are held.
const RATE: u32 = 200;
/// Between two clients who open a connection for one request.
const NEWCOMERS: Duration = Duration::from_millis(20);
/// Of one of them.
const TRIES: usize = 5;
/// Until all strangers are there.
const GATHERING: Duration = Duration::from_secs(5);
/// Pages that ask confirm to wait as long as it does.
const PAGES: u32 = 500;

/// Measures and prints.
pub async fn attacked(
    backing: Backing<'_>,
    folder: &Path,
    connections: usize,
    effort: Effort,
) -> anyhow::Result<()> {
    let mut product = Product::start(backing, folder).await?;
    warm_up(&product.target).await?;
    let address = product.target.address;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        without.push(one(&product, "without strangers", effort).await?);
        let strangers = strangers::start(address, connections)?;
        let mut pages = JoinSet::new();
        let run = product.target.expect(PAGES).await?.run;
        for buyer in 0..PAGES {
            pages.spawn(keep_asking(address, Names::of(run, buyer).session));
        }
        tokio::time::sleep(GATHERING).await;
        let how = format!("{connections} strangers, {PAGES} pages");
        with.push(one(&product, &how, effort).await?);
        let open_files = usage::open_files(product.target.processes["ingress"])?;
        writeln!(
            std::io::stdout(),
            "ingress has {open_files} files open: {how}"
        )?;
        drop((strangers, pages));
    }
    for (how, turns) in [("without", without), ("with", with)] {
        let (held, new): (Vec<_>, Vec<_>) = turns.into_iter().unzip();
        let held = Steady::median(&held).answers;
        print(how, "median, held", held)?;
        print(how, "median, new", Times::median(new.into_iter()))?;
    }
    product.stop().await
}

async fn one(product: &Product, how: &str, effort: Effort) -> anyhow::Result<(Steady, Times)> {
    let newcomers = tokio::spawn(newcomers(product.target.address, effort.time));
    let held = steady(&product.target, RATE, effort.time).await?;
    let new = newcomers.await??;
    print(how, "held", held.answers)?;
    print(how, "new", new)?;
    Ok((held, new))
}

fn print(how: &str, connections: &str, answers: Times) -> anyhow::Result<()> {
    let Times { p50, p99, max } = answers;
    writeln!(
        std::io::stdout(),
        "answers p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms: {how}, {connections} connections"
    )?;
    Ok(())
}

/// Times from the opening of a connection to the answer. Who is closed for others comes again, as a proxy would.
async fn newcomers(address: SocketAddr, time: Duration) -> anyhow::Result<Times> {
    let (start, mut all) = (Instant::now(), JoinSet::new());
    while start.elapsed() < time {
        all.spawn(async move {
            let began = Instant::now();
            let mut closed = 0;
            while let Err(error) = ask_once(address).await {
                closed += 1;
                ensure!(closed < TRIES, "{error:#}");
            }
            anyhow::Ok((began.elapsed(), closed))
        });
        tokio::time::sleep(NEWCOMERS).await;
    }
    let all: anyhow::Result<Vec<(Duration, usize)>> = all.join_all().await.into_iter().collect();
    let (times, closed): (Vec<_>, Vec<_>) = all?.into_iter().unzip();
    match closed.iter().sum() {
        0 => {}
        closed => tracing::warn!(closed, of = times.len(), "Newcomers were closed for others"),
    }
    Ok(Times::of(times))
}

async fn ask_once(address: SocketAddr) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let body = "{}".to_owned();
    connection.post(confirm::PATH, None, body).await?;
    Ok(())
}

/// Waits for a session that Stripe does not know, and again.
async fn keep_asking(address: SocketAddr, session: String) {
    loop {
        ask(address, &session).await.ok();
        tokio::time::sleep(strangers::AWAY).await;
    }
}

async fn ask(address: SocketAddr, session: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    loop {
        let wait = Some(("prefer", "wait=20"));
        let body = confirm::body(session);
        let (status, _) = connection.post(confirm::PATH, wait, body).await?;
        ensure!(status == StatusCode::ACCEPTED, "{status}");
    }
}
