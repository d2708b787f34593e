//! How long, and how often, anything is measured.

use std::time::Duration;

/// Number and length of the measurements.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds, of which the median counts.
    pub rounds: usize,
    /// Length of one measurement.
    pub time: Duration,
}
