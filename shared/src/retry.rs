//! Short retries within one attempt: a few tries, milliseconds apart, for what passes by
//! itself. Longer waits belong to the queue.
//!
//! The only file that knows the `backoff` crate.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// How often and how patiently one operation is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Tries in all, the first included.
    pub tries: u32,
    /// Wait after the first failure; it doubles from there, with ±50 % jitter.
    pub first_delay: Duration,
}

/// Runs `attempt` until it succeeds, fails with an error that `is_transient` denies, or has
/// used up its tries. Returns the last outcome.
///
/// # Errors
///
/// The error of the last try.
pub async fn retry<T, E, F>(
    patience: Patience,
    is_transient: impl Fn(&E) -> bool,
    attempt: impl Fn() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut delays = delays(patience.first_delay);
    let mut tries_left = patience.tries;
    loop {
        tries_left = tries_left.saturating_sub(1);
        match attempt().await {
            Err(error) if tries_left > 0 && is_transient(&error) => {
                tokio::time::sleep(delays.next_backoff().unwrap_or_default()).await;
            }
            outcome => return outcome,
        }
    }
}

/// Endless delays that grow from `first`, for something that is tried until it works.
pub fn endless(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    let mut delays = delays(first);
    delays.max_interval = longest;
    std::iter::from_fn(move || delays.next_backoff())
}

/// `base` plus up to 20 %, so that what failed together does not come back together.
pub fn spread(base: Duration) -> Duration {
    base.mul_f64(rand::random_range(1.0..1.2))
}

fn delays(first: Duration) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_multiplier(2.0)
        .with_randomization_factor(0.5)
        // The number of tries is the bound; by default backoff gives up after 15 minutes.
        .with_max_elapsed_time(None)
        .build()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const QUICK: Patience = Patience {
        tries: 3,
        first_delay: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn a_transient_failure_is_tried_again_until_it_passes() {
        let tries = Cell::new(0);

        let outcome = retry(
            QUICK,
            |_: &&str| true,
            || async {
                tries.set(tries.get() + 1);
                if tries.get() < 3 {
                    Err("not yet")
                } else {
                    Ok(tries.get())
                }
            },
        );

        assert_eq!(outcome.await, Ok(3));
    }

    #[tokio::test]
    async fn tries_are_bounded() {
        let tries = Cell::new(0);

        let outcome = retry(
            QUICK,
            |_: &&str| true,
            || async {
                tries.set(tries.get() + 1);
                Err::<(), _>("never")
            },
        );

        assert_eq!(outcome.await, Err("never"));
        assert_eq!(tries.get(), 3);
    }

    #[tokio::test]
    async fn a_lasting_failure_is_not_tried_again() {
        let tries = Cell::new(0);

        let outcome = retry(
            QUICK,
            |_: &&str| false,
            || async {
                tries.set(tries.get() + 1);
                Err::<(), _>("never")
            },
        );

        assert_eq!(outcome.await, Err("never"));
        assert_eq!(tries.get(), 1);
    }

    #[test]
    fn endless_delays_grow_to_their_limit() {
        let longest = Duration::from_secs(1);

        let delays: Vec<_> = endless(Duration::from_millis(100), longest)
            .take(50)
            .collect();

        assert_eq!(delays.len(), 50);
        assert!(delays[0] <= Duration::from_millis(150), "{delays:?}");
        // Jitter comes on top of the longest interval.
        assert!(
            delays.iter().all(|delay| *delay <= longest.mul_f64(1.5)),
            "{delays:?}"
        );
    }
}
