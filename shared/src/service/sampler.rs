//! Which traces are sent, unless `OTEL_TRACES_SAMPLER` says so: all of a shop's usual day, and of a rush as
//! many as anyone looks at. It is asked before a span is made, so that one that is left out costs nothing.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::traceparent::Traceparent;

/// Traces that begin here in one second, at most.
const MOST_A_SECOND: u64 = 100;

/// Of this process, while it sends traces and nothing else says which.
static FIRST: OnceLock<FirstOfEachSecond> = OnceLock::new();

/// From now on this process samples.
pub(super) fn turn_on() {
    FIRST.get_or_init(FirstOfEachSecond::new);
}

/// Whether this process samples.
pub(super) fn is_on() -> bool {
    FIRST.get().is_some()
}

/// Whether a trace that begins here is sent, as far as this process says.
///
/// - `caller`: whose trace it is, if it began elsewhere. Anyone may ask with a trace of theirs, so it counts.
pub(super) fn should_sample(caller: Option<&Traceparent>) -> bool {
    FIRST.get().is_none_or(|first| first.takes_of(caller))
}

/// Takes the first of each second.
#[derive(Debug)]
struct FirstOfEachSecond {
    start: Instant,
    /// The second, and how many of it were taken, in the lower 32 bits.
    taken: AtomicU64,
}

impl FirstOfEachSecond {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            taken: AtomicU64::default(),
        }
    }

    fn takes_of(&self, caller: Option<&Traceparent>) -> bool {
        caller.is_none_or(Traceparent::is_sampled) && self.takes(self.start.elapsed().as_secs())
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

    #[test]
    fn a_callers_own_trace_counts_and_one_that_is_not_sampled_there_is_not_here() {
        let sampler = FirstOfEachSecond::new();
        let trace = |sampled| Traceparent::of(1, 1, sampled);
        let taken = |caller: Option<&Traceparent>| {
            let all = (0..1_000).filter(|_| sampler.takes_of(caller));
            all.count()
        };

        assert_eq!(taken(trace(false).as_ref()), 0);
        // A second may end meanwhile.
        assert!((100..=200).contains(&taken(trace(true).as_ref())));
    }
}
