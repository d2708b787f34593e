//! What breaks, each in its file. Every function returns how often it did.

pub mod failpoints;
pub mod losses;
pub mod network;
pub mod poison;
pub mod processes;
pub mod servers;
