//! A booking's entry in its buyer's calendar. It is the same entry for as long as there is the booking,
//! whether it comes by mail or from a page, so that a change replaces it.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc5545>

use icalendar::{Calendar, Component, Event, EventLike};
use time::{OffsetDateTime, UtcOffset, macros::format_description};
use uuid::Uuid;

use crate::one_line::in_one_line;

/// What there is to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Whose it is.
    pub booking_id: Uuid,
    /// The shop's.
    pub host: &'a str,
    /// It rises with everything that happens to the booking.
    pub sequence: i32,
    /// When it was like this.
    pub stamp: OffsetDateTime,
    /// From when
    pub starts_at: OffsetDateTime,
    /// to when.
    pub ends_at: OffsetDateTime,
    /// What.
    pub summary: &'a str,
    /// What else the buyer may want to know.
    pub description: &'a str,
    /// Where.
    pub location: Option<&'a str>,
    /// The booking's page.
    pub url: Option<&'a str>,
}

impl Entry<'_> {
    /// The entry, which may be added to; `None` for a time that no calendar has.
    pub fn event(&self) -> Option<Event> {
        let mut event = Event::new();
        event
            .uid(&format!("{}@{}", self.booking_id, self.host))
            .sequence(u32::try_from(self.sequence).unwrap_or_default())
            .add_property("DTSTAMP", stamp(self.stamp)?)
            .starts(self.starts_at)
            .ends(self.ends_at)
            .summary(&in_one_line(self.summary))
            .description(self.description);
        if let Some(location) = self.location {
            event.location(&in_one_line(location));
        }
        if let Some(url) = self.url {
            event.url(url);
        }
        Some(event.done())
    }
}

/// A calendar without entries.
pub fn calendar() -> Calendar {
    let mut calendar = Calendar::empty();
    calendar
        .append_property(("VERSION", "2.0"))
        .append_property(("PRODID", "-//Bookonce//Bookonce//EN"))
        .append_property(("CALSCALE", "GREGORIAN"));
    calendar.done()
}

fn stamp(at: OffsetDateTime) -> Option<String> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    at.to_offset(UtcOffset::UTC).format(format).ok()
}
