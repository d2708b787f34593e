//! What each thing around booking costs: the same shop without any of them, and with one at a time.

use std::{collections::BTreeMap, fmt, io::Write, net::SocketAddr, path::Path, time::Duration};

use anyhow::ensure;
use hyper::StatusCode;
use serde::Serialize;
use testkit::Servers;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    backlog::backlog,
    steady::Steady,
    telling::{tell_everyone, telling},
    throughput::warm_up,
};
use crate::{
    effort::Effort,
    figures::median,
    http::Connection,
    product::{Backing, Product},
};

/// Webhooks a second of a busy shop.
const RATE: u32 = 200;
/// Events that wait when the worker comes back.
const BACKLOG: u32 = 6_000;
/// Open pages of the console, and how often each looks.
const PAGES: usize = 5;
const LOOK: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extra {
    Nothing,
    Hook,
    Notifications,
    Console,
}

impl Extra {
    const ALL: [Self; 4] = [
        Self::Nothing,
        Self::Hook,
        Self::Notifications,
        Self::Console,
    ];
}

impl fmt::Display for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "none of them",
            Self::Hook => "`BOOKING_HOOK`, one insert",
            Self::Notifications => "a webhook, a queue and mail",
            Self::Console => "console, five pages open",
        })
    }
}

/// One turn.
#[derive(Debug, Serialize)]
struct Cost {
    steady: Steady,
    /// CPU time of ingress and worker for each event at that rate, until all is told.
    cpu_ms: f64,
    /// How fast the backlog became rows.
    rows_per_second: f64,
}

/// Measures and prints.
pub async fn extras(servers: &Servers, folder: &Path, effort: Effort) -> anyhow::Result<()> {
    let mut costs: BTreeMap<Extra, Vec<Cost>> = BTreeMap::new();
    for round in 1..=effort.rounds {
        for extra in Extra::ALL {
            tracing::info!("Round {round} of {}: {extra}", effort.rounds);
            let cost = measure(extra, servers, folder, effort.time).await?;
            costs.entry(extra).or_default().push(cost);
        }
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| with | row at {RATE}/s, p50 / p99 ms | our CPU time of an event, ms | rows/s of a backlog |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: |")?;
    for (extra, turns) in costs {
        let rows = Steady::median(&turns.iter().map(|it| it.steady.clone()).collect::<Vec<_>>());
        let cpu = median(turns.iter().map(|it| it.cpu_ms));
        let rate = median(turns.iter().map(|it| it.rows_per_second));
        writeln!(
            out,
            "| {extra} | {:.1} / {:.1} | {cpu:.2} | {rate:.0} |",
            rows.rows.p50, rows.rows.p99
        )?;
    }
    Ok(())
}

async fn measure(
    extra: Extra,
    servers: &Servers,
    folder: &Path,
    time: Duration,
) -> anyhow::Result<Cost> {
    let backing = match extra {
        Extra::Hook => Backing::Site(servers),
        Extra::Nothing | Extra::Notifications | Extra::Console => Backing::Servers(servers),
    };
    let mut product = Product::start(backing, folder).await?;
    let listeners = match extra {
        Extra::Notifications => Some(tell_everyone(&mut product).await?),
        _ => None,
    };
    warm_up(&product.target).await?;
    let watched = match extra {
        Extra::Console => Some(open_pages(product.admin).await?),
        _ => None,
    };
    let told = telling(&product, listeners.as_ref(), RATE, time).await?;
    let rows_per_second = backlog(&mut product, BACKLOG).await?.per_second;
    drop(watched);
    product.stop().await?;
    Ok(Cost {
        steady: told.steady,
        cpu_ms: told.cpu_ms,
        rows_per_second,
    })
}

/// Opens the console's first page so many times, until the guard is dropped. Each looks again when the worker is back.
async fn open_pages(admin: SocketAddr) -> anyhow::Result<DropGuard> {
    look(admin).await?;
    let closed = CancellationToken::new();
    for _ in 0..PAGES {
        let closed = closed.clone();
        tokio::spawn(closed.clone().run_until_cancelled_owned(async move {
            loop {
                look(admin).await.ok();
                tokio::time::sleep(LOOK).await;
            }
        }));
    }
    Ok(closed.drop_guard())
}

/// What the page asks for each time.
async fn look(admin: SocketAddr) -> anyhow::Result<()> {
    let mut connection = Connection::open(admin).await?;
    for path in ["/api/admin/overview", "/api/admin/events?limit=8"] {
        let status = connection.get(path).await?;
        ensure!(status == StatusCode::OK, "{path} answered {status}");
    }
    Ok(())
}
