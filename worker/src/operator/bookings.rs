//! `worker booking`: finding bookings, and deciding about them.

mod act;
pub mod command;
pub(crate) mod decide;
mod list;
mod row;

pub use self::{
    decide::{Decided, decide_by_context},
    list::{Filter, find, list},
    row::Row,
};
