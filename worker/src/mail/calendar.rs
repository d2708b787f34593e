//! An entry for the buyer's calendar. It is the same entry for as long as there is the booking, so that a
//! change replaces it, and its end takes it out.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc5546>

use icalendar::{
    Attendee, Calendar, Component, Event, EventLike, EventStatus, PartStat, Property, Role,
};
use lettre::message::{Mailbox, header::ContentType};
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use crate::mail::{document::Document, facts::Facts, shop::Shop};

/// What the calendar has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Keep the entry, in place of an earlier one.
    Request,
    /// Take it out.
    Cancel,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
        }
    }
}

/// The entry of what `document` says, if it has a time.
pub fn entry(
    document: &Document,
    facts: &Facts,
    method: Method,
    shop: &Shop,
    from: &Mailbox,
) -> Option<(ContentType, String)> {
    let slot = document.slot.as_ref()?;
    let mut event = Event::new();
    event
        .uid(&format!("{}@{}", document.booking.id, shop.host))
        // It rises with everything that happens to the booking.
        .sequence(u32::try_from(document.sequence).unwrap_or_default())
        .add_property("DTSTAMP", stamp(document.occurred_at)?)
        .starts(slot.starts_at)
        .ends(slot.ends_at)
        .summary(&facts.what)
        .description(&format!("{}\n{}", facts.reference, shop.name));
    if let Some(location) = &facts.r#where {
        event.location(location);
    }
    if let Some(url) = &facts.status_url {
        event.url(url);
    }
    let organizer = Property::new("ORGANIZER", format!("mailto:{}", from.email))
        .add_parameter("CN", &plain(&shop.name))
        .done();
    let (status, answer) = match method {
        Method::Request => (EventStatus::Confirmed, PartStat::Accepted),
        Method::Cancel => (EventStatus::Cancelled, PartStat::Declined),
    };
    let name = plain(facts.customer_name.as_deref().unwrap_or_default());
    let mut attendee = Attendee::new(format!("mailto:{}", facts.customer_email))
        .role(Role::ReqParticipant)
        .partstat(answer)
        .rsvp(false);
    if !name.is_empty() {
        attendee = attendee.cn(name);
    }
    event.append_property(organizer).attendee(attendee);
    event.status(status);
    let mut calendar = Calendar::empty();
    calendar
        .append_property(("VERSION", "2.0"))
        .append_property(("PRODID", "-//Bookonce//Bookonce//EN"))
        .append_property(("CALSCALE", "GREGORIAN"))
        .append_property(("METHOD", method.as_str()))
        .push(event.done());
    Some((calendar_type(method)?, calendar.to_string()))
}

fn stamp(at: OffsetDateTime) -> Option<String> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    at.to_offset(UtcOffset::UTC).format(format).ok()
}

/// `text/calendar`, which has to name the method of what it is.
fn calendar_type(method: Method) -> Option<ContentType> {
    let method = method.as_str();
    ContentType::parse(&format!("text/calendar; method={method}; charset=utf-8")).ok()
}

/// A parameter has no escapes.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|it| !it.is_control() && *it != '"')
        .collect()
}
