//! `worker booking show`: the story of one checkout, for support.

mod others;
mod print;
mod story;
mod told;

pub use self::story::{Story, story};
