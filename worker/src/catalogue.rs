//! The catalogue, kept in a file: what is offered, for how much, and when. A file says all there is about
//! the offerings it names; applying it twice changes nothing.

mod apply;
mod apply_slots;
mod changes;
mod check;
mod check_slots;
mod export;
mod in_the_way;
mod mistakes;
mod series;
mod source;

pub use self::{
    apply::{ApplyError, apply, find},
    check::check,
    export::{csv, price, toml},
    in_the_way::in_the_way,
    source::{Form, RawOffering, parse},
};

/// What is wrong with a file: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Such as `offering 2 (kayak), slot 3` or `line 7`.
    pub place: String,
    /// The field, if it is one.
    pub field: Option<&'static str>,
    /// In a few words.
    pub words: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field {
            Some(field) => write!(out, "{}, {field}: {}", self.place, self.words),
            None => write!(out, "{}: {}", self.place, self.words),
        }
    }
}
