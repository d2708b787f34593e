//! `worker booking show`: for whoever has to answer a buyer.

pub mod command;
mod print;
mod story;

pub use story::{Story, story};
