//! Stripe: the objects we read, the events, their signature, and the way to the API.

pub mod charge;
pub mod checkout_session;
pub mod client;
pub mod dispute;
pub mod error;
pub mod event;
pub mod event_type;
pub mod id;
mod lenient;
pub mod metadata;
pub mod refund;
pub mod session_details;
pub mod signature;
