//! Private PostgreSQL and RabbitMQ, by way of `deploy/services`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::{lock::lock, process::signal};

/// Both servers.
#[derive(Debug)]
pub struct Servers {
    /// The database server.
    pub postgres: Postgres,
    /// The message broker.
    pub broker: Broker,
}

impl Servers {
    /// Starts both, in folders of their own below `folder`.
    ///
    /// # Errors
    ///
    /// One of them is not installed or does not start.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            postgres: Postgres::start(folder.join("postgres"))?,
            broker: Broker::start(folder.join("rabbitmq"))?,
        })
    }

    /// Their process ids, by name.
    ///
    /// # Errors
    ///
    /// One of them does not run.
    pub fn pids(&self) -> anyhow::Result<BTreeMap<&'static str, u32>> {
        Ok(BTreeMap::from([
            ("PostgreSQL", self.postgres.pid()?),
            ("RabbitMQ", self.broker.pid()?),
        ]))
    }
}

/// A PostgreSQL of our own. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    /// `postgres://…/postgres`
    pub url: String,
    folder: PathBuf,
    starting: Starting,
}

impl Postgres {
    /// Starts it, with its data in `folder`.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub fn start(folder: PathBuf) -> anyhow::Result<Self> {
        let url = services("start-postgres", &folder, &[])?;
        Ok(Self {
            url,
            folder,
            starting: Starting::default(),
        })
    }

    /// Makes the roles of our programs.
    ///
    /// # Errors
    ///
    /// It refuses.
    pub fn make_roles(&self) -> anyhow::Result<()> {
        services("make-roles", &self.folder, &[])?;
        Ok(())
    }

    /// SIGKILL, in the middle of whatever it does.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill(&self) -> anyhow::Result<()> {
        signal("KILL", self.pid()?)
    }

    fn pid(&self) -> anyhow::Result<u32> {
        let pid = services("pid-postgres", &self.folder, &[])?;
        Ok(pid.parse()?)
    }

    /// Starts it again. What the dead server held takes a moment to be free.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        start_again("start-postgres", &self.folder, &self.starting).await
    }

    /// Runs `sql` in `database`.
    ///
    /// # Errors
    ///
    /// The first statement that fails.
    pub fn psql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let arguments = ["-d", database, "-Atq", "-v", "ON_ERROR_STOP=1", "-c", sql];
        services("psql", &self.folder, &arguments)
    }

    /// What PostgreSQL has logged.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        let log = self.folder.join("data/server.log");
        Ok(std::fs::read_to_string(log)?)
    }

    /// Runs PostgreSQL's own benchmark, and returns what it says.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn pgbench(&self, arguments: &[&str]) -> anyhow::Result<String> {
        services("pgbench", &self.folder, arguments)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        stop(&self.folder, &self.starting);
    }
}

/// A RabbitMQ of our own. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Broker {
    /// `amqp://…`
    pub url: String,
    folder: PathBuf,
    starting: Starting,
    /// Removed after the broker was stopped.
    _own_folder: Option<TempDir>,
}

impl Broker {
    /// Starts one that leaves nothing behind.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub fn private() -> anyhow::Result<Self> {
        let folder = crate::folder("broker")?;
        Self::start_in(folder.path().to_owned(), Some(folder))
    }

    /// Starts it, with its data in `folder`.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub fn start(folder: PathBuf) -> anyhow::Result<Self> {
        Self::start_in(folder, None)
    }

    fn start_in(folder: PathBuf, own_folder: Option<TempDir>) -> anyhow::Result<Self> {
        let url = services("start-rabbitmq", &folder, &[])?;
        Ok(Self {
            url,
            folder,
            starting: Starting::default(),
            _own_folder: own_folder,
        })
    }

    /// SIGKILL, in the middle of whatever it does.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.signal("KILL")
    }

    /// Starts it again. What the dead server held takes a moment to be free.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        start_again("start-rabbitmq", &self.folder, &self.starting).await
    }

    /// Any signal, such as STOP and CONT.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(name, self.pid()?)
    }

    fn pid(&self) -> anyhow::Result<u32> {
        let pid = services("pid-rabbitmq", &self.folder, &[])?;
        Ok(pid.parse()?)
    }

    /// Lets the broker believe that it has no memory left, or enough again.
    ///
    /// # Errors
    ///
    /// The broker does not take it.
    pub fn set_memory_alarm(&self, on: bool) -> anyhow::Result<()> {
        let watermark = if on { "0" } else { "0.4" };
        let arguments = ["set_vm_memory_high_watermark", watermark];
        services("rabbitmqctl", &self.folder, &arguments)?;
        Ok(())
    }

    /// Makes the users of our programs, for queues whose `QUEUE_PREFIX` is one of `prefixes`, which are patterns.
    ///
    /// # Errors
    ///
    /// The broker does not take it.
    pub fn make_users(&self, prefixes: &[&str]) -> anyhow::Result<()> {
        services("make-users", &self.folder, prefixes)?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        stop(&self.folder, &self.starting);
    }
}

/// Held while a server starts. The script goes on when its caller is cancelled, and what it starts
/// has to be stopped all the same.
type Starting = Arc<Mutex<()>>;

#[expect(
    clippy::print_stderr,
    reason = "tests have no log, and a server that is left shall be seen"
)]
fn stop(folder: &Path, starting: &Starting) {
    let _none_starts = lock(starting);
    if let Err(error) = services("stop", folder, &[]) {
        eprintln!("A server is left running: {error:#}");
    }
}

async fn start_again(
    command: &'static str,
    folder: &Path,
    starting: &Starting,
) -> anyhow::Result<()> {
    let mut last = None;
    for _ in 0..20 {
        let (folder, starting) = (folder.to_owned(), starting.clone());
        let started = tokio::task::spawn_blocking(move || {
            let _starts = lock(&starting);
            services(command, &folder, &[])
        });
        match started.await? {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(last.context("never tried")?)
}

fn services(command: &str, folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../services");
    let output = Command::new(script)
        .arg(command)
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("deploy/services")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "deploy/services {command}: {complaint}"
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
