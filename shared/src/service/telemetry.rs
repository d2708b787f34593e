//! Logs: what is written, in which form, and never a body, a name, an e-mail or a secret.
//! Metrics are in `crate::service::metrics`.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{ConfigError, Env},
    service::{failpoint, metrics},
};

/// Libraries report what went wrong with a connection or a request; what it means is logged by us.
const LIBRARIES: &str = "lapin=off,stripe::hyper=error,stripe_shared=error,sqlx=warn";

/// Starts logging to standard error as `RUST_LOG` and `LOG_FORMAT` say, and counting.
///
/// - `default_filter`: what `RUST_LOG` is when it is not set.
///
/// # Errors
///
/// [`ConfigError`] if one of the two cannot be used.
pub fn init(env: &Env, default_filter: &str) -> Result<(), ConfigError> {
    let filter = env.get("RUST_LOG").unwrap_or(default_filter);
    let filter = EnvFilter::try_new(format!("{LIBRARIES},{filter}"))
        .map_err(|_| ConfigError::new("RUST_LOG", "expected a filter such as info,worker=debug"))?;
    let layer = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match env.get("LOG_FORMAT").unwrap_or("pretty") {
        "pretty" => {
            use std::io::IsTerminal;
            let ansi = std::io::stderr().is_terminal();
            registry.with(layer.with_ansi(ansi)).init();
        }
        "json" => registry.with(layer.json().flatten_event(true)).init(),
        _ => return Err(ConfigError::new("LOG_FORMAT", "expected pretty or json")),
    }
    metrics::start();
    failpoint::arm(env);
    Ok(())
}
