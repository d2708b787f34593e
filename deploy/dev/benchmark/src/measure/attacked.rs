//! What strangers who hold connections do to others: in turns without them and with them. A quarter says
//! nothing, a quarter asks once and stays, half of them post a body byte by byte; who is closed comes back.
//! Beside them pages wait for a booking that does not come.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hyper::StatusCode;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{
    confirm,
    steady::{Steady, steady},
    throughput::warm_up,
};
use crate::{
    effort::Effort,
    event::Names,
    figures::Times,
    generator::WEBHOOK,
    http::Connection,
    product::{Backing, Product},
};

/// Authentic webhooks a second, over connections that are held.
const RATE: u32 = 200;
/// Between two clients who open a connection for one request.
const NEWCOMERS: Duration = Duration::from_millis(20);
/// Of one of them.
const TRIES: usize = 5;
/// Until all strangers are there.
const GATHERING: Duration = Duration::from_secs(5);
/// Until one comes back.
const AWAY: Duration = Duration::from_secs(1);
/// Between two bytes of a body.
const DRIBBLE: Duration = Duration::from_secs(1);
/// Pages that ask confirm to wait as long as it does.
const PAGES: u32 = 500;
/// One has ports for 28,000 connections.
const ADDRESSES: u8 = 16;

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
        let mut strangers: JoinSet<()> = (0..connections)
            .map(|number| stay(address, number))
            .collect();
        let run = product.target.expect(PAGES).await?.run;
        for buyer in 0..PAGES {
            strangers.spawn(keep_asking(address, Names::of(run, buyer).session));
        }
        tokio::time::sleep(GATHERING).await;
        with.push(
            one(
                &product,
                &format!("{connections} strangers, {PAGES} pages"),
                effort,
            )
            .await?,
        );
        drop(strangers);
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

async fn stay(address: SocketAddr, number: usize) {
    loop {
        // However it ends, it was the server that ended it, or had no room.
        connect(address, number).await.ok();
        tokio::time::sleep(AWAY).await;
    }
}

/// Waits for a session that Stripe does not know, and again.
async fn keep_asking(address: SocketAddr, session: String) {
    loop {
        ask(address, &session).await.ok();
        tokio::time::sleep(AWAY).await;
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

async fn connect(address: SocketAddr, number: usize) -> anyhow::Result<()> {
    let mut stream = open(address, number).await?;
    match number % 4 {
        0 => {}
        1 => {
            let ask = b"GET /nowhere HTTP/1.1\r\nhost: shop\r\n\r\n";
            stream.write_all(ask).await?;
        }
        _ => {
            let head =
                format!("POST {WEBHOOK} HTTP/1.1\r\nhost: shop\r\ncontent-length: 4000\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(DRIBBLE).await;
            }
        }
    }
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

async fn open(address: SocketAddr, number: usize) -> anyhow::Result<TcpStream> {
    let host = u8::try_from(number % usize::from(ADDRESSES))?.saturating_add(2);
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::from(Ipv4Addr::new(127, 0, 0, host)), 0).into())?;
    Ok(socket.connect(address).await?)
}
