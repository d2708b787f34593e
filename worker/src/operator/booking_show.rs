//! `worker booking show`: the story of one checkout, for support.

pub mod command;
mod print;
mod story;

pub use story::{Story, story};
