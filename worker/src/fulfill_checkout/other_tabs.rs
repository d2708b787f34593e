//! What else the buyer has open for the same wish: once one of its checkouts is booked, the others
//! end, so that none is paid for nothing. An order that comes later stays open: anyone may order with any
//! address, and is not to learn from it who has booked.

use std::collections::HashMap;

use shared::db::checkout::State;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::fulfill_checkout::{decide::is_booked, record::Draft};

/// After the end of a hold its event usually comes by itself. The sweep looks into one that is over for
/// longer: it asks Stripe, and has a session that is still open expired.
pub const GRACE: Duration = Duration::minutes(2);

/// Ends the holds of open sessions of the same wish as `booked`, in the past, for the sweep to find. One
/// that is paid all the same is a second payment, and goes back.
pub fn end_other_tabs(drafts: &mut HashMap<Uuid, Draft>, booked: Uuid, now: OffsetDateTime) {
    let Some(mine) = drafts.get(&booked).map(|it| &it.current) else {
        return;
    };
    let wish = mine.checkout.order_fingerprint.clone();
    let (Some(wish), Some(booking), true) = (wish, &mine.booking, is_booked(&mine.checkout)) else {
        return;
    };
    let booked_at = booking.created_at;
    let over = now.saturating_sub(GRACE.saturating_add(Duration::SECOND));
    for draft in drafts.values_mut() {
        let other = &mut draft.current.checkout;
        let same = other.id != booked && other.order_fingerprint.as_ref() == Some(&wish);
        // By two clocks: a tab that is missed and paid goes back as a second payment.
        let earlier = other.created_at <= booked_at;
        // One without a session is being opened this moment, or was given up.
        let open = other.state == State::Open && other.session_id.is_some();
        if same && earlier && open && other.expires_at > over {
            other.expires_at = over;
            // A buyer may have asked for it just now; that is no reason to wait.
            other.confirm_enqueued_at = None;
        }
    }
}
