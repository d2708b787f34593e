//! What ingress reads of an event. Everything else is the worker's to read.

use serde::Deserialize;
use shared::stripe::{event_type, lenient};

/// `object` of an event that brings along what it is about.
const SNAPSHOT: &str = "event";
/// `object` of an event that only names it.
///
/// Source: <https://docs.stripe.com/event-destinations#thin-events>
const THIN: &str = "v2.core.event";

/// The outside of an event.
///
/// Source: <https://docs.stripe.com/api/events/object>
#[derive(Debug, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// `event`. A thin event says `v2.core.event`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub object: String,
    /// Such as `checkout.session.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether real money moves.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub livemode: bool,
    /// The connected account it is about, if not our own.
    #[serde(default)]
    pub account: Option<String>,
    /// The same in a thin event.
    #[serde(default)]
    pub context: Option<String>,
}

/// Why an authentic event is acknowledged and not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// A type we do not act on.
    UnhandledType,
    /// Neither a snapshot event nor a thin one: a form that Stripe added later.
    UnknownForm,
    /// About a connected account.
    ConnectedAccount,
    /// Of the other mode than our secret key.
    OtherMode,
}

impl Ignored {
    /// A stable code for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnhandledType => "ignored_unhandled_type",
            Self::UnknownForm => "ignored_unknown_form",
            Self::ConnectedAccount => "ignored_connected_account",
            Self::OtherMode => "ignored_other_mode",
        }
    }
}

impl Ignored {
    /// Whether we would have acted on the event, had it been ours.
    pub fn is_of_a_handled_type(self) -> bool {
        self != Self::UnhandledType
    }
}

impl Event {
    /// AMQP limits a `message_id` to 255 bytes, as Stripe limits its ids.
    pub fn has_plausible_id(&self) -> bool {
        (1..=255).contains(&self.id.len()) && self.id.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Whether the event is not for us, and why.
    pub fn ignored(&self, our_livemode: bool) -> Option<Ignored> {
        if !event_type::is_handled(&self.kind) {
            return Some(Ignored::UnhandledType);
        }
        if !matches!(self.object.as_str(), SNAPSHOT | THIN) {
            return Some(Ignored::UnknownForm);
        }
        if self.account.is_some() || self.context.is_some() {
            return Some(Ignored::ConnectedAccount);
        }
        (self.livemode != our_livemode).then_some(Ignored::OtherMode)
    }
}
