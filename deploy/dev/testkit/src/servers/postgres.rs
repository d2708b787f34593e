//! A private PostgreSQL.

use std::path::PathBuf;

use super::{Starting, services, start_again, stop};
use crate::process::signal;

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

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
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
