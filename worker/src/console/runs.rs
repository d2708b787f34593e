//! What takes longer than a request: run by this worker, and looked at meanwhile.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{console::problem::AdminError, job_error::JobError};

/// Of which is told.
const MOST: usize = 20;
/// For one; a shop that is larger has the command.
const LIMIT: Duration = Duration::from_hours(1);

/// Those of this worker, the latest first. They end with it.
#[derive(Clone, Default)]
pub struct Runs(Arc<Mutex<VecDeque<Run>>>);

/// A comparison of Stripe's books with ours that was started here.
#[derive(Clone, Serialize, ToSchema)]
pub struct Run {
    id: Uuid,
    kind: Kind,
    /// The command that does the same.
    command: String,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// What was looked at so far.
    progress: String,
    /// Null while it runs.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    outcome: Option<Outcome>,
    /// What the command would say.
    text: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Reconcile,
    Audit,
}

/// What a run came to.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is missing, and nothing differs.
    Clean,
    /// Something is missing, or differs.
    Found,
    /// It did not come to its end.
    Failed,
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Run> {
        self.lock().iter().cloned().collect()
    }

    /// Starts `work`, unless one of its kind runs.
    pub fn start<F>(
        &self,
        kind: Kind,
        command: String,
        now: OffsetDateTime,
        work: impl FnOnce(Progress) -> F,
    ) -> Result<Run, AdminError>
    where
        F: Future<Output = Result<(Outcome, String), JobError>> + Send + 'static,
    {
        let run = Run {
            id: Uuid::now_v7(),
            kind,
            command,
            started_at: now,
            progress: String::new(),
            ended_at: None,
            outcome: None,
            text: None,
        };
        let mut runs = self.lock();
        if runs
            .iter()
            .any(|it| it.kind == kind && it.ended_at.is_none())
        {
            return Err(AdminError::Busy);
        }
        runs.push_front(run.clone());
        while runs.len() > MOST
            && let Some(oldest) = runs.iter().rposition(|it| it.ended_at.is_some())
        {
            runs.remove(oldest);
        }
        drop(runs);
        let progress = Progress {
            runs: self.clone(),
            id: run.id,
        };
        let work = tokio::time::timeout(LIMIT, work(progress.clone()));
        tokio::spawn(async move {
            let done = work.await.unwrap_or_else(|elapsed| Err(elapsed.into()));
            let (outcome, text) = done.unwrap_or_else(|error| {
                tracing::warn!(error = error.chain(), "A run of the console failed");
                let text = format!("{}: {}", error.code().as_str(), error.code().advice());
                (Outcome::Failed, text)
            });
            progress.update(|run| {
                run.ended_at = Some(shared::clock::system());
                run.outcome = Some(outcome);
                run.text = Some(text);
            });
        });
        Ok(run)
    }
}

/// Where a run tells how far it has come.
#[derive(Clone)]
pub struct Progress {
    runs: Runs,
    id: Uuid,
}

impl Progress {
    fn update(&self, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.runs.lock().iter_mut().find(|it| it.id == self.id) {
            change(run);
        }
    }

    pub fn say(&self, text: String) {
        self.update(|run| run.progress = text);
    }
}
