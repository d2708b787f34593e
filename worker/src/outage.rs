//! While something that jobs need is down.
//!
//! A job that fails for the lack of the database or of Stripe has the dependency looked at. If
//! it does not answer, or takes no writes, the lanes that need it wait until it does: messages stay
//! on the queue, and no attempt is charged for the outage.

pub mod breaker;
pub mod dependency;
pub mod probe;
