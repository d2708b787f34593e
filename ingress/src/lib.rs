//! The HTTP service. It verifies, publishes and reads.
//!
//! It writes one thing: the hold (`checkout` and the seats of its slot). It never creates a
//! booking or a payment and never asks Stripe whether a session is paid; both are the worker's.

mod app;
mod booking_calendar;
mod check_options;
mod client_limit;
pub mod config;
mod confirm;
mod confirm_payment;
mod create_checkout_session;
mod create_site_checkout;
mod hold;
mod hold_limit;
mod hold_seats;
mod http;
mod idempotency_key;
mod ignored_event;
mod legible;
mod likely_cause;
mod manage_booking;
mod offerings;
mod order;
mod own_booking;
mod refusal;
mod replace_session;
mod return_url;
mod session_limit;
mod site_data;
mod site_key;
mod site_order;
mod stripe_webhook;
pub mod untrusted;
mod webhook_notes;
mod wish;

pub use self::{app::Ingress, http::router::router};
