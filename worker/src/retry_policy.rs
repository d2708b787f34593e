//! When a failed job is tried again, and when it is given up.

use shared::queue::RetryTier::{self, OneHour, OneMinute, TenMinutes, TenSeconds};

/// Waits after the first failures. From then on every hour.
const FIRST: [RetryTier; 6] = [
    TenSeconds, TenSeconds, OneMinute, OneMinute, TenMinutes, TenMinutes,
];
/// Hours after that: about a day in all, longer than an outage goes unnoticed.
const HOURLY: usize = 20;

/// The wait after a failed attempt, or `None` if it was the last.
///
/// - `attempt`: failed attempts before this one; the header `bookonce-attempt`.
pub fn tier(attempt: i64) -> Option<RetryTier> {
    let attempt = usize::try_from(attempt).unwrap_or_default();
    let hourly = std::iter::repeat_n(OneHour, HOURLY);
    FIRST.into_iter().chain(hourly).nth(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_after_about_a_day() {
        let waits: Vec<_> = (0..).map_while(tier).collect();

        assert_eq!(waits[..3], [TenSeconds, TenSeconds, OneMinute]);
        assert!(
            waits
                .windows(2)
                .all(|pair| pair[0].delay() <= pair[1].delay())
        );
        let hours = waits.iter().map(|tier| tier.delay().as_secs()).sum::<u64>() / 3600;
        assert_eq!(hours, 20);
        assert_eq!(tier(-1), Some(TenSeconds));
        assert_eq!(tier(i64::MAX), None);
    }
}
