//! What a flood of bad signatures does to authentic webhooks: in turns without one, with one at another
//! ingress of this machine, which costs the same, and with one at theirs.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use hyper::StatusCode;
use testkit::{Servers, Supervised, binary, free_port};
use tokio::time::Instant;

use crate::{
    effort::Effort,
    event::{Names, Template},
    figures::Times,
    generator::WEBHOOK,
    http::Connection,
    measure::{
        steady::{Steady, steady},
        throughput::warm_up,
    },
    product::{Backing, Product, wait_for},
};

/// Authentic webhooks a second.
const RATE: u32 = 200;
/// Of the flood.
const CONNECTIONS: u32 = 32;
/// Of the form of Stripe's, and signed with no secret.
const SIGNATURE: &str =
    "t=1735689600,v1=0000000000000000000000000000000000000000000000000000000000000000";

/// Measures and prints.
///
/// - `flood`: bad signatures a second.
pub async fn flooded(
    servers: &Servers,
    folder: &Path,
    flood: u32,
    effort: Effort,
) -> anyhow::Result<()> {
    let mut product = Product::start(Backing::Servers(servers), folder).await?;
    warm_up(&product.target).await?;
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut variables = product.variables.clone();
    variables.insert("LISTEN_ADDR", elsewhere.to_string());
    let log = folder.join("ingress-elsewhere.log");
    let other = Supervised::start(binary("ingress")?, &[], &variables, log)?;
    wait_for(elsewhere).await?;

    let mut turns = [
        ("without a flood", None, Vec::new()),
        ("flood elsewhere", Some(elsewhere), Vec::new()),
        ("flood here", Some(product.target.address), Vec::new()),
    ];
    for _ in 0..effort.rounds {
        for (how, address, runs) in &mut turns {
            let (posted, start) = (AtomicU32::new(0), Instant::now());
            let run = tokio::select! {
                run = steady(&product.target, RATE, effort.time) => run?,
                failed = post_bad(*address, &product.target.template, flood, &posted) => {
                    failed?;
                    bail!("the flood has ended")
                }
            };
            let per_second = f64::from(posted.into_inner()) / start.elapsed().as_secs_f64();
            print(&format!("{how}, {per_second:.0} bad/s"), run.answers)?;
            runs.push(run);
        }
    }
    for (how, _, runs) in &turns {
        print(&format!("{how}, median"), Steady::median(runs).answers)?;
    }
    other.terminate(true).await?;
    product.stop().await
}

fn print(how: &str, answers: Times) -> anyhow::Result<()> {
    let Times { p50, p99, max } = answers;
    writeln!(
        std::io::stdout(),
        "authentic answers p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms: {how}"
    )?;
    Ok(())
}

/// Posts at `rate` until it is dropped.
async fn post_bad(
    address: Option<SocketAddr>,
    template: &Template,
    rate: u32,
    posted: &AtomicU32,
) -> anyhow::Result<()> {
    let Some(address) = address else {
        return std::future::pending().await;
    };
    let period = Duration::from_secs(1) * CONNECTIONS / rate;
    let start = Instant::now();
    let one = async |number: u32| {
        let mut connection = Connection::open(address).await?;
        let first = start + period * number / CONNECTIONS;
        let mut ticks = tokio::time::interval_at(first, period);
        let body = template.body(&Names::of(0, number));
        loop {
            ticks.tick().await;
            let header = Some(("stripe-signature", SIGNATURE));
            let (status, _) = connection.post(WEBHOOK, header, body.clone()).await?;
            let refused = [StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS];
            ensure!(refused.contains(&status), "a bad signature: {status}");
            posted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let all: Vec<()> = try_join_all((0..CONNECTIONS).map(one))
        .await
        .context("the flood")?;
    drop(all);
    Ok(())
}
