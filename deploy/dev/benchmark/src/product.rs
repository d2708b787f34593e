//! The product on private servers, as a merchant would run it: ingress and one worker; or all of
//! it in one process with SQLite.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use stripe_sim::{Faults, StripeSim};
use testkit::{Servers, Supervised, Variables, binary, create_database, free_port};
use tokio_util::sync::CancellationToken;

use crate::{event::Template, holds::Holds, http::Connection, rows::Rows, target::Target};

/// Where bookings are kept, and what carries messages.
#[derive(Clone, Copy)]
pub enum Backing<'a> {
    /// The embedded default: SQLite, in one process.
    Embedded,
    /// PostgreSQL and RabbitMQ.
    Servers(&'a Servers),
    /// The same inside a site's database, whose own function is told of each booking.
    Site(&'a Servers),
}

/// Longest wait for the first answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a site does that takes a booking into a table of its own.
const ONE_INSERT: &str = "
    CREATE TABLE public.site_bookings (reference text PRIMARY KEY, order_id text, status text NOT NULL);
    CREATE FUNCTION public.one_insert(document jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = public AS $$
    BEGIN
        INSERT INTO site_bookings VALUES (document #>> '{booking,reference}',
            document #>> '{checkout,client_reference}', document #>> '{booking,status}');
    END $$";

pub struct Product {
    pub target: Target,
    pub stripe: StripeSim,
    ingress: Arc<Supervised>,
    worker: Option<Arc<Supervised>>,
    pub variables: Variables,
    /// Where the worker's console is.
    pub admin: SocketAddr,
    folder: PathBuf,
    shutdown: CancellationToken,
}

impl Product {
    /// Starts the product and waits until it answers.
    pub async fn start(backing: Backing<'_>, folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(backing, folder, Variables::new()).await
    }

    /// The same with `more` variables.
    pub async fn start_with(
        backing: Backing<'_>,
        folder: &Path,
        more: Variables,
    ) -> anyhow::Result<Self> {
        let servers = match backing {
            Backing::Embedded => None,
            Backing::Servers(servers) | Backing::Site(servers) => Some(servers),
        };
        let shutdown = CancellationToken::new();
        let stripe = testkit::start_stripe(shutdown.clone()).await?;
        stripe.set_faults(Faults {
            deliver_webhooks: false,
            ..Faults::default()
        });
        let (name, service) = match servers {
            Some(_) => ("product", "ingress"),
            None => ("product, embedded", "local"),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let database_url = if let Some(servers) = servers {
            create_database(&servers.postgres.url, "benchmark").await?
        } else {
            let file = folder.join(format!("shop-{}.sqlite", address.port()));
            format!("sqlite://{}", file.display())
        };
        let mut variables = testkit::variables(&stripe, address);
        variables.extend(more);
        variables.insert("DATABASE_URL", database_url);
        if let Some(servers) = servers {
            variables.insert("AMQP_URL", servers.broker.url.clone());
            let prefix = format!("benchmark_{}", address.port());
            variables.insert("QUEUE_PREFIX", prefix);
        }
        if let Backing::Site(_) = backing {
            testkit::move_in(&mut variables, testkit::SITE).await?;
            let url = variables.get("DATABASE_URL").cloned().unwrap_or_default();
            testkit::run_as_admin(&url, &[ONE_INSERT]).await?;
            variables.insert("BOOKING_HOOK", "public.one_insert".to_owned());
        }
        let db = testkit::open_database(&variables).await?;
        let log = folder.join(format!("{service}-{}.log", address.port()));
        let ingress = Supervised::start(binary(service)?, &[], &variables, log)?;
        wait_for(address).await?;
        let mut product = Self {
            target: Target {
                name: name.to_owned(),
                address,
                rows: Arc::new(Rows {
                    db: db.clone(),
                    // Ids ascend with time; the made-up ids of `growth` sort before all others.
                    count: "SELECT count(*) AS count FROM booking \
                            WHERE id > '00000001-0000-0000-0000-000000000000'",
                    one: "SELECT 1 FROM booking JOIN checkout ON checkout.id = booking.checkout_id \
                          WHERE checkout.session_id = $1",
                    left: Some("SELECT count(*) AS count FROM outbox WHERE done_at IS NULL"),
                }),
                processes: BTreeMap::new(),
                servers: servers.map_or_else(|| Ok(BTreeMap::new()), Servers::pids)?,
                holds: Some(Holds::new(db).await?),
                template: Arc::new(Template::new()?),
            },
            stripe,
            ingress,
            worker: None,
            variables,
            admin: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            folder: folder.to_owned(),
            shutdown,
        };
        if servers.is_some() {
            product.start_worker()?;
        }
        product.note_processes();
        Ok(product)
    }

    /// Starts the worker again.
    pub fn start_worker(&mut self) -> anyhow::Result<()> {
        let log = self
            .folder
            .join(format!("worker-{}.log", self.target.address.port()));
        let mut variables = self.variables.clone();
        variables.insert("ADMIN_ADDR", self.admin.to_string());
        let worker = Supervised::start(binary("worker")?, &["run"], &variables, log)?;
        self.worker = Some(worker);
        self.note_processes();
        Ok(())
    }

    /// Starts ingress anew, and waits until it answers.
    pub async fn restart_ingress(&mut self) -> anyhow::Result<()> {
        self.ingress.terminate(false).await?;
        wait_for(self.target.address).await?;
        self.note_processes();
        Ok(())
    }

    /// Stops ingress and worker.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.stop_worker().await?;
        self.ingress.terminate(true).await?;
        Ok(())
    }

    /// Stops the worker as an operator does. Ingress goes on.
    pub async fn stop_worker(&mut self) -> anyhow::Result<()> {
        if let Some(worker) = self.worker.take() {
            worker.terminate(true).await?;
        }
        self.note_processes();
        Ok(())
    }

    fn note_processes(&mut self) {
        let worker = self.worker.as_ref().and_then(|it| it.pid());
        self.target.processes = [("ingress", self.ingress.pid()), ("worker", worker)]
            .into_iter()
            .filter_map(|(name, pid)| Some((name, pid?)))
            .collect();
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Waits until the service at `address` accepts a connection.
pub async fn wait_for(address: SocketAddr) -> anyhow::Result<()> {
    let answered = async {
        while Connection::open(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await?;
    // A service that listens may still be connecting to its broker and database.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}
