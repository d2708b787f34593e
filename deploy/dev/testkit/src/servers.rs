//! Private PostgreSQL and RabbitMQ, by way of `deploy/services`.

mod broker;
mod postgres;

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, ensure};

pub use self::{broker::Broker, postgres::Postgres};
use crate::lock::lock;

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
