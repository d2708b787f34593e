//! `worker booking`: finding bookings, and deciding about them.

pub(crate) mod act;
pub mod command;
pub(crate) mod decide;
mod list;
mod report;
mod row;

pub(crate) use self::list::status;
pub use self::{
    decide::{Decided, decide_by_context},
    list::{Filter, find, list},
    report::Report,
    row::{Row, RowView},
};
