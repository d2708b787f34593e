//! Which rows an audit looks at: those since a time, found by their ids, however many there are before.

use time::{Duration, OffsetDateTime};
use uuid::{Builder, Uuid};

/// By so much clocks may differ: as much as ingress allows between its own and Stripe's.
const CLOCKS: Duration = Duration::minutes(5);

/// No row that was made at `since` or later has a smaller id: ours begin with the time at which they were made.
///
/// Source: RFC 9562, section 5.7
pub fn first_id(since: OffsetDateTime) -> Uuid {
    let since = since.saturating_sub(CLOCKS).unix_timestamp_nanos();
    let ms = u64::try_from(since.div_euclid(1_000_000)).unwrap_or_default();
    Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use shared::clock;

    use super::*;

    #[test]
    fn what_is_made_from_now_on_has_larger_ids_and_what_was_made_long_ago_smaller_ones() {
        let now = clock::system();
        assert!(first_id(now) < Uuid::now_v7());
        assert!(first_id(now.saturating_add(Duration::hours(2))) > Uuid::now_v7());
        assert!(first_id(OffsetDateTime::UNIX_EPOCH) < Uuid::now_v7());
    }
}
