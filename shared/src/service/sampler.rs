//! Which traces are sent, unless `OTEL_TRACES_SAMPLER` says so: all of a shop's usual day, and of a rush as
//! many as anyone looks at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use opentelemetry::{
    Context, KeyValue, TraceId,
    trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceState},
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
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        kind: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|it| it.span().span_context().clone());
        let parent = parent.filter(SpanContext::is_valid);
        let is_chosen = match (parent.map(|it| it.is_sampled()), kind) {
            (Some(false), _) => false,
            // Anyone may ask with a trace of theirs.
            (None, _) | (Some(true), SpanKind::Server) => {
                self.takes(self.start.elapsed().as_secs())
            }
            (Some(true), _) => true,
        };
        let decision = if is_chosen {
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
    use opentelemetry::{SpanId, TraceFlags};

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
    fn a_callers_own_trace_counts_and_what_belongs_to_one_does_not() {
        let sampler = FirstOfEachSecond::new();
        let (trace, span) = (TraceId::from(1), SpanId::from(1));
        let caller = SpanContext::new(
            trace,
            span,
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let parent = Context::new().with_remote_span_context(caller);
        let chosen = |kind: SpanKind| {
            let sample = || sampler.should_sample(Some(&parent), trace, "", &kind, &[], &[]);
            (0..1_000)
                .filter(|_| sample().decision == SamplingDecision::RecordAndSample)
                .count()
        };

        // A second may end meanwhile.
        assert!(chosen(SpanKind::Server) <= 200);
        assert_eq!(chosen(SpanKind::Consumer), 1_000);
    }
}
