//! The tests that need a real database, a real broker, real processes: everything but the
//! unit tests. `deploy/test` starts what they need; `stack` gives each its own part of it.

mod books;
mod configuration;
mod confirm;
mod create_checkout_session;
mod fulfilment;
mod local_shop;
mod migrations;
mod pages;
mod processes;
mod queue;
mod shop;
mod stack;
mod stripe_npm;
mod webhook;
