//! `worker run`, and what operators ask for.

use std::process::ExitCode;

use anyhow::Context as _;
use axum::Router;
use clap::{Parser, Subcommand};
use shared::{
    clock,
    config::Env,
    db,
    queue::{ConsumerSource, Patience, Publisher},
    service::{admin, connections::Connections, http_server, shutdown, telemetry},
    stripe::client::StripeClient,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use worker::{
    Context, Worker,
    config::Config,
    operator::{
        audit::command as audit, bookings::command as booking, catalogue_command as catalogue,
        dead_letters::command as dead, doctor::command as doctor, endpoints::command as endpoint,
        forget, offerings, reconcile_command as reconcile, slots,
    },
};

/// Turns messages into bookings and payments. Configured by environment variables; see
/// deploy/env.example.
#[derive(Parser)]
#[command(name = "worker", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Work until SIGTERM (the default).
    Run,
    /// Find bookings, and decide about them.
    #[command(subcommand)]
    Booking(booking::Command),
    /// Look at messages that were set aside, and decide about them.
    #[command(subcommand)]
    Dead(dead::Command),
    /// Keep what is sold in a file.
    #[command(subcommand)]
    Catalogue(catalogue::Command),
    /// Look at what is offered, close it, change it.
    #[command(subcommand)]
    Offering(offerings::Command),
    /// Look at slots, close them, change how many seats they have.
    #[command(subcommand)]
    Slot(slots::Command),
    /// Have others told of what happens by webhooks, and told again.
    #[command(subcommand)]
    Endpoint(endpoint::Command),
    /// Erase a person: name, e-mail address and whatever holds them. The books stay.
    Forget(forget::Arguments),
    /// Look for payments, refunds and disputes that never arrived, and have Stripe asked about them.
    Reconcile(reconcile::Arguments),
    /// Compare Stripe's books with ours, both ways, and the seats. Fails on any difference.
    Audit(audit::Arguments),
    /// Check everything the services need, and say what to do. Fails if something does not work.
    Doctor(doctor::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command.unwrap_or(Command::Run) {
        Command::Run => Box::pin(run()).await,
        Command::Booking(command) => booking::run(command).await,
        Command::Dead(command) => dead::run(command).await,
        Command::Catalogue(command) => catalogue::run(command).await,
        Command::Offering(command) => offerings::run(command).await,
        Command::Slot(command) => slots::run(command).await,
        Command::Endpoint(command) => endpoint::run(command).await,
        Command::Forget(arguments) => forget::run(arguments).await,
        Command::Reconcile(arguments) => reconcile::run(arguments).await,
        Command::Audit(arguments) => audit::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
    };
    shared::service::exit::exit_code("worker", outcome)
}

async fn run() -> anyhow::Result<()> {
    let env = Env::from_process();
    let _traces = telemetry::init_service(&env, "bookonce-worker", "info")?;
    let config = Config::from_env(&env)?;
    let shutdown = shutdown::on_signal()?;
    match shutdown
        .run_until_cancelled(Box::pin(connect(config)))
        .await
    {
        Some(connected) => Box::pin(work(connected?, shutdown)).await,
        // Asked to stop before there was anything to do.
        None => Ok(()),
    }
}

async fn connect(config: Config) -> anyhow::Result<(Worker, Router, TcpListener)> {
    let db = db::open(&config.database).await.context("DATABASE_URL")?;
    let publisher = Publisher::open(&config.queue, &db, "worker", Patience::GoOn)
        .await
        .context("AMQP_URL")?;
    let source = ConsumerSource::new(&config.queue, &publisher, "worker");
    let stripe = StripeClient::new(&config.stripe).context("STRIPE_API_BASE")?;
    let admin_listener = TcpListener::bind(config.admin_addr)
        .await
        .context("ADMIN_ADDR")?;
    let context = Context::new(&config, db, stripe, clock::system);
    let worker = Worker::new(context, publisher, source, config.limits);
    let console = worker.console(config, admin_listener.local_addr()?);
    Ok((worker, console, admin_listener))
}

async fn work(
    (worker, console, admin_listener): (Worker, Router, TcpListener),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let admin_addr = admin_listener.local_addr()?;
    tracing::info!(%admin_addr, "Working");
    admin::warn_if_open(admin_addr);
    let probes = admin::router(worker.readiness().until(&shutdown)).merge(console);
    // Probes are answered until the last job is done.
    let done = CancellationToken::new();
    let work = async {
        worker.run(shutdown).await;
        done.cancel();
    };
    tokio::join!(
        work,
        http_server::serve(
            admin_listener,
            probes,
            Connections::of_admin(),
            done.clone()
        )
    );
    Ok(())
}
