//! What goes back to a buyer who cancels, by the policy of the offering.

use time::{Duration, OffsetDateTime};

use crate::{
    db::{offering, slot},
    money::Currency,
};

/// In minor units, what goes back of `left` at `now`; `None` if a buyer cannot cancel.
pub fn refund(
    offering: &offering::Model,
    slot: &slot::Model,
    left: i64,
    now: OffsetDateTime,
) -> Option<i64> {
    let free_until = free_until(offering, slot)?;
    if now >= slot.starts_at {
        return None;
    }
    if now <= free_until {
        return Some(left);
    }
    let percent = i64::from(offering.cancellation_late_percent.unwrap_or_default());
    // Rounded down: never more than the policy says, and what the currency has.
    let part = left.saturating_mul(percent).checked_div(100);
    let part = part.unwrap_or_default().min(left);
    let step = offering
        .currency
        .parse()
        .map_or(1, |it: Currency| it.step());
    Some(part.saturating_sub(part.checked_rem(step).unwrap_or_default()))
}

/// Until when all of it goes back, if a buyer can cancel.
pub fn free_until(offering: &offering::Model, slot: &slot::Model) -> Option<OffsetDateTime> {
    let free = Duration::hours(offering.cancellation_free_hours?.into());
    Some(slot.starts_at.saturating_sub(free))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn given(currency: &str, left: i64, hours_before: i64) -> Option<i64> {
        let offering = offering::Model {
            id: Uuid::nil(),
            key: None,
            name: String::new(),
            description: String::new(),
            unit_amount_minor_units: left,
            currency: currency.to_owned(),
            time_zone: None,
            location: None,
            closed: false,
            cancellation_free_hours: Some(48),
            cancellation_late_percent: Some(33),
        };
        let starts_at = datetime!(2027-05-01 09:00 UTC);
        let slot = slot::Model {
            id: Uuid::nil(),
            offering_id: Some(Uuid::nil()),
            resource_key: None,
            starts_at,
            ends_at: starts_at,
            capacity: 1,
            seats_taken: 1,
            closed: false,
        };
        let now = starts_at.saturating_sub(Duration::hours(hours_before));
        refund(&offering, &slot, left, now)
    }

    #[test]
    fn all_goes_back_in_time_and_a_share_after_that_in_what_the_currency_has() {
        assert_eq!(given("eur", 4900, 72), Some(4900));
        assert_eq!(given("eur", 4900, 48), Some(4900));
        assert_eq!(given("eur", 4900, 47), Some(1617));
        assert_eq!(given("isk", 490_000, 1), Some(161_700));
        assert_eq!(given("kwd", 4950, 1), Some(1630));
        assert_eq!(given("eur", 2, 1), Some(0));
        assert_eq!(given("eur", 4900, 0), None);
    }
}
