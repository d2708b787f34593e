//! Which traces are sent, unless `OTEL_TRACES_SAMPLER` says so: all of a shop's usual day, and of a rush so
//! many that no buyer waits for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use opentelemetry::{
    Context, KeyValue, TraceId,
    trace::{Link, SpanKind, TraceState},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// Traces that begin here in one second, at most.
const MOST_A_SECOND: u64 = 100;

/// Takes the first of each second.
#[derive(Debug, Clone)]
pub struct FirstOfEachSecond {
    start: Instant,
    /// The second, and how many of it were taken, in the lower 32 bits.
    taken: Arc<AtomicU64>,
}

impl FirstOfEachSecond {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            taken: Arc::default(),
        }
    }

    fn takes(&self, second: u64) -> bool {
        let count = |taken: u64| {
            if taken >> 32 == second {
                taken.saturating_add(1)
            } else {
                (second << 32) | 1
            }
        };
        let before = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                Some(count(taken))
            });
        let now = before.map_or(0, count);
        now & u64::from(u32::MAX) <= MOST_A_SECOND
    }
}

impl ShouldSample for FirstOfEachSecond {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let decision = if self.takes(self.start.elapsed().as_secs()) {
            SamplingDecision::RecordAndSample
        } else {
            SamplingDecision::Drop
        };
        SamplingResult {
            decision,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_each_second_are_taken() {
        let sampler = FirstOfEachSecond::new();
        for second in [0, 1, 7] {
            let taken = (0..1_000).filter(|_| sampler.takes(second)).count();

            assert_eq!(taken, 100, "of second {second}");
        }
    }
}
