//! `cargo run`: a working shop, without a server and without a key.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use shared::{
    config::Env,
    service::{shutdown, telemetry},
};

/// A working shop in one process: ingress, worker, embedded queue and database, and a
/// stand-in for Stripe.
#[derive(Parser)]
#[command(
    name = "local",
    version,
    max_term_width = 80,
    after_help = "\
Environment (all optional; deploy/env.example says more of each):
  LISTEN_ADDR               where the shop listens [127.0.0.1:8080]
  PUBLIC_URL                how buyers reach it [http://LISTEN_ADDR]
  CORS_ORIGINS              other sites whose pages may call the API [none]
  SITE_API_KEYS             keys for checkouts that a site prices itself [off]
  RETURN_ORIGINS            where those may send buyers, besides PUBLIC_URL [none]
  CHECKOUT_OPTIONS          what Stripe's page may do, as JSON [nothing]
  ADMIN_ADDR                /livez, /readyz, /metrics, /console [127.0.0.1:8081]
  ADMIN_TOKEN               opens the console off loopback [none]
  DATABASE_URL              postgres://… or a file [sqlite://bookonce.sqlite]
  DATABASE_MAX_CONNECTIONS  open connections [4; 20 with PostgreSQL]
  DATABASE_SCHEMA           PostgreSQL's schema for our tables [public]
  AMQP_URL                  a RabbitMQ broker; needed with PostgreSQL [none]
  AMQP_CA_FILE              an authority of your own that has signed its certificate
  PLAINTEXT_HOSTS           servers that may be spoken to without TLS [this machine]
  QUEUE_PREFIX              first part of the queues' names [bookonce]
  EVENT_QUEUES              over how many queues events are spread [1]
  STRIPE_SECRET_KEY         use Stripe itself instead of the stand-in
  STRIPE_WEBHOOK_SECRET     whsec_…; needed with STRIPE_SECRET_KEY
  STRIPE_API_BASE           another address than Stripe's own
  STRIPE_SIM_ADDR           where the stand-in listens [127.0.0.1:12111]
  HOLD_MINUTES              how long seats are held for a buyer [30]
  ORDERS_PER_MINUTE         seats of one client, 0 is no limit [30]
  HELD_SEATS_PER_CLIENT     unpaid, at a time; 0 is no limit [60]
  SESSIONS_PER_MINUTE       orders of all buyers; 0 is no limit [1500]
  TRUSTED_PROXIES           proxies that may name the client [none]
  WORKER_CONCURRENCY        jobs at once [8]
  WORKER_BATCH              events that share a transaction, at most [200]
  ON_UNFULFILLABLE          refund or hold a payment without seats [refund]
  BOOKING_HOOK              schema.function told of each booking [none]
  ENDPOINT_NETWORKS         private networks webhooks may be posted to [none]
  SMTP_URL                  a mail server: buyers get mail [none]
  MAIL_FROM                 from whom; needed with SMTP_URL
  MAIL_MERCHANT             who gets a line of each booking [none]
  MAIL_TEMPLATES            a folder of your own words and templates [none]
  SHOP_NAME                 on its pages and in its mails [none]
  SHOP_COLOR                of its buttons, such as #0a5c7d [ours]
  SHOP_LOGO                 the file of its logo [none]
  SHOP_CONTACT              where buyers reach a person [none]
  SHOP_TERMS_URL            a page with its terms [none]
  SHOP_PRIVACY_URL          a page about buyers' data [none]
  SHOP_CANCELLATION         what it says about cancelling [nothing]
  LINK_SECRET               signs the links by which buyers cancel [none]
  RETENTION_DAYS            after which what is not needed is erased [30]
  RUST_LOG                  such as info or debug [the worker, and warnings]
  LOG_FORMAT                pretty or json [pretty]
  OTEL_EXPORTER_OTLP_ENDPOINT  where traces are sent, by OTLP over HTTP [none]
  OTEL_TRACES_SAMPLER       which traces [the first 100 of a second]
  OTEL_SERVICE_NAME         what the shop is called there [bookonce]

To start over, delete bookonce.sqlite*."
)]
struct Cli {}

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse();
    shared::service::exit::exit_code("local", run().await)
}

async fn run() -> anyhow::Result<()> {
    let env = Env::from_process();
    let _traces = telemetry::init_service(&env, "bookonce", "warn,local=info,worker=info")?;
    let shutdown = shutdown::on_signal()?;
    let local = local::start(env, shutdown).await?;
    let lines = format!(
        "Bookonce shop: {}\nBookonce console: {}\n",
        local.url, local.console_url
    );
    // Who has read enough may have closed the pipe.
    std::io::stdout().write_all(lines.as_bytes()).ok();
    local.stopped().await;
    Ok(())
}
