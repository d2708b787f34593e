//! What breaks, each in its file. Every function plays one drill and returns its row.

pub mod failpoints;
pub mod losses;
pub mod network;
pub mod poison;
pub mod processes;
pub mod servers;
