//! `ingress serve|check`

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use ingress::{Ingress, config::Config};
use shared::{
    clock,
    config::Env,
    db,
    queue::{Patience, Publisher},
    service::{admin, connections::Connections, http_server, shutdown, telemetry},
    stripe::client::StripeClient,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Takes bookings and Stripe's webhooks. Configured by environment variables; see
/// deploy/env.example.
#[derive(Parser)]
#[command(name = "ingress", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Clone, Copy, PartialEq)]
enum Command {
    /// Serve until SIGTERM (the default).
    Serve,
    /// Check the configuration, the database and the queue, and end.
    Check,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    shared::service::exit::exit_code("ingress", Box::pin(run(command)).await)
}

async fn run(command: Command) -> anyhow::Result<()> {
    let env = Env::from_process();
    let _traces = telemetry::init_service(&env, "bookonce-ingress", "info")?;
    let config = Config::from_env(&env)?;
    if command == Command::Check {
        return check(&config).await;
    }
    let shutdown = shutdown::on_signal()?;
    match shutdown
        .run_until_cancelled(Box::pin(connect(config)))
        .await
    {
        Some(connected) => serve(connected?, shutdown).await,
        // Asked to stop before there was anything to serve.
        None => Ok(()),
    }
}

async fn check(config: &Config) -> anyhow::Result<()> {
    let db = db::connect(&config.database)
        .await
        .context("DATABASE_URL")?;
    Publisher::open(&config.queue, &db, "ingress", Patience::Wait)
        .await
        .context("AMQP_URL")?;
    StripeClient::new(&config.stripe).context("STRIPE_API_BASE")?;
    tracing::info!("Configuration, database and queue are in order");
    Ok(())
}

/// Webhooks need the queue alone: a database that is down is no reason not to take them.
async fn connect(config: Config) -> anyhow::Result<(Ingress, TcpListener, TcpListener)> {
    let db = db::open(&config.database).await.context("DATABASE_URL")?;
    let publisher = Publisher::open(&config.queue, &db, "ingress", Patience::GoOn)
        .await
        .context("AMQP_URL")?;
    let stripe = StripeClient::new(&config.stripe).context("STRIPE_API_BASE")?;
    let listener = http_server::listen(config.listen_addr).context("LISTEN_ADDR")?;
    let admin_listener = TcpListener::bind(config.admin_addr)
        .await
        .context("ADMIN_ADDR")?;
    if config.trusted_proxies.is_empty() && config.public_url.starts_with("https:") {
        tracing::warn!(
            "TRUSTED_PROXIES names no proxy, and one speaks TLS for us: all buyers who come by it share \
             ORDERS_PER_MINUTE and connections, as one client, or as twenty if its address is private"
        );
    }
    let ingress = Ingress::new(config, db, publisher, stripe, clock::system);
    Ok((ingress, listener, admin_listener))
}

async fn serve(
    (ingress, listener, admin_listener): (Ingress, TcpListener, TcpListener),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (listen_addr, admin_addr) = (listener.local_addr()?, admin_listener.local_addr()?);
    let probes = admin::router(ingress.readiness().until(&shutdown));
    let connections = ingress.connections.clone();
    let router = ingress::router(ingress).context("the pages")?;
    tracing::info!(%listen_addr, %admin_addr, "Serving");
    admin::warn_if_open(admin_addr);
    // Probes are answered until the last request is.
    let done = CancellationToken::new();
    let requests = async {
        http_server::serve(listener, router, connections, shutdown).await;
        done.cancel();
    };
    tokio::join!(
        requests,
        http_server::serve(
            admin_listener,
            probes,
            Connections::of_admin(),
            done.clone()
        ),
    );
    Ok(())
}
