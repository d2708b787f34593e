//! What one would write instead: services in Node, measured the same way on the same servers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, ensure};
use rig::{Servers, Supervised, create_database, free_port};
use sea_orm::{ConnectOptions, Database};
use shared::config::Env;

use crate::{
    event::{SECRET, Template},
    product::wait_for,
    rows::Rows,
    target::Target,
};

/// A peer as it lies in a folder of sources.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    folder: &'static str,
    /// Name in the report, file.
    processes: &'static [(&'static str, &'static str)],
}

/// Writes in the request.
pub const DIRECT: Peer = Peer {
    name: "node-direct",
    folder: "node-direct",
    processes: &[("server", "server.js")],
};
/// Publishes in the request, to a quorum queue; a worker writes.
pub const QUEUE: Peer = Peer {
    name: "node-queue",
    folder: "node-queue",
    processes: &[("ingress", "ingress.js"), ("worker", "worker.js")],
};

/// A peer that runs.
pub struct Running {
    pub target: Target,
    /// Keeps them running.
    processes: Vec<Arc<Supervised>>,
}

impl Peer {
    /// Whether it goes on taking webhooks while its worker does not run.
    pub fn has_queue(self) -> bool {
        self.processes.len() > 1
    }

    /// Installs what it needs and starts it on a database of its own.
    ///
    /// - `sources`: a folder with `peers/…` and `schema.sql`.
    /// - `with_worker`: whether all of it runs, or only what takes webhooks.
    pub async fn start(
        self,
        servers: &Servers,
        sources: &Path,
        folder: &Path,
        with_worker: bool,
    ) -> anyhow::Result<Running> {
        let installed = self.install(sources, folder)?;
        let database_url = create_database(servers, self.folder).await?;
        let (_, database) = database_url.rsplit_once('/').context("a URL with a path")?;
        servers.psql(
            database,
            &std::fs::read_to_string(sources.join("schema.sql"))?,
        )?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        // Where node is.
        let path = Env::from_process()
            .get("PATH")
            .unwrap_or_default()
            .to_owned();
        let variables = BTreeMap::from(
            [
                ("DATABASE_URL", database_url.clone()),
                ("AMQP_URL", servers.amqp_url.clone()),
                ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
                ("NODE_ENV", "production".to_owned()),
                ("PORT", address.port().to_string()),
                (
                    "QUEUE",
                    format!("benchmark.{}.{}", self.folder, address.port()),
                ),
                ("QUEUE_TYPE", "quorum".to_owned()),
                ("PATH", path),
            ]
            .map(|(variable, value)| (variable.to_owned(), value)),
        );
        let wanted = if with_worker { self.processes.len() } else { 1 };
        let mut processes = Vec::new();
        let mut pids = BTreeMap::new();
        for (name, file) in self.processes.iter().take(wanted) {
            let script = installed.join(file);
            let script = script.to_str().context("a path in UTF-8")?;
            let log = folder.join(format!("{}-{name}.log", self.folder));
            let process = Supervised::start("node".into(), &[script], &variables, log)?;
            pids.extend(process.pid().map(|pid| (*name, pid)));
            processes.push(process);
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
                }),
                processes: pids,
                holds: None,
                template: Arc::new(Template::new()?),
            },
            processes,
        })
    }

    fn install(self, sources: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
        let installed = folder.join(self.folder);
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
    /// Ends it.
    pub async fn stop(self) -> anyhow::Result<()> {
        for process in self.processes {
            process.terminate(true).await?;
        }
        Ok(())
    }
}
