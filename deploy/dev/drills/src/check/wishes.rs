//! Of all checkouts of one wish one is booked at most, and then none is open to be paid.

use std::collections::HashMap;

use shared::db::checkout::{self, State};
use stripe_sim::LedgerEntry;

/// Returns which are booked twice, and which can still be paid for nothing.
pub fn compare(
    ledger: &[LedgerEntry],
    by_session: &HashMap<&str, &checkout::Model>,
) -> (Vec<String>, Vec<String>) {
    let (mut doubled, mut payable) = (Vec::new(), Vec::new());
    let mut booked: HashMap<&str, &checkout::Model> = HashMap::new();
    let is_booked = |row: &checkout::Model| row.state == State::Paid && row.seats_held;
    for row in by_session.values().copied().filter(|row| is_booked(row)) {
        if let Some(wish) = &row.order_fingerprint
            && let Some(other) = booked.insert(wish, row)
        {
            let what = format!("checkouts {} and {} are one wish", row.id, other.id);
            doubled.push(what);
        }
    }
    for entry in ledger.iter().filter(|entry| entry.status == "open") {
        let open = by_session.get(entry.session_id.as_str());
        let wish = open.and_then(|row| row.order_fingerprint.as_deref());
        if wish.is_some_and(|wish| booked.contains_key(wish)) {
            let what = format!("{}: open, and the same is booked", entry.session_id);
            payable.push(what);
        }
    }
    (doubled, payable)
}
