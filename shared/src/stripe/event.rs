//! An event, in both forms: a snapshot event brings along the object it is about, a thin event names it.
//!
//! Two readers: ingress reads the header alone, so that an event whose inside cannot be read is still
//! queued, and set aside by the worker where an operator sees it.
//!
//! Source: <https://docs.stripe.com/api/events/object>,
//! <https://docs.stripe.com/api/v2/core/events/object>

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::stripe::{event_type, lenient};

/// `object` of a snapshot event.
pub const SNAPSHOT: &str = "event";
/// `object` of a thin event.
///
/// Source: <https://docs.stripe.com/event-destinations#thin-events>
const THIN: &str = "v2.core.event";

/// What ingress reads of an event.
#[derive(Debug, Deserialize)]
pub struct EventHeader {
    /// `evt_…`
    pub id: String,
    /// `event`, or `v2.core.event` of a thin event.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub object: String,
    /// Such as `checkout.session.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether real money moves.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub livemode: bool,
    /// The connected account it is about, if not our own.
    pub account: Option<String>,
    /// The same in a thin event.
    pub context: Option<String>,
}

impl EventHeader {
    /// Whether the id can be a message's: AMQP limits a `message_id` to 255 bytes, as Stripe limits
    /// its ids.
    pub fn has_plausible_id(&self) -> bool {
        (1..=255).contains(&self.id.len()) && self.id.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Whether the event is a snapshot or thin, and not of a form that Stripe added later.
    pub fn has_known_form(&self) -> bool {
        matches!(self.object.as_str(), SNAPSHOT | THIN)
    }
}

/// What the worker reads of an event.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    #[serde(rename = "type")]
    kind: String,
    /// Whether real money moves.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub livemode: bool,
    /// Seconds in a snapshot event, a text in a thin one.
    created: Option<Box<RawValue>>,
    /// Of a snapshot event.
    data: Option<Data>,
    /// Of a thin event.
    related_object: Option<RelatedObject>,
}

#[derive(Debug, Deserialize)]
struct Data {
    object: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct RelatedObject {
    id: String,
}

/// What an event is about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// The object, as it was when the event was made.
    Snapshot(&'a [u8]),
    /// Its id; Stripe knows the rest.
    Id(&'a str),
}

impl Event {
    /// The type, as snapshot events call it.
    pub fn kind(&self) -> &str {
        event_type::of_snapshot(&self.kind)
    }

    /// What it is about, if it says so.
    pub fn about(&self) -> Option<About<'_>> {
        match (&self.data, &self.related_object) {
            (Some(data), _) => Some(About::Snapshot(data.object.get().as_bytes())),
            (None, Some(related)) => Some(About::Id(&related.id)),
            (None, None) => None,
        }
    }

    /// The object of a snapshot event, as it was when the event was made, if it is a `T`.
    pub fn object<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.data.as_ref()?.object.get()).ok()
    }

    /// When a snapshot event was made.
    pub fn created_at(&self) -> Option<OffsetDateTime> {
        let seconds = self.created.as_ref()?.get().parse().ok()?;
        OffsetDateTime::from_unix_timestamp(seconds).ok()
    }
}
