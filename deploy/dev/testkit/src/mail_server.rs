//! A mail server of a test's own: a process of another maker, which keeps what it is given.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use serde_json::Value;
use shared::config::Env;
use tempfile::TempDir;

const SERVER: &str = include_str!("smtp_server.py");
const READER: &str = include_str!("read_mails.py");

/// The server, which is killed when this is dropped.
pub struct MailServer {
    /// For `SMTP_URL`.
    pub url: String,
    folder: TempDir,
    python: PathBuf,
    process: Child,
}

impl MailServer {
    /// Takes every mail.
    ///
    /// # Errors
    ///
    /// `TEST_PYTHON` is not set, or lacks the package.
    pub fn start() -> anyhow::Result<Self> {
        let env = Env::from_process();
        let python = env.required("TEST_PYTHON", "a Python with the packages of deploy/test")?;
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("mode"), "take")?;
        std::fs::write(folder.path().join("received"), "")?;
        let mut process = Command::new(python)
            .args(["-c", SERVER])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        let out = process.stdout.take().context("its output")?;
        BufReader::new(out).read_line(&mut port)?;
        let port: u16 = port.trim().parse().context("the mail server's port")?;
        Ok(Self {
            url: format!("smtp://127.0.0.1:{port}"),
            folder,
            python: python.into(),
            process,
        })
    }

    /// From now on it does so: `take`, `busy`, `unknown` or `late`.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub fn behave(&self, mode: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.folder.path().join("mode"), mode)?)
    }

    /// How many mails it has.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn count(&self) -> anyhow::Result<usize> {
        Ok(self.received()?.lines().count())
    }

    /// `Message-ID` of all it has, as far as the host.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn message_ids(&self) -> anyhow::Result<HashSet<String>> {
        let received = self.received()?;
        let ids = received.lines().filter_map(|line| {
            let (_, id) = line.split_once("Message-ID: <")?;
            let (id, _host) = id.split_once('@')?;
            Some(id.to_owned())
        });
        Ok(ids.collect())
    }

    fn received(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(
            self.folder.path().join("received"),
        )?)
    }

    /// All it has, as a parser of others reads them.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn mails(&self) -> anyhow::Result<Vec<Value>> {
        let mut reader = Command::new(&self.python)
            .args(["-c", READER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = reader.stdin.take().context("its input")?;
        input.write_all(self.received()?.as_bytes())?;
        drop(input);
        let output = reader.wait_with_output()?;
        ensure!(output.status.success(), "a mail cannot be read");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
