//! A shop with everything around it, for one drill.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait,
};
use serde_json::Value;
use shared::{
    clock,
    config::{DatabaseSettings, QueueSettings},
    db::{offering, slot},
    queue::{Patience, Publisher},
};
use stripe_sim::{Faults, StripeSim};
use testkit::{Servers, Supervised, binary, create_database, free_port};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::proxy::Proxy;

const SECRET: &str = "whsec_of_the_drill";
/// Slots that buyers choose from; one alone would have them wait for each other.
const SLOTS: usize = 50;
/// A queue must not be killed in the second it is made: old brokers lose it then.
const SETTLED: Duration = Duration::from_secs(3);

/// How a drill's world is set up.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Worker processes; none if the shop is one process with an embedded queue.
    pub workers: usize,
    /// Whether everything goes through a network that can fail.
    pub proxied: bool,
}

/// The processes, the stand-in and the database of one drill.
pub struct World {
    pub servers: Arc<Servers>,
    pub stripe: StripeSim,
    pub ingress: Arc<Supervised>,
    pub workers: Vec<Arc<Supervised>>,
    pub proxies: Vec<Proxy>,
    /// What the services were started with.
    pub variables: BTreeMap<String, String>,
    /// Straight to the database, past any proxy.
    pub db: DatabaseConnection,
    pub url: String,
    pub http: reqwest::Client,
    pub slots: Vec<Uuid>,
    shutdown: CancellationToken,
}

impl World {
    /// Starts everything and waits until it serves.
    ///
    /// - `name`: of the drill; its logs go to a folder of that name.
    pub async fn start(
        servers: Arc<Servers>,
        folder: &Path,
        name: &str,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let shutdown = CancellationToken::new();
        let stripe = testkit::stand_in(SECRET, shutdown.clone()).await?;
        stripe.set_faults(everyday_faults());

        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let database_url = if plan.workers == 0 {
            format!("sqlite://{}", folder.join("shop.sqlite").display())
        } else {
            create_database(&servers, name).await?
        };
        let mut variables = testkit::variables(&stripe, SECRET, address, &database_url);
        variables.insert("RUST_LOG".to_owned(), "info".to_owned());
        let db = testkit::open_database(&database_url).await?;
        let url = format!("http://{address}");
        let mut webhook_url = format!("{url}/api/payment/webhook");
        if plan.workers > 0 {
            variables.insert("AMQP_URL".to_owned(), servers.amqp_url.clone());
            variables.insert("QUEUE_PREFIX".to_owned(), format!("drill.{}", unique(name)));
        }
        let mut proxies = Vec::new();
        if plan.proxied {
            for variable in ["DATABASE_URL", "AMQP_URL", "STRIPE_API_BASE"] {
                let direct = variables.get(variable).cloned().unwrap_or_default();
                let (proxy, through) = Proxy::before(&direct).await?;
                variables.insert(variable.to_owned(), through);
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
        let ingress = Supervised::start(binary(service)?, &[], &variables, log(service))?;
        let workers = (0..plan.workers)
            .map(|number| {
                let log = log(&format!("worker-{number}"));
                Supervised::start(binary("worker")?, &["run"], &variables, log)
            })
            .collect::<anyhow::Result<_>>()?;
        let world = Self {
            servers,
            stripe,
            ingress,
            workers,
            proxies,
            variables,
            slots: slots(&db).await?,
            db,
            url,
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(15))
                .build()?,
            shutdown,
        };
        world.wait_until_it_serves().await?;
        tokio::time::sleep(SETTLED).await;
        Ok(world)
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

    /// A publisher beside ingress, for what no ingress would publish.
    pub async fn publisher(&self) -> anyhow::Result<Publisher> {
        let env = self.variables.clone().into_iter().collect();
        let database = DatabaseSettings::from_env(&env)?;
        let queue = QueueSettings::from_env(&env, &database)?;
        Ok(Publisher::open(&queue, &self.db, "drill", Patience::Wait).await?)
    }

    /// The same for larger messages than ours: with the largest frames the broker allows.
    pub async fn wide_publisher(&self) -> anyhow::Result<Publisher> {
        let mut variables = self.variables.clone();
        if let Some(url) = variables.get_mut("AMQP_URL") {
            let separator = if url.contains('?') { '&' } else { '?' };
            *url = format!("{url}{separator}frame_max=131072");
        }
        let env = variables.into_iter().collect();
        let database = DatabaseSettings::from_env(&env)?;
        let queue = QueueSettings::from_env(&env, &database)?;
        Ok(Publisher::open(&queue, &self.db, "intruder", Patience::Wait).await?)
    }

    /// How this shop's messages travel.
    pub fn queue(&self) -> anyhow::Result<QueueSettings> {
        let env = self.variables.clone().into_iter().collect();
        let database = DatabaseSettings::from_env(&env)?;
        Ok(QueueSettings::from_env(&env, &database)?)
    }

    /// `worker …`, as an operator types it.
    pub async fn operator(&self, arguments: &[&str]) -> anyhow::Result<(bool, Value)> {
        let mut command = tokio::process::Command::new(binary("worker")?);
        command.args(arguments).env_clear().envs(&self.variables);
        let output = command.output().await?;
        let answer = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok((output.status.success(), answer))
    }
}

impl Drop for World {
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
    let offering_id = Uuid::now_v7();
    let offering = offering::ActiveModel {
        id: Set(offering_id),
        name: Set("Harbour kayak tour".to_owned()),
        description: Set(String::new()),
        unit_amount_minor_units: Set(4900),
        currency: Set("eur".to_owned()),
    };
    offering::Entity::insert(offering)
        .exec_without_returning(db)
        .await?;
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(new_slot(db, offering_id, 100_000).await?);
    }
    Ok(slots)
}

/// A slot for tomorrow.
pub async fn new_slot(
    db: &impl ConnectionTrait,
    offering_id: Uuid,
    capacity: i32,
) -> anyhow::Result<Uuid> {
    let starts_at = clock::system().saturating_add(time::Duration::DAY);
    let id = Uuid::now_v7();
    let row = slot::Model {
        id,
        offering_id,
        starts_at,
        ends_at: starts_at.saturating_add(time::Duration::HOUR),
        capacity,
        seats_taken: 0,
    };
    slot::Entity::insert(slot::ActiveModel::from(row).reset_all())
        .exec_without_returning(db)
        .await?;
    Ok(id)
}

fn unique(name: &str) -> String {
    format!("{name}_{}", std::process::id())
}
