//! What goes back to a buyer who cancels, by the policy of the offering.

use shared::db::{offering, slot};
use time::{Duration, OffsetDateTime};

use crate::fulfill_checkout::intervene::Share;

/// What goes back of `left` at `now`; `None` if a buyer cannot cancel.
pub fn share(
    offering: &offering::Model,
    slot: &slot::Model,
    left: i64,
    now: OffsetDateTime,
) -> Option<Share> {
    let free = Duration::hours(offering.cancellation_free_hours?.into());
    if now >= slot.starts_at {
        return None;
    }
    if now <= slot.starts_at.saturating_sub(free) {
        return Some(Share::Full);
    }
    let percent = i64::from(offering.cancellation_late_percent.unwrap_or_default());
    // Rounded down: never more than the policy says.
    let part = left
        .saturating_mul(percent)
        .checked_div(100)
        .unwrap_or_default();
    Some(match part {
        0 => Share::None,
        all if all >= left => Share::Full,
        part => Share::Part(part),
    })
}
