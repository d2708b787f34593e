//! `cargo run`: a working shop, without a server and without a key.

use std::process::ExitCode;

use clap::Parser;
use shared::{config::Env, shutdown, telemetry};

/// A working shop in one process: ingress, worker, embedded queue and database, and a
/// stand-in for Stripe.
#[derive(Parser)]
#[command(
    name = "local",
    version,
    after_help = "\
Environment (all optional; deploy/env.example has the whole list):
  LISTEN_ADDR            where the shop listens [127.0.0.1:8080]
  ADMIN_ADDR             where /livez and /readyz are [127.0.0.1:8081]
  DATABASE_URL           sqlite://file or postgres://… [sqlite://bookonce.sqlite]
  AMQP_URL               a RabbitMQ broker; needed with PostgreSQL [embedded queue]
  STRIPE_SECRET_KEY      use Stripe itself instead of the stand-in
  STRIPE_WEBHOOK_SECRET  whsec_…; needed with STRIPE_SECRET_KEY
  STRIPE_SIM_ADDR        where the stand-in listens [127.0.0.1:12111]
  HOLD_MINUTES           how long seats are held for a buyer [30]
  RUST_LOG               such as info or debug [what the worker does, and warnings]

To start over, delete bookonce.sqlite*."
)]
struct Cli {}

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse();
    shared::config::exit_code("local", run().await)
}

#[expect(clippy::print_stdout, reason = "the one line a person waits for")]
async fn run() -> anyhow::Result<()> {
    let env = Env::from_process();
    telemetry::init(&env, "warn,local=info,worker=info")?;
    let shutdown = shutdown::on_signal()?;
    let local = local::start(env, shutdown).await?;
    println!("Bookonce shop: {}", local.url);
    local.stopped().await;
    Ok(())
}
