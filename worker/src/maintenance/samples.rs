//! How the queues were lately, as a worker has seen them: what the console draws.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A quarter of an hour.
const MOST: usize = 180;

/// The latest samples, the oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Samples(Arc<Mutex<VecDeque<Sample>>>);

/// How all queues were at one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Sample {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Each of them.
    pub queues: Vec<QueueSample>,
}

/// How a queue was.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueSample {
    /// As metrics call it.
    pub queue: &'static str,
    /// Messages that wait.
    pub ready: u64,
    /// Messages that this worker has and has not answered.
    pub unacked: u64,
    /// Age of the oldest message that has not failed yet, as far as this worker sees.
    pub oldest_ms: u64,
    /// Messages that this worker is done with since it began.
    pub answered: u64,
}

impl Samples {
    pub(super) fn add(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= MOST {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// All of them.
    pub fn all(&self) -> Vec<Sample> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().cloned().collect()
    }
}
