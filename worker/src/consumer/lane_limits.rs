use shared::queue::Lane;

/// How much of one lane a worker takes at once.
#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// Jobs that run at once.
    pub concurrency: u16,
    /// Events that share one transaction, at most.
    pub batch: u16,
}

impl LaneLimits {
    /// Only events are batched. Jobs that call Stripe are fetched one per free slot, so that idle
    /// workers can take the rest.
    pub(super) fn batch(self, lane: Lane) -> u16 {
        if lane == Lane::Events { self.batch } else { 1 }
    }

    /// - `together`: batches that may be worked on at once.
    pub(super) fn batches_at_once(self, lane: Lane, together: u16) -> u16 {
        if self.batch(lane) == 1 {
            self.concurrency
        } else {
            together
        }
    }

    /// Enough that the next batch is there when one is done.
    pub(super) fn prefetch(self, lane: Lane) -> u16 {
        let three = self.batch(lane).saturating_mul(3);
        three.max(self.concurrency)
    }
}
