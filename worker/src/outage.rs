//! What to do while something that every job needs is down.

pub mod breaker;
