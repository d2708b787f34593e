//! One process of a service, and the signals it gets.

use std::{
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// How soon an end is noticed.
const LOOK: Duration = Duration::from_millis(20);
/// From SIGTERM to the end: longer than the grace period of any service.
const PATIENCE: Duration = Duration::from_mins(1);
/// The signals that a process catches, in Linux's `/proc`, and SIGTERM among them.
const CAUGHT: &str = "SigCgt:";
const SIGTERM: u64 = 1 << 14;

/// A process that is killed when this is dropped.
pub struct Process(Child);

impl Process {
    /// Starts it, without input.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        let program = || command.get_program().display().to_string();
        Ok(Self(child.with_context(program)?))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// SIGKILL.
    ///
    /// # Errors
    ///
    /// It cannot be killed, as it has ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        ensure!(self.is_running(), "it has ended already");
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Waits until SIGTERM would reach the process instead of ending it, or it has ended.
    ///
    /// # Errors
    ///
    /// It catches no signals for too long.
    pub async fn wait_until_it_hears_signals(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.is_running() && !self.hears_signals()? {
            ensure!(start.elapsed() < PATIENCE, "it hears no signals");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn hears_signals(&self) -> anyhow::Result<bool> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let caught = status.lines().find_map(|line| line.strip_prefix(CAUGHT));
        // One that ended this moment catches none.
        let caught = u64::from_str_radix(caught.unwrap_or("0").trim(), 16)?;
        Ok(caught & SIGTERM != 0)
    }

    /// SIGTERM, as soon as the process hears it, and how it ended.
    ///
    /// # Errors
    ///
    /// It ignores the signal.
    pub async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.wait_until_it_hears_signals().await?;
        if self.is_running() {
            signal("TERM", self.pid())?;
        }
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < PATIENCE, "it ignores SIGTERM");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}"))
        .arg(pid.to_string())
        .stderr(Stdio::null());
    ensure!(kill.status()?.success(), "cannot signal process {pid}");
    Ok(())
}

/// A service's binary: beside the running one, or beside the folder of a test's.
///
/// # Errors
///
/// It was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name(name);
    let above = beside
        .parent()
        .and_then(|folder| folder.parent())
        .map(|folder| folder.join(name));
    let found = [Some(beside), above].into_iter().flatten();
    let mut found = found.filter(|path| path.is_file());
    found.next().with_context(|| {
        format!("{name} is not built; cargo build --workspace, or a script in deploy, does it")
    })
}

/// A port of loopback for a process that is about to start. None of those from 32768 on: the kernel
/// gives them to sockets that ask for no port in particular, perhaps before the process listens.
///
/// # Errors
///
/// There is none.
pub fn free_port() -> anyhow::Result<u16> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        // Other processes that use this begin elsewhere.
        let begin = std::process::id();
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST.saturating_add(begin.wrapping_add(step) % COUNT))?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free")
}
