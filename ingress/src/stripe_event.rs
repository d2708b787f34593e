//! What ingress reads of an event. Everything else is the worker's to read.

use serde::Deserialize;
use shared::stripe_event_type;

/// The outside of an event.
///
/// Source: <https://docs.stripe.com/api/events/object>
#[derive(Debug, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// `event`. A v2 thin event says `v2.core.event`.
    #[serde(default)]
    pub object: String,
    /// Such as `checkout.session.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether real money moves.
    #[serde(default)]
    pub livemode: bool,
    /// The connected account it is about, if not our own.
    #[serde(default)]
    pub account: Option<String>,
}

/// Why an authentic event is acknowledged and not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Not an event of API v1.
    NotASnapshotEvent,
    /// A type we do not act on.
    UnhandledType,
    /// About the account of somebody else.
    ConnectedAccount,
    /// Of the other mode than our secret key.
    OtherMode,
}

impl Ignored {
    /// A stable code for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotASnapshotEvent => "ignored_not_a_snapshot_event",
            Self::UnhandledType => "ignored_unhandled_type",
            Self::ConnectedAccount => "ignored_connected_account",
            Self::OtherMode => "ignored_other_mode",
        }
    }
}

impl Event {
    /// AMQP limits a `message_id` to 255 bytes, as Stripe limits its ids.
    pub fn has_plausible_id(&self) -> bool {
        (1..=255).contains(&self.id.len()) && self.id.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Whether the event is not for us, and why.
    pub fn ignored(&self, our_livemode: bool) -> Option<Ignored> {
        if self.object != "event" {
            return Some(Ignored::NotASnapshotEvent);
        }
        if self.account.is_some() {
            return Some(Ignored::ConnectedAccount);
        }
        if self.livemode != our_livemode {
            return Some(Ignored::OtherMode);
        }
        let handled = stripe_event_type::HANDLED.contains(&self.kind.as_str());
        (!handled).then_some(Ignored::UnhandledType)
    }
}
