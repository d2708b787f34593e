//! Short retries within one attempt: a few tries, milliseconds apart, for what passes by
//! itself. Longer waits belong to the queue.
//!
//! The only file that knows the `backoff` crate.

use std::time::Duration;

use backoff::{ExponentialBackoffBuilder, backoff::Backoff};

/// Runs `attempt` until it succeeds, fails with an error that `is_transient` denies, or has
/// used up `pauses`, one before each try but the first. Returns the last outcome.
///
/// # Errors
///
/// The error of the last try.
pub async fn retry<T, E, F>(
    pauses: impl Iterator<Item = Duration>,
    is_transient: impl Fn(&E) -> bool,
    attempt: impl Fn() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for pause in pauses {
        match attempt().await {
            Err(error) if is_transient(&error) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Endless pauses that double from `first` up to `longest`, with ±50 % jitter.
pub fn endless(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    let mut pauses = ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_max_interval(longest)
        .with_multiplier(2.0)
        .with_randomization_factor(0.5)
        // By default backoff gives up after 15 minutes.
        .with_max_elapsed_time(None)
        .build();
    std::iter::from_fn(move || pauses.next_backoff())
}

/// `base` plus up to 20 %, so that what failed together does not come back together.
pub fn spread(base: Duration) -> Duration {
    base.mul_f64(rand::random_range(1.0..1.2))
}

/// `limit` less up to 40 %, so that what began together does not end together.
pub fn spread_down(limit: Duration) -> Duration {
    limit.mul_f64(rand::random_range(0.6..1.0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_transient_failure_is_tried_again_until_it_passes_or_the_tries_are_used_up() {
        for (succeeds_at, transient, expected, expected_tries) in [
            (3, true, Ok(3), 3),
            (4, true, Err("not yet"), 3),
            (2, false, Err("not yet"), 1),
        ] {
            let tries = Cell::new(0);
            let pauses = std::iter::repeat_n(Duration::from_millis(1), 2);

            let outcome = retry(
                pauses,
                |_: &&str| transient,
                || async {
                    tries.set(tries.get() + 1);
                    if tries.get() < succeeds_at {
                        Err("not yet")
                    } else {
                        Ok(tries.get())
                    }
                },
            );

            assert_eq!(outcome.await, expected);
            assert_eq!(tries.get(), expected_tries);
        }
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
