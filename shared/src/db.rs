//! The tables that ingress and worker share. Functions take the caller's connection or
//! transaction and neither begin nor commit one. Where nothing else is said, a [`DbErr`](sea_orm::DbErr) means that
//! a statement failed.

#![expect(
    missing_docs,
    reason = "a column that needs no word more than its name has none"
)]
#![expect(clippy::missing_errors_doc, reason = "said once, above")]
pub mod booking;
pub mod catalogue;
pub mod checkout;
mod checkpoint;
mod connection;
pub mod dead_letter;
pub mod dispute;
pub mod endpoint;
pub mod ignored_event;
pub mod intervention;
pub mod job;
mod long_read;
pub mod offering;
mod one_of;
pub mod outbox;
pub mod outbox_delivery;
pub mod owed_refund;
pub mod payment;
mod private_file;
pub mod recurring_job;
pub mod refund;
pub mod refused_webhook;
mod relaxed;
pub mod resource;
pub mod seats;
pub mod slot;
pub mod stripe_endpoint_secret;
pub mod stripe_event;
pub mod suspect;
mod trouble;
mod write_lock;
mod writer;
mod writes;

pub use self::{
    checkpoint::keep_checkpointing,
    connection::{ConnectError, SCHEMA, check_schema, connect, open},
    long_read::begin_long_read,
    one_of::one_of,
    private_file::create_private_file,
    relaxed::relaxed,
    trouble::{Trouble, refusal, trouble},
    writer::{Transaction, Writer, begin, writer},
    writes::Writes,
};
