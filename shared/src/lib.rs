//! What ingress and worker agree on: the message, the queue, the tables, money and ids,
//! and the way to Stripe.
//!
//! Nothing in here decides about a booking: ingress verifies and publishes, the worker
//! fulfills. A module that only one of them uses belongs to that one.

pub mod batcher;
pub mod booking_link;
pub mod calendar;
pub mod cancellation;
pub mod checkout_options;
pub mod clock;
pub mod config;
pub mod db;
pub mod email;
pub mod line_item;
pub mod message;
pub mod money;
pub mod one_line;
pub mod queue;
pub mod retry;
pub mod service;
pub mod stripe;
pub mod traceparent;
pub mod unreadable;
