//! A private RabbitMQ.

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Starting, services, start_again, stop};
use crate::process::signal;

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

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
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
