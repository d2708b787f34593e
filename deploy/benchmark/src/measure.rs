//! What is measured, each in a file of its own.

mod backlog;
mod confirm;
mod create_session;
mod growth;
mod soak;
mod steady;
mod throughput;
mod waiting;

use std::time::Duration;

pub use backlog::{Backlog, backlog};
pub use confirm::{Confirm, confirm};
pub use create_session::{CreateSession, create_session};
pub use growth::growth;
pub use soak::soak;
pub use steady::{Steady, steady};
pub use throughput::{Spike, Throughput, spike, throughput, warm_up};
pub use waiting::{Waiting, waiting};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Runs, of which the median counts.
    pub runs: usize,
    /// Of one run.
    pub time: Duration,
}

/// Connections of a run that goes as fast as answers come.
pub const CONNECTIONS: usize = 32;
/// More than any target takes; holds are made for so many.
const MOST_PER_SECOND: u32 = 12_000;

impl Effort {
    /// Buyers that one run can meet.
    fn buyers(self) -> anyhow::Result<u32> {
        let seconds = u32::try_from(self.time.as_secs().max(1))?;
        Ok(seconds.saturating_mul(MOST_PER_SECOND))
    }
}
