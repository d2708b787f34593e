//! A stand-in for Stripe, for demonstrations and tests: enough of its HTTP API for
//! async-stripe and the official clients, a payment page, signed webhooks with retries,
//! and a ledger of what was paid.
//!
//! The stand-in listens on loopback only, refuses live keys and moves no money. `/sim/…`
//! controls it: see [`faults`] for how it misbehaves on request.

mod account;
mod api;
mod charge;
mod checkout_session;
mod control;
mod courier;
mod delivery;
mod discount;
mod dispute;
mod entry;
mod error;
pub mod faults;
mod form;
mod idempotency;
mod lock;
mod objects;
mod passing_time;
mod payment;
mod payment_page;
mod refund;
mod session_options;
mod sim;
mod snapshot;
mod store;
mod totals;

pub use crate::{
    dispute::Verdict,
    entry::{Entry, Outcome},
    faults::Faults,
    sim::{Config, StripeSim, thin},
    store::{LedgerEntry, LedgerItem},
};
