//! A series of times that keeps to the clock on the wall, whatever is done to it.
//!
//! The rule is worked out as if there were no time zone, and each time is then looked up in the zone:
//! one source of rules for clocks, and no hour that wanders when they are changed.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10>

use jiff::{civil::DateTime, tz::TimeZone};
use rrule::RRuleSet;
use time::OffsetDateTime;

/// Times of one series.
pub const MOST: u16 = 2000;

/// When `first` is repeated by `rule`, on the clocks of `zone`.
///
/// - `rule`: an RRULE without its name, such as `FREQ=WEEKLY;COUNT=10`; it has to have an end.
///
/// # Errors
///
/// What is wrong with the rule.
pub fn repeated(first: DateTime, rule: &str) -> Result<Vec<DateTime>, String> {
    let rule = rule
        .trim()
        .trim_start_matches("RRULE:")
        .to_ascii_uppercase();
    let parts: Vec<&str> = rule.split(';').collect();
    let has = |name: &str| parts.iter().any(|it| it.starts_with(name));
    if !has("COUNT=") && !has("UNTIL=") {
        return Err("a series needs an end: add COUNT=… or UNTIL=…".to_owned());
    }
    let frequency = parts.iter().find_map(|it| it.strip_prefix("FREQ="));
    if !frequency.is_some_and(|it| ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].contains(&it)) {
        return Err("expected FREQ=DAILY, WEEKLY, MONTHLY or YEARLY".to_owned());
    }
    // Its own end is on the same clocks.
    let parts: Vec<String> = parts.into_iter().map(in_no_zone).collect();
    let start = first.strftime("%Y%m%dT%H%M%SZ");
    let text = format!("DTSTART:{start}\nRRULE:{}", parts.join(";"));
    let set: RRuleSet = text.parse().map_err(|error| format!("{error}"))?;
    let found = set.all(MOST);
    if found.limited {
        return Err(format!("more than {MOST} times; give it an earlier end"));
    }
    let civil = found.dates.iter().map(|at| {
        let at = jiff::Timestamp::from_second(at.timestamp()).map_err(|error| error.to_string())?;
        Ok(TimeZone::UTC.to_datetime(at))
    });
    civil.collect()
}

fn in_no_zone(part: &str) -> String {
    match part.strip_prefix("UNTIL=") {
        Some(end) if end.len() == 8 => format!("UNTIL={end}T235959Z"),
        Some(end) if !end.ends_with('Z') => format!("UNTIL={end}Z"),
        _ => part.to_owned(),
    }
}

/// The moment at which the clocks of `zone` show `at`. An hour that they leave out is the one after it;
/// of one that they show twice it is the first.
pub fn moment(at: DateTime, zone: &TimeZone) -> Option<OffsetDateTime> {
    let at = at.to_zoned_datetime(zone.clone()).ok()?;
    OffsetDateTime::from_unix_timestamp(at.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use time::macros::datetime;

    use super::*;

    fn moments(first: DateTime, rule: &str, zone: &str) -> Vec<OffsetDateTime> {
        let zone = TimeZone::get(zone).unwrap();
        let times = repeated(first, rule).unwrap();
        times
            .into_iter()
            .map(|at| moment(at, &zone).unwrap())
            .collect()
    }

    #[test]
    fn a_series_keeps_to_the_clock_on_the_wall() {
        let first = date(2027, 3, 21).at(10, 0, 0, 0);

        let weekly = moments(first, "FREQ=WEEKLY;COUNT=3", "Europe/Berlin");

        assert_eq!(
            weekly,
            [
                datetime!(2027-03-21 09:00 UTC),
                // The clocks were put forward.
                datetime!(2027-03-28 08:00 UTC),
                datetime!(2027-04-04 08:00 UTC),
            ]
        );
    }

    #[test]
    fn an_end_is_on_the_same_clocks() {
        let first = date(2027, 5, 1).at(20, 0, 0, 0);

        let until = |end: &str| {
            moments(
                first,
                &format!("FREQ=DAILY;UNTIL={end}"),
                "America/New_York",
            )
            .len()
        };

        assert_eq!(until("20270503"), 3);
        assert_eq!(until("20270503T200000"), 3);
        assert_eq!(until("20270503T195959"), 2);
    }

    #[test]
    fn an_hour_that_is_left_out_is_the_next_one() {
        let first = date(2027, 3, 27).at(2, 30, 0, 0);

        let nights = moments(first, "FREQ=DAILY;COUNT=2", "Europe/Berlin");

        assert_eq!(nights[1], datetime!(2027-03-28 01:30 UTC));
    }

    #[test]
    fn a_rule_that_never_ends_or_says_nothing_is_refused() {
        let first = date(2027, 5, 1).at(9, 0, 0, 0);

        for (rule, expected) in [
            ("FREQ=WEEKLY", "needs an end"),
            ("FREQ=HOURLY;COUNT=3", "expected FREQ"),
            ("FREQ=DAILY;COUNT=5000", "more than 2000"),
            ("FREQ=DAILY;COUNT=x", ""),
            ("nothing", "needs an end"),
        ] {
            let problem = repeated(first, rule).unwrap_err();
            assert!(problem.contains(expected), "{rule}: {problem}");
        }
    }
}
