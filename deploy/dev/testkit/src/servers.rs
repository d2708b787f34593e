//! Private PostgreSQL and RabbitMQ, by way of `deploy/services`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

/// Both servers, in a folder of their own.
#[derive(Debug)]
pub struct Servers {
    folder: PathBuf,
    /// `postgres://…/postgres`
    pub postgres_url: String,
    /// `amqp://…`
    pub amqp_url: String,
}

impl Servers {
    /// Starts both.
    ///
    /// # Errors
    ///
    /// One of them is not installed or does not start.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            postgres_url: services(&["start-postgres"], &folder.join("postgres"), &[])?,
            amqp_url: services(&["start-rabbitmq"], &folder.join("rabbitmq"), &[])?,
            folder: folder.to_owned(),
        })
    }

    fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    fn rabbitmq(&self) -> PathBuf {
        self.folder.join("rabbitmq")
    }

    /// SIGKILL, in the middle of whatever it does.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill_postgres(&self) -> anyhow::Result<()> {
        signal("KILL", &services(&["pid-postgres"], &self.postgres(), &[])?)
    }

    /// Starts it again. What the dead server held takes a moment to be free.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn revive_postgres(&self) -> anyhow::Result<()> {
        revive("start-postgres", &self.postgres()).await
    }

    /// SIGKILL, in the middle of whatever it does.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill_rabbitmq(&self) -> anyhow::Result<()> {
        self.signal_rabbitmq("KILL")
    }

    /// Starts it again.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn revive_rabbitmq(&self) -> anyhow::Result<()> {
        revive("start-rabbitmq", &self.rabbitmq()).await
    }

    /// Any signal, such as STOP and CONT.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn signal_rabbitmq(&self, name: &str) -> anyhow::Result<()> {
        signal(name, &services(&["pid-rabbitmq"], &self.rabbitmq(), &[])?)
    }

    /// Lets the broker believe that it has no memory left, or enough again.
    ///
    /// # Errors
    ///
    /// The broker does not take it.
    pub fn set_memory_alarm(&self, on: bool) -> anyhow::Result<()> {
        let watermark = if on { "0" } else { "0.4" };
        let arguments = ["set_vm_memory_high_watermark", watermark];
        services(&["rabbitmqctl"], &self.rabbitmq(), &arguments)?;
        Ok(())
    }

    /// Runs `sql` in `database`.
    ///
    /// # Errors
    ///
    /// The first statement that fails.
    pub fn psql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let arguments = ["-d", database, "-Atq", "-v", "ON_ERROR_STOP=1", "-c", sql];
        services(&["psql"], &self.postgres(), &arguments)
    }

    /// What PostgreSQL has logged.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn postgres_log(&self) -> anyhow::Result<String> {
        let log = self.postgres().join("data/server.log");
        Ok(std::fs::read_to_string(log)?)
    }

    /// Runs PostgreSQL's own benchmark, and returns what it says.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn pgbench(&self, arguments: &[&str]) -> anyhow::Result<String> {
        services(&["pgbench"], &self.postgres(), arguments)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for folder in [self.postgres(), self.rabbitmq()] {
            if let Err(error) = services(&["stop"], &folder, &[]) {
                tracing::warn!(%error, "A server is left running");
            }
        }
    }
}

async fn revive(command: &str, folder: &Path) -> anyhow::Result<()> {
    let mut last = None;
    for _ in 0..20 {
        match services(&[command], folder, &[]) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(last.context("never tried")?)
}

fn services(command: &[&str], folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../services");
    let output = Command::new(script)
        .args(command)
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("deploy/services")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "deploy/services {command:?}: {complaint}"
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, pid: &str) -> anyhow::Result<()> {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(pid).stderr(Stdio::null());
    ensure!(kill.status()?.success(), "cannot signal process {pid}");
    Ok(())
}
