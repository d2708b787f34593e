//! Circuit breaker for publisher confirms: after a timeout, publishes fail at once except one probe
//! a second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// While the broker does not confirm, one message in this time finds out whether it does again.
const TRIAL_INTERVAL: Duration = Duration::from_secs(1);

/// Whether confirms come. While they do not, callers do not each wait for their own.
#[derive(Default)]
pub struct ConfirmBreaker {
    /// When the last message was let pass, while no confirm comes.
    last_trial: Mutex<Option<Instant>>,
}

impl ConfirmBreaker {
    /// Whether a message may be published now.
    pub fn lets_pass(&self) -> bool {
        let mut last_trial = self
            .last_trial
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *last_trial {
            Some(at) if at.elapsed() < TRIAL_INTERVAL => false,
            Some(at) => {
                *at = Instant::now();
                true
            }
            None => true,
        }
    }

    /// Notes what came of a message: whether it waited in vain.
    pub fn note(&self, timed_out: bool) {
        let mut last_trial = self
            .last_trial
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last_trial = timed_out.then(|| last_trial.unwrap_or_else(Instant::now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_lost_confirm_only_a_trial_passes_until_one_comes() {
        let stall = ConfirmBreaker::default();
        assert!(stall.lets_pass());

        stall.note(true);

        assert!(!stall.lets_pass());
        stall.note(false);
        assert!(stall.lets_pass() && stall.lets_pass());
    }
}
