//! What ingress and worker agree on: the message, the queue, the tables, money and ids,
//! and the way to Stripe.
//!
//! Nothing in here decides about a booking: ingress verifies and publishes, the worker
//! fulfills. A module that only one of them uses belongs to that one.

pub mod admin;
pub mod charge;
pub mod checkout_session;
pub mod clock;
pub mod config;
pub mod db;
pub mod dispute;
pub mod failpoint;
pub mod http_address;
pub mod http_server;
pub mod lenient;
pub mod message;
pub mod metrics;
pub mod money;
mod network;
pub mod queue;
pub mod refund;
pub mod retry;
pub mod settings;
pub mod shutdown;
pub mod stripe_client;
pub mod stripe_error;
pub mod stripe_event_type;
pub mod stripe_id;
pub mod stripe_signature;
pub mod telemetry;
pub mod together;
pub mod traceparent;
