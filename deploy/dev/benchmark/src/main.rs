//! `deploy/bench`: measures the product beside the limits of broker and database, and beside
//! peers, which are what a shop would write instead.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "these are figures for readers; money is not among them"
)]

mod closed_loop;
mod effort;
mod event;
mod figures;
mod generator;
mod holds;
mod http;
mod limits;
mod measure;
mod peers;
mod plot;
mod product;
mod report;
mod rounds;
mod rows;
mod target;
mod usage;

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use testkit::Servers;

use crate::{
    effort::Effort,
    product::{Backing, Product},
    report::Report,
    rounds::Bench,
};

/// The site's function; the worker is started with it or without.
const HOOK: &str = "BOOKING_HOOK";

/// Measures the services on private servers, all on this machine, and prints a table.
#[derive(Parser)]
#[command(name = "bench", version)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command"
)]
struct Cli {
    /// One short run of each measurement instead of the median of several.
    #[arg(long)]
    quick: bool,
    /// Turns of each measurement; 3, and 1 with --quick, unless said.
    #[arg(long, value_name = "TURNS")]
    rounds: Option<usize>,
    /// Measure only what product and peers have in common: throughput, latency at 200/s, confirms.
    #[arg(long)]
    brief: bool,
    /// Measure only growth: small tables against tables with this many bookings.
    #[arg(long, value_name = "BOOKINGS")]
    grown: Option<u64>,
    /// Measure only whether memory stays flat over this many minutes of a busy shop.
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u32>,
    /// Measure only how fast this many queued events become rows, and the worker's CPU time.
    #[arg(long, value_name = "EVENTS")]
    backlog: Option<u32>,
    /// With --backlog: in turns with and without a site's own function that inserts a row for each.
    #[arg(long, requires = "backlog")]
    hook: bool,
    /// Measure only what telling costs at so many events a second, in turns with a webhook, a queue and a
    /// mail server, and without.
    #[arg(long, value_name = "RATE")]
    told: Option<u32>,
    /// Measure only what `BOOKING_HOOK`, notifications and the console cost, in turns with each and without.
    #[arg(long)]
    extras: bool,
    /// Measure only throughput, in turns with traces that go to a collector, and without.
    #[arg(long)]
    traced: bool,
    /// Measure only answers to authentic webhooks beside so many bad signatures a second, in turns with and
    /// without.
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..))]
    flooded: Option<u32>,
    /// Measure only answers beside so many connections of strangers, in turns without and with them.
    #[arg(long, value_name = "CONNECTIONS")]
    attacked: Option<usize>,
    /// With --attacked: be the strangers, at the ingress of another process.
    #[arg(long, hide = true, requires = "attacked", value_name = "ADDRESS")]
    strangers_at: Option<SocketAddr>,
    /// Also measure the peers of this folder, which holds `peers/…` and `schema.sql`.
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// Folder for report.json and bench.svg.
    #[arg(long, default_value = "target/bench", value_name = "FOLDER")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("error,benchmark=info")
        .init();
    let measured = async {
        let interrupted = shared::service::shutdown::on_signal()?;
        let measured = interrupted.run_until_cancelled(Box::pin(run(Cli::parse())));
        measured.await.context("interrupted")?
    };
    match measured.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let (rounds, seconds) = if cli.quick { (1, 3) } else { (3, 6) };
    let effort = Effort {
        rounds: cli.rounds.unwrap_or(rounds),
        time: Duration::from_secs(seconds),
    };
    if let (Some(address), Some(connections)) = (cli.strangers_at, cli.attacked) {
        measure::stay(address, connections).await;
        return Ok(());
    }
    let folder = testkit::folder("bookonce-bench")?;
    let servers = Servers::start(folder.path()).context("private servers")?;
    if let Some(bookings) = cli.grown {
        return measure_grown(&servers, folder.path(), bookings, effort).await;
    }
    if let Some(minutes) = cli.soak {
        let product = Product::start(Backing::Servers(&servers), folder.path()).await?;
        return measure::soak(&product, minutes).await;
    }
    if let Some(events) = cli.backlog {
        let backing = if cli.hook {
            Backing::Site(&servers)
        } else {
            Backing::Servers(&servers)
        };
        return measure_backlog(backing, folder.path(), events, effort).await;
    }
    if let Some(rate) = cli.told {
        return measure_told(&servers, folder.path(), rate, effort).await;
    }
    if cli.extras {
        return measure::extras(&servers, folder.path(), effort).await;
    }
    if cli.traced {
        return measure::traced(&servers, folder.path(), effort).await;
    }
    if let Some(flood) = cli.flooded {
        return measure::flooded(&servers, folder.path(), flood, effort).await;
    }
    if let Some(connections) = cli.attacked {
        let backing = Backing::Servers(&servers);
        return measure::attacked(backing, folder.path(), connections, effort).await;
    }
    let mut report = Report {
        date: time::UtcDateTime::now().date().to_string(),
        machine: machine(),
        ..Report::default()
    };
    let bench = Bench {
        servers: &servers,
        folder: folder.path(),
        peers: cli.peers.as_deref(),
        brief: cli.brief,
        effort,
    };
    let measured = bench.run(&mut report).await;
    // Write what was measured, even if a later measurement failed.
    std::fs::create_dir_all(&cli.out)?;
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(cli.out.join("report.json"), json)?;
    std::io::stdout().write_all(report.table()?.as_bytes())?;
    measured?;
    if !cli.brief {
        plot::draw(&report, &cli.out.join("bench.svg"))?;
    }
    Ok(())
}

async fn measure_grown(
    servers: &Servers,
    folder: &Path,
    bookings: u64,
    effort: Effort,
) -> anyhow::Result<()> {
    let mut product = Product::start(Backing::Servers(servers), folder).await?;
    measure::warm_up(&product.target).await?;
    let growth = measure::growth(&mut product, servers, bookings, effort).await?;
    std::io::stdout().write_all(&serde_json::to_vec_pretty(&growth)?)?;
    let scans = growth.scans;
    anyhow::ensure!(scans.is_empty(), "whole tables are read: {scans:?}");
    Ok(())
}

async fn measure_backlog(
    backing: Backing<'_>,
    folder: &Path,
    events: u32,
    effort: Effort,
) -> anyhow::Result<()> {
    let mut product = Product::start(backing, folder).await?;
    measure::warm_up(&product.target).await?;
    let hook = product.variables.remove(HOOK);
    for _ in 0..effort.rounds {
        print_backlog(&mut product, events, "").await?;
        if let Some(hook) = &hook {
            product.variables.insert(HOOK, hook.clone());
            print_backlog(&mut product, events, ", with BOOKING_HOOK").await?;
            product.variables.remove(HOOK);
        }
    }
    product.stop().await
}

async fn print_backlog(product: &mut Product, events: u32, how: &str) -> anyhow::Result<()> {
    let backlog = measure::backlog(product, events).await?;
    let (rate, cpu) = (backlog.per_second, backlog.worker_cpu_ms);
    writeln!(
        std::io::stdout(),
        "{rate:.0} rows/s, {cpu:.3} ms of the worker's CPU time each{how}"
    )?;
    Ok(())
}

async fn measure_told(
    servers: &Servers,
    folder: &Path,
    rate: u32,
    effort: Effort,
) -> anyhow::Result<()> {
    for _ in 0..effort.rounds {
        for everyone in [false, true] {
            let mut product = Product::start(Backing::Servers(servers), folder).await?;
            let listeners = if everyone {
                Some(measure::tell_everyone(&mut product).await?)
            } else {
                None
            };
            measure::warm_up(&product.target).await?;
            let telling = measure::telling(&product, listeners.as_ref(), rate, effort.time).await?;
            writeln!(std::io::stdout(), "{telling}")?;
            product.stop().await?;
        }
    }
    Ok(())
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim())
        .to_owned();
    format!("{cores} cores of {model}")
}
