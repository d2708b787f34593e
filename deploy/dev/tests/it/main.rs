//! The tests that need a real database, a real broker, real processes: everything but the
//! unit tests. `deploy/test` starts what they need; `stack` gives each its own part of it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has to fail"
)]

mod backup;
mod batches;
mod bodies;
mod booking_hook;
mod books;
mod broker_kill;
mod browser;
mod buyer;
mod catalogue;
mod catalogue_file;
mod checkout_options;
mod configuration;
mod confirm;
mod connections;
mod console;
mod cors;
mod create_checkout_session;
mod database;
mod demo;
mod deployment;
mod event_queues;
mod forged;
mod forget;
mod fulfill_checkout;
mod hold_limit;
mod idempotency_key;
mod ignored_events;
mod lifecycle;
mod local_shop;
mod mail;
mod managing;
mod migrations;
mod nextjs;
mod notifications;
mod openapi;
mod operations;
mod order_limit;
mod pages;
mod processes;
mod publishing;
mod queue;
mod refusals;
mod refused_webhooks;
mod replaces;
mod retention;
mod retries;
mod roles;
mod rust_site;
mod scaling;
mod secrecy;
mod service;
mod shop;
mod site_checkout;
mod site_data;
mod sqlite_file;
mod stack;
mod stripe_npm;
mod tls;
mod two_tabs;
mod unreadable;
mod webhook;
mod wire;
mod writes;
