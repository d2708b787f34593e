//! Which authentic events ingress queues, and why it acknowledges the others.

use shared::stripe::{event::EventHeader, event_type};

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
    /// Whether the event is not for us, and why.
    pub fn reason(event: &EventHeader, our_livemode: bool) -> Option<Self> {
        if !event_type::is_handled(&event.kind) {
            return Some(Self::UnhandledType);
        }
        if !event.has_known_form() {
            return Some(Self::UnknownForm);
        }
        if event.account.is_some() || event.context.is_some() {
            return Some(Self::ConnectedAccount);
        }
        (event.livemode != our_livemode).then_some(Self::OtherMode)
    }

    /// A stable code for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnhandledType => "ignored_unhandled_type",
            Self::UnknownForm => "ignored_unknown_form",
            Self::ConnectedAccount => "ignored_connected_account",
            Self::OtherMode => "ignored_other_mode",
        }
    }

    /// Whether we would have acted on the event, had it been ours.
    pub fn is_of_a_handled_type(self) -> bool {
        self != Self::UnhandledType
    }
}
