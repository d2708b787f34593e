//! What the fields of a slot, or of a series of them, have to be.

use jiff::{civil::DateTime, tz::TimeZone};
use time::{Duration, OffsetDateTime};

use crate::catalogue::{
    mistakes::At,
    series::{moment, repeated},
    source::RawSlot,
};

const MOST_SEATS: i64 = 100_000;
/// Of one slot: a week.
const MOST_MINUTES: i64 = 10_080;

/// A slot as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Where the file says it.
    pub place: String,
    pub starts_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
    pub capacity: i32,
    /// As it is, if the file does not say.
    pub closed: Option<bool>,
}

/// The slots of `raw`: one, or as many as its rule says.
pub fn series(raw: &RawSlot, zone: &TimeZone, at: &mut At<'_>) -> Vec<Slot> {
    let first = raw.starts_at.as_deref().and_then(civil);
    if first.is_none() {
        at.wrong(
            "starts_at",
            "expected a time where it takes place, such as 2027-05-01T09:00",
        );
    }
    let minutes = raw.minutes.filter(|it| (1..=MOST_MINUTES).contains(it));
    if minutes.is_none() {
        at.wrong("minutes", format!("expected 1 to {MOST_MINUTES}"));
    }
    let capacity = raw.capacity.filter(|it| (0..=MOST_SEATS).contains(it));
    if capacity.is_none() {
        at.wrong("capacity", format!("expected 0 to {MOST_SEATS}"));
    }
    let (Some(first), Some(minutes), Some(capacity)) = (first, minutes, capacity) else {
        return Vec::new();
    };
    let mut times = match raw.repeat.as_deref().filter(|it| !it.trim().is_empty()) {
        None => vec![first],
        Some(rule) => match repeated(first, rule) {
            Ok(times) => times,
            Err(problem) => {
                at.wrong("repeat", problem);
                return Vec::new();
            }
        },
    };
    for except in &raw.except {
        let day = except
            .get(..10)
            .and_then(|it| it.parse::<jiff::civil::Date>().ok());
        let before = times.len();
        times.retain(|it| Some(it.date()) != day);
        if times.len() == before {
            at.wrong("except", format!("{except} is no day of the series"));
        }
    }
    let slot = |it: DateTime| {
        let starts_at = moment(it, zone)?;
        Some(Slot {
            place: raw.place.clone(),
            starts_at,
            ends_at: starts_at.checked_add(Duration::minutes(minutes))?,
            capacity: i32::try_from(capacity).ok()?,
            closed: raw.closed,
        })
    };
    times.into_iter().filter_map(slot).collect()
}

/// A time without a zone.
fn civil(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let has_zone = text.ends_with(['Z', 'z'])
        || text
            .get(10..)
            .is_some_and(|it| it.contains(['+', '-', '[']));
    if has_zone {
        return None;
    }
    text.parse().ok()
}
