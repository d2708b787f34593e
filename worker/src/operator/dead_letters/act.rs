//! Replaying and discarding: one letter or many.

use anyhow::ensure;
use sea_orm::DatabaseConnection;
use serde::Serialize;
use shared::{clock, db::dead_letter, queue::Publisher};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::operator::{
    dead_letters::{Filter, Statement, discard, list, replay},
    words::NotFound,
};

/// What is done with letters.
#[derive(Clone)]
pub enum Action {
    /// Put on the queue again.
    Replay(Publisher),
    /// Left alone for good.
    Discard,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct Acted {
    /// Only looked at: nothing is changed.
    pub dry_run: bool,
    /// Their ids.
    pub letters: Vec<Uuid>,
    /// So many of them failed, and are still open.
    pub failed: usize,
}

/// The letters that are open and that `filter` means.
pub async fn chosen(
    db: &DatabaseConnection,
    filter: &Filter,
    all: bool,
) -> anyhow::Result<Vec<dead_letter::Model>> {
    ensure!(
        all || !filter.is_unrestricted(),
        "say which: ids, --reason, --kind, --since or --all"
    );
    let letters = list(db, filter).await?;
    let missing = filter
        .ids
        .iter()
        .find(|id| letters.iter().all(|letter| letter.id != **id));
    if let Some(id) = missing {
        let problem = format!("{id} is not open, or not what the other filters say");
        return Err(NotFound(problem).into());
    }
    Ok(letters)
}

/// Does `action` with each of `letters`. One that fails stays open, and the others go on.
///
/// - `progress`: told how many are done, before each.
pub async fn act(
    db: &DatabaseConnection,
    letters: &[dead_letter::Model],
    action: &Action,
    statement: &Statement,
    mut progress: impl FnMut(usize),
) -> Acted {
    let mut failed: usize = 0;
    for (index, letter) in letters.iter().enumerate() {
        progress(index);
        let now = clock::system();
        let done = match action {
            Action::Replay(publisher) => replay(db, publisher, letter, statement, now).await,
            Action::Discard => discard(db, letter, statement, now).await,
        };
        if let Err(error) = done {
            tracing::error!(error = error.chain(), letter = %letter.id, "Failed");
            failed = failed.saturating_add(1);
        }
    }
    Acted {
        dry_run: false,
        letters: ids(letters),
        failed,
    }
}

/// What `act` would do.
pub fn preview(letters: &[dead_letter::Model]) -> Acted {
    Acted {
        dry_run: true,
        letters: ids(letters),
        failed: 0,
    }
}

fn ids(letters: &[dead_letter::Model]) -> Vec<Uuid> {
    letters.iter().map(|letter| letter.id).collect()
}

impl Action {
    /// As the command line calls it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Discard => "discard",
        }
    }

    /// What `acted` came to, in a line.
    pub fn said(&self, acted: &Acted) -> String {
        let done = acted.letters.len().saturating_sub(acted.failed);
        let verb = match (acted.dry_run, self) {
            (true, Self::Replay(_)) => "would be replayed",
            (true, Self::Discard) => "would be discarded",
            (false, Self::Replay(_)) => "replayed",
            (false, Self::Discard) => "discarded",
        };
        match acted.failed {
            0 => format!("{done} {verb}"),
            failed => format!("{done} {verb}, {failed} failed and are still open: try again"),
        }
    }
}
