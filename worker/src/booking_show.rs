//! `worker booking show`: for whoever has to answer a buyer.

mod print;
mod story;

pub use story::{Story, story};
