//! How long a session lives, and with it the hold.

use time::{Duration, OffsetDateTime};

/// The shortest life of a session at Stripe is 30 minutes by its clock, the longest 24 hours. Two
/// minutes at either end are for clocks that differ and for slow answers.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at>
pub const SHORTEST_SESSION: Duration = Duration::minutes(32);
const LONGEST_SESSION: Duration = Duration::minutes(24 * 60 - 2);

/// The end of a hold that is made now.
pub fn end_of_hold(now: OffsetDateTime, hold: Duration) -> OffsetDateTime {
    now.truncate_to_second().saturating_add(lasting(hold))
}

/// One minute more than promised, for the way to the buyer; and no longer than a session may live.
fn lasting(hold: Duration) -> Duration {
    hold.saturating_add(Duration::MINUTE).min(LONGEST_SESSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_hold_fits_between_the_ends_of_a_session_with_clocks_a_minute_apart() {
        let minute = Duration::MINUTE;
        for hold in [30, 31, 60, 1438, 1439].map(Duration::minutes) {
            let life = lasting(hold).max(SHORTEST_SESSION);
            assert!(life - minute >= minute * 30 && life + minute <= minute * 1440);
        }
    }
}
