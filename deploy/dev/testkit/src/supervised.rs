//! A service as an operator runs it: started again whenever it ends.

use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// How soon an end is noticed.
const LOOK: Duration = Duration::from_millis(20);
/// Longer than the grace period of any service.
const PATIENCE: Duration = Duration::from_secs(40);

/// A service that is kept running.
pub struct Supervised {
    binary: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    variables: Mutex<BTreeMap<String, String>>,
    child: Mutex<Option<Child>>,
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
        variables: &BTreeMap<String, String>,
        log: PathBuf,
    ) -> anyhow::Result<Arc<Self>> {
        let service = Arc::new(Self {
            binary,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            log,
            variables: Mutex::new(variables.clone()),
            child: Mutex::default(),
            wanted: AtomicBool::new(true),
            ends: AtomicUsize::new(0),
        });
        service.spawn()?;
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

    fn spawn(&self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.binary)
            .args(&self.arguments)
            .env_clear()
            .envs(lock(&self.variables).iter())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| self.binary.display().to_string())?;
        *lock(&self.child) = Some(child);
        Ok(())
    }

    fn look_after(&self) {
        let ended = {
            let mut child = lock(&self.child);
            let ended = child
                .as_mut()
                .is_some_and(|it| !matches!(it.try_wait(), Ok(None)));
            if ended {
                *child = None;
            }
            ended
        };
        if ended {
            self.ends.fetch_add(1, Ordering::Relaxed);
        }
        let gone = lock(&self.child).is_none();
        if gone
            && self.wanted.load(Ordering::Relaxed)
            && let Err(error) = self.spawn()
        {
            tracing::error!(%error, "Cannot start it again");
        }
    }

    /// Its process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        lock(&self.child).as_ref().map(Child::id)
    }

    /// How often it ended.
    #[must_use]
    pub fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// Sets or removes a variable, from the next start on.
    pub fn set(&self, variable: &str, value: Option<&str>) {
        let mut variables = lock(&self.variables);
        match value {
            Some(value) => variables.insert(variable.to_owned(), value.to_owned()),
            None => variables.remove(variable),
        };
    }

    /// SIGKILL. Returns whether there was somebody to kill.
    pub fn kill(&self) -> bool {
        match &mut *lock(&self.child) {
            Some(child) => matches!(child.try_wait(), Ok(None)) && child.kill().is_ok(),
            None => false,
        }
    }

    /// SIGTERM, and how it ended; `None` if it had ended by itself this very moment. It is
    /// started again, unless `for_good`.
    ///
    /// # Errors
    ///
    /// It ignores the signal.
    pub async fn terminate(&self, for_good: bool) -> anyhow::Result<Option<ExitStatus>> {
        self.wanted.store(false, Ordering::Relaxed);
        let child = lock(&self.child).take();
        let Some(mut child) = child else {
            self.wanted.store(!for_good, Ordering::Relaxed);
            return Ok(None);
        };
        crate::servers::signal("TERM", &child.id().to_string())?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                child.kill()?;
            }
            tokio::time::sleep(LOOK).await;
        };
        ensure!(start.elapsed() < PATIENCE, "it ignored SIGTERM");
        self.wanted.store(!for_good, Ordering::Relaxed);
        Ok(Some(status))
    }

    /// Starts one again that was terminated for good.
    pub fn want_again(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.kill();
        if let Some(child) = &mut *lock(&self.child) {
            child.wait().ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
