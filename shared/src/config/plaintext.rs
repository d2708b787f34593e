//! Where passwords and bookings may go without TLS: within this machine, and to hosts that are named.

use std::net::IpAddr;

use crate::config::{ConfigError, Env};

const VARIABLE: &str = "PLAINTEXT_HOSTS";

/// Whether `host` may be spoken to without TLS: it is this machine, or `PLAINTEXT_HOSTS` names it.
pub(super) fn is_allowed(env: &Env, host: &str) -> bool {
    let named = env.get(VARIABLE).unwrap_or_default();
    let mut named = named.split(',').map(str::trim);
    is_this_machine(host) || named.any(|it| it.eq_ignore_ascii_case(host))
}

/// That it may not be.
///
/// - `variable`: which has the address.
/// - `instead`: what the address would have to be.
pub(super) fn refused(variable: &'static str, instead: &str) -> ConfigError {
    let problem = format!(
        "would send passwords and bookings without TLS; expected {instead}, or {VARIABLE} to name the host"
    );
    ConfigError::new(variable, problem)
}

/// A host that is none is a socket of this machine.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty()
        || host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}
