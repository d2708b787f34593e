//! What has to be held for an order of a site's.

use std::str::FromStr;

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{hold::Place, http::error::FieldError, legible::spoils_a_line, order::NO_SLOT_ID};

const MAX_KEY_CHARS: usize = 200;
const CAPACITY: std::ops::RangeInclusive<i32> = 1..=100_000;
const SEATS: std::ops::RangeInclusive<i32> = 1..=1000;
const LONGEST: time::Duration = time::Duration::days(366);

/// What an order says about it.
pub struct Wanted<'a> {
    pub slot_id: Option<&'a str>,
    pub resource: Option<&'a str>,
    pub capacity: Option<i64>,
    pub starts_at: Option<&'a str>,
    pub ends_at: Option<&'a str>,
    pub quantity: Option<i64>,
}

/// The place, and how many of its seats. What is wrong goes to `errors`.
pub fn check_place(order: &Wanted<'_>, errors: &mut Vec<FieldError>) -> Option<(Place, i32)> {
    let mut wrong = |field, message| errors.push(FieldError::new(field, message));
    let seats = i32::try_from(order.quantity.unwrap_or(1)).ok();
    let seats = seats.filter(|seats| SEATS.contains(seats));
    if seats.is_none() {
        wrong("quantity", "Use 1 to 1000 seats.");
    }
    if order.resource.is_none() {
        const ALONE: &str = "It goes with a resource.";
        for (field, given) in [
            ("capacity", order.capacity.is_some()),
            ("starts_at", order.starts_at.is_some()),
            ("ends_at", order.ends_at.is_some()),
        ] {
            if given {
                wrong(field, ALONE);
            }
        }
    }
    let place = match (order.slot_id, order.resource) {
        (Some(_), Some(_)) => {
            wrong("resource", "Use a slot_id or a resource, not both.");
            None
        }
        (Some(slot_id), None) => {
            let id = Uuid::from_str(slot_id).ok();
            if id.is_none() {
                wrong("slot_id", NO_SLOT_ID);
            }
            id.map(Place::Slot)
        }
        (None, Some(key)) => check_resource(order, key, errors),
        (None, None) => {
            if seats.is_some_and(|seats| seats > 1) {
                wrong("quantity", "It goes with a slot_id or a resource.");
            }
            Some(Place::Nothing)
        }
    };
    Some((place?, seats?))
}

fn check_resource(order: &Wanted<'_>, key: &str, errors: &mut Vec<FieldError>) -> Option<Place> {
    let mut wrong = |field, message| errors.push(FieldError::new(field, message));
    let blank = key.trim().is_empty();
    if blank || key.chars().count() > MAX_KEY_CHARS || key.chars().any(spoils_a_line) {
        wrong("resource", "Use 1 to 200 characters, in one line.");
    }
    let capacity = order.capacity.and_then(|it| i32::try_from(it).ok());
    let capacity = capacity.filter(|it| CAPACITY.contains(it));
    if capacity.is_none() {
        wrong("capacity", "Say its capacity, 1 to 100000 seats.");
    }
    let starts_at = order.starts_at.and_then(moment);
    let ends_at = order.ends_at.and_then(moment);
    for (field, time) in [("starts_at", starts_at), ("ends_at", ends_at)] {
        if time.is_none() {
            wrong(field, "Use a time such as 2027-05-01T15:00:00Z.");
        }
    }
    let (starts_at, ends_at) = (starts_at?, ends_at?);
    if ends_at <= starts_at || ends_at > starts_at.saturating_add(LONGEST) {
        wrong("ends_at", "Use a time after starts_at, at most 366 days.");
    }
    Some(Place::Resource {
        key: key.to_owned(),
        capacity: capacity?,
        starts_at,
        ends_at,
    })
}

/// In UTC and whole seconds, so that the same time is the same in both databases.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let time = time.checked_to_offset(UtcOffset::UTC)?;
    (1970..=9000)
        .contains(&time.year())
        .then(|| time.truncate_to_second())
}
