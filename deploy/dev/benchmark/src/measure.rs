//! Measurements, each in a file of its own.

mod attacked;
mod backlog;
mod confirm;
mod create_session;
mod extras;
mod flooded;
mod growth;
mod plans;
mod soak;
mod steady;
mod telling;
mod throughput;
mod traced;
mod waiting;

pub use attacked::{attacked, stay};
pub use backlog::{Backlog, backlog};
pub use confirm::{Confirm, confirm};
pub use create_session::{CreateSession, create_session};
pub use extras::extras;
pub use flooded::flooded;
pub use growth::growth;
pub use soak::soak;
pub use steady::{Steady, steady};
pub use telling::{tell_everyone, telling};
pub use throughput::{SPIKE_CONNECTIONS, Spike, Throughput, spike, throughput, warm_up};
pub use traced::traced;
pub use waiting::{Waiting, waiting};
