//! Ingress, worker and the Stripe stand-in in one process, with a database that is migrated
//! and filled on the way: what `cargo run` starts.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::Context as _;
use ingress::Ingress;
use sea_orm::{ConnectOptions, Database};
use secrecy::ExposeSecret;
use shared::{
    clock,
    config::{DatabaseSettings, Env},
    db,
    queue::{ConsumerSource, Patience, Publisher},
    service::{admin, connections::Connections, http_server},
    stripe::client::StripeClient,
};
use stripe_sim::{Faults, StripeSim};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use worker::Worker;

const DEFAULT_DATABASE_URL: &str = "sqlite://bookonce.sqlite";
/// The stand-in accepts any key and any secret; these say what they are.
const STAND_IN_KEY: &str = "sk_test_stripe_stand_in";
const STAND_IN_SECRET: &str = "whsec_stripe_stand_in";
/// Where stripe-mock listens as well, so that it is free on most machines.
const STAND_IN_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 12111);
/// How long the stand-in's bank takes, so that a person sees a delayed payment arrive.
const STAND_IN_BANK_MS: u64 = 15_000;

/// The running shop.
pub struct Local {
    /// Where a person opens it.
    pub url: String,
    /// Where an operator looks.
    pub console_url: String,
    /// The stand-in, unless Stripe itself is used.
    pub stripe_sim: Option<StripeSim>,
    tasks: JoinSet<()>,
}

impl Local {
    /// Waits until everything has stopped, after the `shutdown` given to [`start`].
    pub async fn stopped(self) {
        self.tasks.join_all().await;
    }
}

/// Starts everything. `env` is what a person set; the rest has defaults.
///
/// # Errors
///
/// A variable is wrong, an address is taken, or the database cannot be used.
pub async fn start(env: Env, shutdown: CancellationToken) -> anyhow::Result<Local> {
    let listen_addr = env.socket_addr("LISTEN_ADDR", ([127, 0, 0, 1], 8080).into())?;
    let with_stand_in = env.get("STRIPE_SECRET_KEY").is_none();
    let mut env = env.or("DATABASE_URL", DEFAULT_DATABASE_URL);
    if with_stand_in {
        env = env
            .or("STRIPE_SECRET_KEY", STAND_IN_KEY)
            .or("STRIPE_WEBHOOK_SECRET", STAND_IN_SECRET)
            // Checked now, replaced by the real address below.
            .or("STRIPE_API_BASE", "http://127.0.0.1");
    }
    // Every variable is checked before anything is touched.
    let mut complete = env.clone();
    if listen_addr.ip().is_loopback() {
        // Its port may be known only below.
        complete = complete.or("PUBLIC_URL", "http://127.0.0.1");
    }
    ingress::config::Config::from_env(&complete)?;
    let mut worker_config = worker::config::Config::from_env(&complete)?;
    let stand_in_addr = free_or_any(&env, "STRIPE_SIM_ADDR", STAND_IN_ADDR).await?;
    let admin_addr = free_or_any(&env, "ADMIN_ADDR", ([127, 0, 0, 1], 8081).into()).await?;

    let listener =
        http_server::listen(listen_addr).with_context(|| format!("LISTEN_ADDR {listen_addr}"))?;
    let bound = listener.local_addr()?;
    let url = format!("http://{bound}");
    let admin_listener = TcpListener::bind(admin_addr)
        .await
        .with_context(|| format!("ADMIN_ADDR {admin_addr}"))?;
    prepare(&worker_config.database)
        .await
        .context("DATABASE_URL")?;

    let env = env.or("PUBLIC_URL", url.as_str());
    let mut ingress_config = ingress::config::Config::from_env(&env)?;
    worker_config.mailer = worker::config::Config::from_env(&env)?.mailer;
    let secret_of_stand_in = ingress_config.endpoint_secrets.expose().next();
    let secret_of_stand_in = secret_of_stand_in.unwrap_or(STAND_IN_SECRET).to_owned();
    let stripe_sim = if with_stand_in {
        let sim = StripeSim::start(
            stripe_sim::Config {
                listen_addr: stand_in_addr,
                page_url: Some(reachable(bound)),
                webhook_url: Some(format!("{url}/api/payment/webhook")),
                webhook_secret: secret_of_stand_in,
                snapshot: snapshot(&worker_config.database),
            },
            shutdown.clone(),
        )
        .await
        .with_context(|| format!("the stand-in at STRIPE_SIM_ADDR {stand_in_addr}"))?;
        sim.set_faults(Faults {
            settle_after_ms: Some(STAND_IN_BANK_MS),
            ..Faults::default()
        });
        worker_config.stripe.api_base = Some(sim.base_url().to_owned());
        ingress_config.stripe = worker_config.stripe.clone();
        tracing::info!(address = sim.base_url(), "The Stripe stand-in listens");
        Some(sim)
    } else {
        None
    };

    let db = db::connect(&worker_config.database)
        .await
        .context("DATABASE_URL")?;
    let publisher = Publisher::open(&worker_config.queue, &db, "bookonce", Patience::GoOn)
        .await
        .context("AMQP_URL")?;
    let source = ConsumerSource::new(&worker_config.queue, &publisher, "bookonce");
    let stripe = StripeClient::new(&worker_config.stripe).context("STRIPE_API_BASE")?;
    let context = worker::Context::new(&worker_config, db.clone(), stripe.clone(), clock::system);
    let worker = Worker::new(context, publisher.clone(), source, worker_config.limits);
    let ingress = Ingress::new(ingress_config, db, publisher, stripe, clock::system);
    let admin_addr = admin_listener.local_addr()?;
    let probes = admin::router(ingress.readiness().and(worker.readiness()))
        .merge(worker.console(worker_config, admin_addr));

    let mut tasks = JoinSet::new();
    let connections = ingress.connections.clone();
    let mut router = ingress::router(ingress).context("the pages")?;
    if let Some(sim) = &stripe_sim {
        router = router.merge(sim.payment_page());
    }
    tasks.spawn(http_server::serve(
        listener,
        router,
        connections,
        shutdown.clone(),
    ));
    tasks.spawn(http_server::serve(
        admin_listener,
        probes,
        Connections::of_admin(),
        shutdown.clone(),
    ));
    tasks.spawn(async move { worker.run(shutdown).await });
    Ok(Local {
        url,
        console_url: format!("{}/console", reachable(admin_addr)),
        stripe_sim,
        tasks,
    })
}

/// Where a buyer finds what is bound to `address`: of a container, whose port is published, on this
/// machine. One port is enough then.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// An address that was chosen is used or refused. A default that is taken gives way, so that
/// a second shop can run beside the first.
async fn free_or_any(
    env: &Env,
    variable: &'static str,
    default: SocketAddr,
) -> anyhow::Result<SocketAddr> {
    let address = env.socket_addr(variable, default)?;
    let taken = TcpListener::bind(address).await.is_err();
    Ok(if taken && env.get(variable).is_none() {
        SocketAddr::new(address.ip(), 0)
    } else {
        address
    })
}

/// Creates the database file if need be, the tables, and something to sell.
async fn prepare(settings: &DatabaseSettings) -> anyhow::Result<()> {
    let mut options = ConnectOptions::new(settings.url.expose_secret());
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true));
    db::create_private_file(settings)?;
    let db = Database::connect(options).await?;
    migrations::up(&db, settings.schema.as_ref()).await?;
    migrations::catalogue::seed(&db, clock::system()).await?;
    db.close().await?;
    Ok(())
}

/// The stand-in remembers as long as the shop does: in a file beside its database.
fn snapshot(settings: &DatabaseSettings) -> Option<PathBuf> {
    let url = settings.url.expose_secret().strip_prefix("sqlite:")?;
    let path = url.trim_start_matches("//").split('?').next()?;
    (!path.contains(":memory:")).then(|| format!("{path}.stripe-sim.json").into())
}
