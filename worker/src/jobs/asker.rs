//! Who has Stripe asked about a session.

use crate::fulfill_checkout::update::EventRef;

/// For whose sake Stripe is asked about a session.
#[derive(Debug)]
pub enum Asker {
    /// A buyer who waits, or a hold that has ended.
    Buyer,
    /// A thin event, for the inbox.
    Event(EventRef),
    /// Reconcile: our books lack something that Stripe's have.
    Books,
}
