//! The only place that asks the operating system for the time.
//!
//! Everything else takes `now` as a parameter or a [`Clock`], so that a test chooses it.

use time::OffsetDateTime;

/// Where a service gets the time from.
pub type Clock = fn() -> OffsetDateTime;

/// The time of this machine, in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the one source of time")]
pub fn system() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Milliseconds since the Unix epoch: the unit of times in message headers and of the
/// embedded queue's schedule.
pub fn unix_ms(at: OffsetDateTime) -> i64 {
    at.unix_timestamp()
        .saturating_mul(1000)
        .saturating_add(i64::from(at.millisecond()))
}

/// How long it is from `then` to `now`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "moments of years with four digits are never so far apart that a duration cannot hold it"
)]
pub fn elapsed(then: OffsetDateTime, now: OffsetDateTime) -> time::Duration {
    now - then
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_ms_counts_whole_milliseconds() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_735_689_600_123_999_999).unwrap();

        assert_eq!(unix_ms(at), 1_735_689_600_123);
    }
}
