use shared::stripe::{
    charge::Charge,
    checkout_session::CheckoutSession,
    dispute::Dispute,
    event::{About, Event, EventHeader},
    refund::Refund,
};

/// An event, as ingress and worker read it. What ingress queues can be a message, and what an error says is not out of
/// the event.
///
/// # Panics
///
/// A promise is broken.
pub fn event(input: &[u8]) {
    if let Ok(header) = serde_json::from_slice::<EventHeader>(input)
        && header.has_plausible_id()
    {
        assert!(
            header.id.len() <= 255 && header.id.is_ascii(),
            "{}",
            header.id
        );
        header.has_known_form();
    }
    let Ok(event) = serde_json::from_slice::<Event>(input) else {
        return;
    };
    event.kind();
    event.created_at();
    event.object::<CheckoutSession>();
    event.object::<Charge>();
    event.object::<Refund>();
    event.object::<Dispute>();
    if let Some(About::Snapshot(object)) = event.about() {
        assert!(!object.is_empty() && std::str::from_utf8(object).is_ok());
    }
}
