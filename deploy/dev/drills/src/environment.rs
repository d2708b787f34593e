//! A shop with everything around it, for one drill.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use sea_orm::DatabaseConnection;
use serde_json::Value;
use shared::{
    config::{DatabaseSettings, QueueSettings},
    queue::{Patience, Publisher},
};
use stripe_sim::{Faults, StripeSim};
use testkit::{
    Role, Servers, Supervised, Variables, as_role, binary, create_database, free_port,
    insert_offering, insert_slot, tomorrow,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{balancer, proxy::Proxy, told::Told};

/// Slots that buyers choose from; one alone would have them wait for each other.
const SLOTS: usize = 50;
/// A queue must not be killed in the second it is made: old brokers lose it then.
const SETTLED: Duration = Duration::from_secs(3);

/// How a drill's environment is set up.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Worker processes; none if the shop is one process with an embedded queue.
    pub workers: usize,
    /// Ingress processes.
    pub ingresses: usize,
    /// Over how many queues events are spread.
    pub event_queues: u8,
    /// Whether everything goes through a network that can fail.
    pub proxied: bool,
    /// Whether a site's own table is written in the same transaction.
    pub site: bool,
}

/// The processes, the stand-in and the database of one drill.
pub struct Environment {
    pub servers: Arc<Servers>,
    pub stripe: StripeSim,
    pub ingresses: Vec<Arc<Supervised>>,
    pub workers: Vec<Arc<Supervised>>,
    pub proxies: Vec<Proxy>,
    /// What the services were started with, [as their roles](as_role).
    pub variables: Variables,
    /// The drill's own, which may do anything.
    admin: Variables,
    /// Straight to the database, past any proxy.
    pub db: DatabaseConnection,
    pub url: String,
    pub http: reqwest::Client,
    /// Whether a site has its own table beside ours.
    pub site: bool,
    /// The drill's name.
    pub drill: &'static str,
    pub slots: Vec<Uuid>,
    /// Those who are told what happens.
    pub told: Told,
    shutdown: CancellationToken,
}

impl Environment {
    /// Starts everything and waits until it serves.
    ///
    /// - `name`: of the drill; its logs go to a folder of that name.
    pub async fn start(
        servers: Arc<Servers>,
        folder: &Path,
        name: &'static str,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let shutdown = CancellationToken::new();
        let stripe = testkit::start_stripe(shutdown.clone()).await?;
        stripe.set_faults(everyday_faults());

        let addresses =
            (0..plan.ingresses).map(|_| Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?))));
        let addresses = addresses.collect::<anyhow::Result<Vec<_>>>()?;
        let address = balancer::before(&addresses).await?;
        let database_url = if plan.workers == 0 {
            format!("sqlite://{}", folder.join("shop.sqlite").display())
        } else {
            create_database(&servers.postgres.url, name).await?
        };
        let mut variables = testkit::variables(&stripe, address);
        variables.insert("DATABASE_URL", database_url);
        variables.insert("RUST_LOG", "info".to_owned());
        if plan.site {
            testkit::move_in(&mut variables, testkit::SITE).await?;
        }
        if plan.workers > 0 {
            variables.insert("AMQP_URL", servers.broker.url.clone());
            variables.insert("QUEUE_PREFIX", format!("drill.{}", unique(name)));
            variables.insert("EVENT_QUEUES", plan.event_queues.to_string());
        }
        let admin = variables.clone();
        if plan.workers > 0 {
            variables = testkit::set_up_with_roles(&admin).await?;
        }
        let db = testkit::open_database(&admin).await?;
        let url = format!("http://{address}");
        let mut webhook_url = format!("{url}/api/payment/webhook");
        variables.insert("PUBLIC_URL", url.clone());
        let told = Told::start(&db, queue(&admin)?, &mut variables).await?;
        let mut proxies = Vec::new();
        if plan.proxied {
            for variable in ["DATABASE_URL", "AMQP_URL", "STRIPE_API_BASE"] {
                let direct = variables.get(variable).cloned().unwrap_or_default();
                let (proxy, through) = Proxy::before(&direct).await?;
                variables.insert(variable, through);
                proxies.push(proxy);
            }
            let (proxy, through) = Proxy::before(&webhook_url).await?;
            webhook_url = through;
            proxies.push(proxy);
        }
        stripe.set_webhook_url(Some(webhook_url));

        let log = |service: &str| folder.join(format!("{service}.log"));
        let service = if plan.workers == 0 {
            "local"
        } else {
            "ingress"
        };
        let ingresses = addresses.iter().enumerate().map(|(number, address)| {
            let mut of_ingress = as_role(&variables, Role::Ingress);
            of_ingress.insert("LISTEN_ADDR", address.to_string());
            let log = log(&format!("{service}-{number}"));
            Supervised::start(binary(service)?, &[], &of_ingress, log)
        });
        let ingresses = ingresses.collect::<anyhow::Result<_>>()?;
        let of_workers = as_role(&variables, Role::Worker);
        let workers = (0..plan.workers)
            .map(|number| {
                let log = log(&format!("worker-{number}"));
                Supervised::start(binary("worker")?, &["run"], &of_workers, log)
            })
            .collect::<anyhow::Result<_>>()?;
        let environment = Self {
            servers,
            stripe,
            ingresses,
            workers,
            proxies,
            variables,
            admin,
            slots: slots(&db).await?,
            told,
            db,
            url,
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(15))
                .build()?,
            site: plan.site,
            drill: name,
            shutdown,
        };
        environment.wait_until_it_serves().await?;
        tokio::time::sleep(SETTLED).await;
        Ok(environment)
    }

    /// Waits until ingress answers.
    pub async fn wait_until_it_serves(&self) -> anyhow::Result<()> {
        for _ in 0..600 {
            let request = self.http.get(format!("{}/api/offerings", self.url));
            if request
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("ingress does not serve; see its log")
    }

    /// How this shop's messages travel.
    pub fn queue(&self) -> anyhow::Result<QueueSettings> {
        queue(&self.admin)
    }

    /// A publisher beside ingress, for what no ingress would publish.
    pub async fn publisher(&self) -> anyhow::Result<Publisher> {
        self.publisher_to(&self.queue()?, "drill").await
    }

    /// The same for larger messages than ours: with the largest frames the broker allows.
    pub async fn wide_publisher(&self) -> anyhow::Result<Publisher> {
        let mut variables = self.admin.clone();
        if let Some(url) = variables.get_mut("AMQP_URL") {
            let separator = if url.contains('?') { '&' } else { '?' };
            *url = format!("{url}{separator}frame_max=131072");
        }
        self.publisher_to(&queue(&variables)?, "intruder").await
    }

    async fn publisher_to(&self, queue: &QueueSettings, name: &str) -> anyhow::Result<Publisher> {
        Ok(Publisher::open(queue, &self.db, name, Patience::Wait).await?)
    }

    /// `worker …`, as an operator types it.
    pub async fn operator(&self, arguments: &[&str]) -> anyhow::Result<(bool, Value)> {
        let mut command = tokio::process::Command::new(binary("worker")?);
        let variables = as_role(&self.variables, Role::of("worker", arguments));
        command.args(arguments).env_clear().envs(variables);
        let output = command.output().await?;
        let answer = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok((output.status.success(), answer))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What happens every day: posts that are lost on the way and come again, or come twice, or in
/// another order, some of them thin.
pub fn everyday_faults() -> Faults {
    Faults {
        lose_percent: 5,
        duplicate_percent: 10,
        reorder_within_ms: 50,
        thin_percent: 20,
        ..Faults::default()
    }
}

async fn slots(db: &DatabaseConnection) -> anyhow::Result<Vec<Uuid>> {
    let offering_id = insert_offering(db).await?;
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(insert_slot(db, offering_id, tomorrow(), (100_000, 0)).await?);
    }
    Ok(slots)
}

fn queue(variables: &Variables) -> anyhow::Result<QueueSettings> {
    let env = testkit::env(variables);
    let database = DatabaseSettings::from_env(&env)?;
    Ok(QueueSettings::from_env(&env, &database)?)
}

fn unique(name: &str) -> String {
    format!("{name}_{}", std::process::id())
}
