//! The booking's entry for the buyer's calendar, as an invitation: a change replaces it, and the end takes it
//! out.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc5546>

use icalendar::{Attendee, Component, EventStatus, PartStat, Property, Role};
use lettre::message::{Mailbox, header::ContentType};
use shared::calendar::{self, Entry};

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
    let description = format!("{}\n{}", facts.reference, shop.name);
    let entry = Entry {
        booking_id: document.booking.id,
        host: &shop.host,
        sequence: document.sequence,
        stamp: document.occurred_at,
        starts_at: slot.starts_at,
        ends_at: slot.ends_at,
        summary: &facts.what,
        description: &description,
        location: facts.r#where.as_deref(),
        url: facts.status_url.as_deref(),
    };
    let mut event = entry.event()?;
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
    let mut calendar = calendar::calendar();
    calendar
        .append_property(("METHOD", method.as_str()))
        .push(event);
    Some((calendar_type(method)?, calendar.to_string()))
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
