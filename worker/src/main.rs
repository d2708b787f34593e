//! `worker run`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use shared::{
    admin, clock,
    config::Env,
    db, http_server,
    queue::{ConsumerSource, Publisher},
    settings::DatabaseSettings,
    shutdown,
    stripe_client::StripeClient,
    telemetry,
};
use tokio::net::TcpListener;
use worker::{Context, Worker, booking_show, config::Config};

/// Turns messages into bookings and payments. Configured by environment variables; see
/// deploy/env.example.
#[derive(Parser)]
#[command(name = "worker", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Work until SIGTERM (the default).
    Run,
    /// Look at bookings.
    #[command(subcommand)]
    Booking(BookingCommand),
}

#[derive(Subcommand)]
enum BookingCommand {
    /// Print the whole story of one: hold, payment, refunds, disputes, events.
    Show {
        /// A booking reference, or the id of a session (cs_), event (evt_), PaymentIntent (pi_),
        /// refund (re_), dispute (du_) or checkout.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command.unwrap_or(Command::Run) {
        Command::Run => run().await,
        Command::Booking(BookingCommand::Show { name, json }) => show_booking(&name, json).await,
    };
    shared::config::exit_code("worker", outcome)
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
async fn show_booking(name: &str, json: bool) -> anyhow::Result<()> {
    let env = Env::from_process();
    telemetry::init(&env, "warn")?;
    let db = db::connect(&DatabaseSettings::from_env(&env)?)
        .await
        .context("DATABASE_URL")?;
    let story = booking_show::story(&db, name).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&story)?);
    } else {
        print!("{story}");
    }
    Ok(())
}

async fn run() -> anyhow::Result<()> {
    let env = Env::from_process();
    telemetry::init(&env, "info")?;
    let config = Config::from_env(&env)?;

    let db = db::connect(&config.database)
        .await
        .context("DATABASE_URL")?;
    let publisher = Publisher::open(&config.queue, &db, "worker")
        .await
        .context("AMQP_URL")?;
    let source = ConsumerSource::new(&config.queue, &publisher, "worker");
    let stripe = StripeClient::new(&config.stripe).context("STRIPE_API_BASE")?;

    let shutdown = shutdown::on_signal()?;
    let admin_listener = TcpListener::bind(config.admin_addr)
        .await
        .context("ADMIN_ADDR")?;
    let context = Context {
        db,
        stripe,
        mode: config.stripe.mode,
        on_unfulfillable: config.on_unfulfillable,
        clock: clock::system,
    };
    let worker = Worker::new(context, publisher, source, config.concurrency);
    tracing::info!(admin_addr = %admin_listener.local_addr()?, "Working");
    tokio::join!(
        worker.run(shutdown.clone()),
        http_server::serve(admin_listener, admin::router(worker.readiness()), shutdown),
    );
    Ok(())
}
