//! Peers: what a shop would write instead, in Node, measured the same way on the same servers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, ensure};
use sea_orm::{ConnectOptions, Database};
use shared::config::Env;
use testkit::{ENDPOINT_SECRET, Servers, Supervised, Variables, create_database, free_port};

use crate::{event::Template, product::wait_for, rows::Rows, target::Target};

/// A peer in a folder of sources.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    folder: &'static str,
    /// Processes: name in the report, file.
    processes: &'static [(&'static str, &'static str)],
}

/// Peer that writes in the request.
pub const DIRECT: Peer = Peer {
    name: "node-direct",
    folder: "node-direct",
    processes: &[("server", "server.js")],
};
/// Peer that publishes to a quorum queue in the request; its worker writes.
pub const QUEUE: Peer = Peer {
    name: "node-queue",
    folder: "node-queue",
    processes: &[("ingress", "ingress.js"), ("worker", "worker.js")],
};

/// A running peer.
pub struct Running {
    pub target: Target,
    services: Vec<Service>,
}

/// One process of a peer.
struct Service {
    script: String,
    variables: Variables,
    log: PathBuf,
    process: Option<Arc<Supervised>>,
}

impl Service {
    /// Starts the process. Returns its id.
    fn start(&mut self) -> anyhow::Result<Option<u32>> {
        let (script, log) = (self.script.as_str(), self.log.clone());
        let process = Supervised::start("node".into(), &[script], &self.variables, log)?;
        let pid = process.pid();
        self.process = Some(process);
        Ok(pid)
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(process) = self.process.take() {
            process.terminate(true).await?;
        }
        Ok(())
    }
}

impl Peer {
    /// Whether the peer takes webhooks while its worker is stopped.
    pub fn has_queue(self) -> bool {
        self.processes.len() > 1
    }

    /// Installs the peer's packages, the first time, and starts it on a database of its own.
    ///
    /// - `sources`: a folder with `peers/…` and `schema.sql`.
    pub async fn start(
        self,
        servers: &Servers,
        sources: &Path,
        folder: &Path,
    ) -> anyhow::Result<Running> {
        let installed = self.install(sources, folder)?;
        let database_url = create_database(&servers.postgres.url, self.folder).await?;
        let (_, database) = database_url.rsplit_once('/').context("a URL with a path")?;
        servers.postgres.psql(
            database,
            &std::fs::read_to_string(sources.join("schema.sql"))?,
        )?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        // To find `node`.
        let path = Env::from_process()
            .get("PATH")
            .unwrap_or_default()
            .to_owned();
        let variables = Variables::from([
            ("DATABASE_URL", database_url.clone()),
            ("AMQP_URL", servers.broker.url.clone()),
            ("STRIPE_WEBHOOK_SECRET", ENDPOINT_SECRET.to_owned()),
            ("NODE_ENV", "production".to_owned()),
            ("PORT", address.port().to_string()),
            (
                "QUEUE",
                format!("benchmark.{}.{}", self.folder, address.port()),
            ),
            ("QUEUE_TYPE", "quorum".to_owned()),
            ("PATH", path),
        ]);
        let mut services = Vec::new();
        let mut pids = BTreeMap::new();
        for (name, file) in self.processes {
            let script = installed.join(file);
            let mut service = Service {
                script: script.to_str().context("a path in UTF-8")?.to_owned(),
                variables: variables.clone(),
                log: folder.join(format!("{}-{name}.log", self.folder)),
                process: None,
            };
            pids.extend(service.start()?.map(|pid| (*name, pid)));
            services.push(service);
        }
        wait_for(address).await?;
        let mut options = ConnectOptions::new(&database_url);
        options.max_connections(16).sqlx_logging(false);
        Ok(Running {
            target: Target {
                name: self.name.to_owned(),
                address,
                rows: Arc::new(Rows {
                    db: Database::connect(options).await?,
                    count: "SELECT count(*) AS count FROM payments",
                    one: "SELECT 1 FROM payments WHERE stripe_session_id = $1",
                    left: None,
                }),
                processes: pids,
                servers: servers.pids()?,
                holds: None,
                template: Arc::new(Template::new()?),
            },
            services,
        })
    }

    fn install(self, sources: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
        let installed = folder.join(self.folder);
        if installed.exists() {
            return Ok(installed);
        }
        let source = sources.join("peers").join(self.folder);
        let copy = Command::new("cp")
            .arg("-r")
            .arg(&source)
            .arg(&installed)
            .status()?;
        ensure!(copy.success(), "cannot copy {}", source.display());
        let install = Command::new("npm")
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--silent",
                "--ignore-scripts",
            ])
            .current_dir(&installed)
            .status()
            .context("npm")?;
        ensure!(
            install.success(),
            "npm could not install what {} needs",
            self.name
        );
        Ok(installed)
    }
}

impl Running {
    /// Stops the worker, as an operator does; the process that takes webhooks goes on.
    pub async fn stop_worker(&mut self) -> anyhow::Result<()> {
        for worker in self.services.iter_mut().skip(1) {
            worker.stop().await?;
        }
        Ok(())
    }

    /// Starts the worker again.
    pub fn start_worker(&mut self) -> anyhow::Result<()> {
        for worker in self.services.iter_mut().skip(1) {
            worker.start()?;
        }
        Ok(())
    }

    /// Stops all processes.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            service.stop().await?;
        }
        Ok(())
    }
}
