//! What operators ask for. A command has a folder with its arguments in `command.rs`; those of
//! `booking show` are in `booking_show.rs`, and those of reconcile, which also runs by itself, in
//! `reconcile_command.rs`.

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "a doc comment of a command is its help text"
)]

pub mod audit;
pub mod booking_show;
pub mod bookings;
pub mod catalogue_command;
pub mod command_line;
pub mod dead_letters;
pub mod doctor;
pub mod endpoints;
pub(crate) mod events;
pub mod forget;
pub mod offerings;
mod progress;
pub mod reconcile_command;
pub mod slots;
pub(crate) mod words;
