//! `deploy/chaos`: drills that show that no payment is lost and none doubled, whatever breaks.

mod balancer;
mod buyer;
mod check;
mod drills;
mod environment;
mod faults;
mod finish;
mod load;
mod proxy;
mod report;
mod scale;
mod site;
mod told;

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Parser;
use testkit::Servers;

use crate::{
    drills::{DRILLS, Drill},
    report::Row,
    scale::Scale,
};

/// Plays a shop's day on private servers while something breaks, lets it settle, and compares
/// what was paid at Stripe with the database. Fails on any loss.
#[derive(Parser)]
#[command(name = "chaos", version)]
struct Cli {
    /// `all`, `list`, or the drills to play.
    #[arg(required = true)]
    drills: Vec<String>,
    /// The full number of faults: for an hour or two, in release.
    #[arg(long)]
    long: bool,
    /// What the buyers and faults are drawn from; the same one plays the same again, as far as
    /// processes can.
    #[arg(long)]
    seed: Option<u64>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Keep the folder with logs and data.
    #[arg(long)]
    keep: bool,
}

/// Which `QUEUE_PREFIX` the drills have.
const ANY_PREFIX: &str = "drill.[a-z_0-9-]*";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("error,drills=info")
        .init();
    match until_interrupted(Box::pin(play(Cli::parse()))).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C ends the drill, and with it every process that it started.
async fn until_interrupted(
    play: impl Future<Output = anyhow::Result<bool>>,
) -> anyhow::Result<bool> {
    let interrupted = shared::service::shutdown::on_signal()?;
    let played = interrupted.run_until_cancelled(play).await;
    played.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted")))
}

async fn play(cli: Cli) -> anyhow::Result<bool> {
    let drills: Vec<&Drill> = match cli.drills.as_slice() {
        [word] if word == "list" => {
            list();
            return Ok(true);
        }
        [word] if word == "all" => DRILLS.iter().collect(),
        names => names
            .iter()
            .map(|name| Drill::named(name))
            .collect::<anyhow::Result<_>>()?,
    };
    let folder = testkit::folder("bookonce-chaos")?;
    let servers = Servers::start(folder.path()).context("private servers")?;
    servers.postgres.make_roles()?;
    servers.broker.make_users(&[ANY_PREFIX])?;
    let servers = Arc::new(servers);
    let scale = Scale {
        long: cli.long,
        seed: cli.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
    };
    tracing::info!(seed = scale.seed, folder = %folder.path().display(), "Playing");
    let mut rows = Vec::new();
    for drill in drills {
        tracing::info!("{}: {}", drill.name, drill.about);
        let row = drill
            .play(servers.clone(), folder.path(), scale)
            .await
            .with_context(|| format!("{} (seed {})", drill.name, scale.seed))?;
        tracing::info!("{row}");
        rows.push(row);
    }
    drop(servers);
    report::print(&rows, cli.json)?;
    let clean = rows.iter().all(Row::is_clean);
    if cli.keep || !clean {
        let kept: PathBuf = folder.keep();
        tracing::info!("Logs and data are in {}", kept.display());
    }
    Ok(clean)
}

/// The drills there are.
fn list() {
    let mut out = std::io::stdout();
    for drill in &DRILLS {
        writeln!(out, "{:<16} {}", drill.name, drill.about).ok();
    }
}
