//! What every process of ours does besides its work: start, answer probes, log, count, and stop.

pub mod admin;
pub mod connections;
pub mod exit;
pub mod failpoint;
pub mod http_server;
pub mod log_limit;
pub mod metrics;
pub(crate) mod network;
mod open_files;
mod sampler;
pub mod shutdown;
pub mod spans;
pub mod telemetry;
pub mod traces;
pub mod whole_body;
