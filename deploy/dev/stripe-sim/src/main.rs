//! `stripe-sim`: the stand-in as a process of its own.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use stripe_sim::{Config, Faults, StripeSim};
use tokio_util::sync::CancellationToken;

/// A stand-in for Stripe on loopback: API under /v1, payment page, signed webhooks, and
/// /sim/ledger to read its books and /sim/faults to make it misbehave.
#[derive(Parser)]
#[command(name = "stripe-sim", version, max_term_width = 80)]
struct Cli {
    /// Address to listen on; loopback only.
    #[arg(long, default_value = "127.0.0.1:12111")]
    listen: SocketAddr,
    /// URL to post events to, such as <http://127.0.0.1:8080/api/payment/webhook>.
    #[arg(long)]
    webhook_url: Option<String>,
    /// Secret that signs events; the shop's `STRIPE_WEBHOOK_SECRET`.
    #[arg(long, default_value = "whsec_stripe_stand_in")]
    webhook_secret: String,
    /// Milliseconds until a delayed payment succeeds.
    #[arg(long, default_value_t = 15_000)]
    settle_after_ms: u64,
    /// File that keeps the objects over a restart.
    #[arg(long)]
    snapshot: Option<PathBuf>,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the one line a developer waits for")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let shutdown = CancellationToken::new();
    let config = Config {
        listen_addr: cli.listen,
        page_url: None,
        webhook_url: cli.webhook_url,
        webhook_secret: cli.webhook_secret,
        snapshot: cli.snapshot,
    };
    let sim = StripeSim::start(config, shutdown.clone()).await?;
    sim.set_faults(Faults {
        settle_after_ms: Some(cli.settle_after_ms),
        ..Faults::default()
    });
    println!("Stripe stand-in: {}", sim.base_url());
    tokio::signal::ctrl_c().await?;
    shutdown.cancel();
    Ok(())
}
