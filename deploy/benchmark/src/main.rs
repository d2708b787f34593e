//! `deploy/bench`: how fast it is, beside what broker and database can do at best and beside
//! what one would write instead.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "these are figures for people; money is not among them"
)]

mod closed_loop;
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
mod rows;
mod target;
mod usage;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use rig::Servers;

use crate::{
    measure::Effort,
    peers::Peer,
    product::Product,
    report::{Common, Report},
    target::Target,
};

/// Events of a backlog.
const BACKLOG: usize = 100_000;
/// Webhooks a second of a busy shop, at which latency is compared.
const BUSY: u32 = 200;
/// Webhooks a second for the curve of latency, as far as they are well below what is taken at
/// most: beyond that it is overload that one would see.
const RATES: [u32; 7] = [200, 500, 1000, 1500, 2000, 3000, 4000];
const WELL_BELOW: f64 = 0.7;

/// Measures the services on private servers of this machine, which everything shares, and prints a table.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    /// One short run of each instead of the median of several.
    #[arg(long)]
    quick: bool,
    /// Only what the product and its peers have in common: throughput, latency at 200/s, confirms.
    #[arg(long)]
    brief: bool,
    /// Only how it compares with itself once its tables hold so many bookings.
    #[arg(long, value_name = "BOOKINGS")]
    grown: Option<u64>,
    /// Only whether its memory stays where it was, over so many minutes of a busy shop.
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u32>,
    /// Also measure what one would write instead: a folder with `peers/…` and `schema.sql`.
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// Where report.json and bench.svg go.
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
        let interrupted = shared::shutdown::on_signal()?;
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
    let (runs, seconds) = if cli.quick { (1, 3) } else { (3, 6) };
    let effort = Effort {
        runs,
        time: Duration::from_secs(seconds),
    };
    let folder = rig::folder("bookonce-bench")?;
    let servers = Servers::start(folder.path()).context("private servers")?;
    if let Some(bookings) = cli.grown {
        return measure_grown(&servers, folder.path(), bookings, effort).await;
    }
    if let Some(minutes) = cli.soak {
        let product = Product::start(Some(&servers), folder.path()).await?;
        return measure::soak(&product, minutes).await;
    }
    let mut report = Report {
        date: time::UtcDateTime::now().date().to_string(),
        machine: machine(),
        ..Report::default()
    };
    let measured = measure_all(&cli, &servers, folder.path(), effort, &mut report).await;
    // What there is, even if something failed on the way.
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

async fn measure_all(
    cli: &Cli,
    servers: &Servers,
    folder: &Path,
    effort: Effort,
    report: &mut Report,
) -> anyhow::Result<()> {
    if !cli.brief {
        tracing::info!("The limits of broker and database");
        report.limits = Some(limits::limits(servers, folder, effort).await?);
    }
    if let Some(sources) = &cli.peers {
        for peer in [peers::DIRECT, peers::QUEUE] {
            let measured = measure_peer(peer, servers, sources, folder, effort).await?;
            report.targets.insert(peer.name.to_owned(), measured);
        }
    }
    let embedded = Product::start(None, folder).await?;
    let measured = measure_common(&embedded.target, effort).await?;
    report
        .targets
        .insert(embedded.target.name.clone(), measured);
    drop(embedded);
    measure_product(servers, folder, effort, cli.brief, report).await
}

async fn measure_grown(
    servers: &Servers,
    folder: &Path,
    bookings: u64,
    effort: Effort,
) -> anyhow::Result<()> {
    let mut product = Product::start(Some(servers), folder).await?;
    measure::warm_up(&product.target).await?;
    let growth = measure::growth(&mut product, servers, bookings, effort).await?;
    std::io::stdout().write_all(&serde_json::to_vec_pretty(&growth)?)?;
    let scans = growth.scans;
    anyhow::ensure!(scans.is_empty(), "whole tables are read: {scans:?}");
    Ok(())
}

async fn measure_common(target: &Target, effort: Effort) -> anyhow::Result<Common> {
    tracing::info!("{}: webhooks as fast as they are answered", target.name);
    measure::warm_up(target).await?;
    let throughput = measure::throughput(target, effort).await?;
    tracing::info!("{}: {BUSY} webhooks/s", target.name);
    let steady = measure::steady(target, BUSY, effort).await?;
    tracing::info!("{}: confirms", target.name);
    let confirm = measure::confirm(target, effort).await?;
    Ok(Common {
        throughput: Some(throughput),
        steady: Some(steady),
        confirm: Some(confirm),
        spike: None,
        memory_mb: target.memory_mb()?,
    })
}

async fn measure_peer(
    peer: Peer,
    servers: &Servers,
    sources: &Path,
    folder: &Path,
    effort: Effort,
) -> anyhow::Result<Common> {
    let running = peer.start(servers, sources, folder, true).await?;
    let mut common = measure_common(&running.target, effort).await?;
    running.stop().await?;
    if peer.has_queue() {
        tracing::info!("{}: a spike without a worker", peer.name);
        let running = peer.start(servers, sources, folder, false).await?;
        common.spike = Some(measure::spike(&running.target, effort).await?);
        running.stop().await?;
    }
    Ok(common)
}

async fn measure_product(
    servers: &Servers,
    folder: &Path,
    effort: Effort,
    brief: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut product = Product::start(Some(servers), folder).await?;
    let mut common = measure_common(&product.target, effort).await?;
    if !brief {
        tracing::info!("product: latency against rate");
        let most = common
            .throughput
            .as_ref()
            .map_or(0.0, |it| it.rows_per_second);
        let below = |rate: &u32| f64::from(*rate) < most * WELL_BELOW;
        for rate in RATES.into_iter().filter(below) {
            let once = Effort { runs: 1, ..effort };
            let steady = measure::steady(&product.target, rate, once).await?;
            report.rates.push(steady);
        }
        tracing::info!("product: a spike without a worker, and the backlog it leaves");
        product.stop_worker().await?;
        let spike = measure::spike(&product.target, effort).await?;
        report.backlog = Some(measure::backlog(&mut product, &spike, BACKLOG).await?);
        common.spike = Some(spike);
        tracing::info!("product: pages that wait");
        for waiters in [10, 1000] {
            let waiting = measure::waiting(&mut product, waiters).await?;
            report.waiting.push(waiting);
        }
        tracing::info!("product: Checkout Sessions");
        report.create_session = Some(measure::create_session(&product, effort).await?);
        common.memory_mb = product.target.memory_mb()?;
    }
    report.targets.insert(product.target.name.clone(), common);
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
