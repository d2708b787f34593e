//! A service as an operator runs it: started again whenever it ends.

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{lock::lock, process::Process, shop::Variables};

/// How soon an end is noticed.
const LOOK: Duration = Duration::from_millis(20);

/// A service that is kept running.
pub struct Supervised {
    binary: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    variables: Mutex<Variables>,
    process: Mutex<Option<Process>>,
    wanted: AtomicBool,
    ends: AtomicUsize,
}

impl Supervised {
    /// Starts it.
    ///
    /// - `log`: what it says goes there.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(
        binary: PathBuf,
        arguments: &[&str],
        variables: &Variables,
        log: PathBuf,
    ) -> anyhow::Result<Arc<Self>> {
        let service = Arc::new(Self {
            binary,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            log,
            variables: Mutex::new(variables.clone()),
            process: Mutex::default(),
            wanted: AtomicBool::new(true),
            ends: AtomicUsize::new(0),
        });
        service.start_process()?;
        let watched = Arc::downgrade(&service);
        std::thread::spawn(move || {
            while let Some(service) = watched.upgrade() {
                service.look_after();
                drop(service);
                std::thread::sleep(LOOK);
            }
        });
        Ok(service)
    }

    fn start_process(&self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let process = Process::start(
            Command::new(&self.binary)
                .args(&self.arguments)
                .env_clear()
                .envs(lock(&self.variables).iter())
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        *lock(&self.process) = Some(process);
        Ok(())
    }

    fn look_after(&self) {
        let ended = lock(&self.process).take_if(|process| !process.is_running());
        if ended.is_some() {
            self.ends.fetch_add(1, Ordering::Relaxed);
        }
        let gone = lock(&self.process).is_none();
        if gone
            && self.wanted.load(Ordering::Relaxed)
            && let Err(error) = self.start_process()
        {
            tracing::error!(%error, "Cannot start it again");
        }
    }

    /// Its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.process).as_ref().map(Process::pid)
    }

    /// How often it ended.
    pub fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// Sets or removes a variable, from the next start on.
    pub fn set(&self, variable: &'static str, value: Option<&str>) {
        let mut variables = lock(&self.variables);
        match value {
            Some(value) => variables.insert(variable, value.to_owned()),
            None => variables.remove(variable),
        };
    }

    /// SIGKILL. Returns whether it ran.
    pub fn kill(&self) -> bool {
        let mut process = lock(&self.process);
        process.as_mut().is_some_and(|it| it.kill().is_ok())
    }

    /// SIGTERM, and how it ended; `None` if it had ended by itself this very moment. It is
    /// started again, unless `for_good`.
    ///
    /// # Errors
    ///
    /// It ignores the signal.
    pub async fn terminate(&self, for_good: bool) -> anyhow::Result<Option<ExitStatus>> {
        self.wanted.store(false, Ordering::Relaxed);
        let process = lock(&self.process).take();
        let status = match process {
            Some(process) => Some(process.terminate().await?),
            None => None,
        };
        self.wanted.store(!for_good, Ordering::Relaxed);
        Ok(status)
    }

    /// Starts one again that was terminated for good.
    pub fn want_again(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }
}
