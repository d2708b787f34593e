//! Logs: what is written, in which form, and never a body, a name, an e-mail or a secret.
//! Metrics are in `crate::service::metrics`, traces in `crate::service::traces`.

use std::{io::IsTerminal, str::FromStr};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::{
    config::{ConfigError, Env},
    service::{failpoint, metrics, traces},
};

/// Libraries report what went wrong with a connection or a request; what it means is logged by us.
const LIBRARIES: &str = "lapin=off,stripe::hyper=error,stripe_shared=error,sqlx=warn";
/// The spans of its calls hold the address of the database with its password, and the values of statements.
const NEVER: &str = "sea_orm=off,sea_orm_migration=off";

/// Starts logging to standard error as `RUST_LOG` and `LOG_FORMAT` say, and counting.
///
/// - `default_filter`: what `RUST_LOG` is when it is not set.
///
/// # Errors
///
/// [`ConfigError`] if one of the two cannot be used.
pub fn init(env: &Env, default_filter: &str) -> Result<(), ConfigError> {
    let (filter, form) = (filter(env, default_filter)?, Form::from_env(env)?);
    tracing_subscriber::registry()
        .with(filter)
        .with(form.layer())
        .init();
    begin(env);
    Ok(())
}

/// The same for a service, which also sends traces if `OTEL_EXPORTER_OTLP_ENDPOINT` says where.
///
/// - `name`: what it is called there, unless `OTEL_SERVICE_NAME` says so.
///
/// Returns what has to live as long as the service: what is left is sent at its end.
///
/// # Errors
///
/// [`ConfigError`] if one of them cannot be used.
pub fn init_service(
    env: &Env,
    name: &'static str,
    default_filter: &str,
) -> Result<Option<traces::Export>, ConfigError> {
    let Some(endpoint) = env.get("OTEL_EXPORTER_OTLP_ENDPOINT") else {
        init(env, default_filter)?;
        return Ok(None);
    };
    let name = env.get("OTEL_SERVICE_NAME").unwrap_or(name);
    let samples = env.get("OTEL_TRACES_SAMPLER").is_some();
    let export = traces::Export::start(endpoint, name, samples)?;
    let (filter, form) = (filter(env, default_filter)?, Form::from_env(env)?);
    // Each layer has a filter of its own: what is traced is not logged.
    tracing_subscriber::registry()
        .with(export.layer())
        .with(form.layer().with_filter(filter))
        .init();
    begin(env);
    Ok(Some(export))
}

fn begin(env: &Env) {
    metrics::start();
    failpoint::arm(env);
}

fn filter(env: &Env, default_filter: &str) -> Result<EnvFilter, ConfigError> {
    let wrong = || ConfigError::new("RUST_LOG", "expected a filter such as info,worker=debug");
    let filter = env.get("RUST_LOG").unwrap_or(default_filter);
    // A word that is no level would be a program of that name, and all others silent.
    let is_known = |part: &str| part.contains(['=', ':']) || LevelFilter::from_str(part).is_ok();
    // What would count before what is silent below.
    let is_secret = |part: &str| {
        let target = part.split_once('=').map_or(part, |(target, _)| target);
        target.contains('[') || target.starts_with("sea_orm::")
    };
    let mut parts = filter.split(',').map(str::trim);
    if !parts.all(|part| is_known(part) && !is_secret(part)) {
        return Err(wrong());
    }
    EnvFilter::try_new(format!("{LIBRARIES},{filter},{NEVER}")).map_err(|_| wrong())
}

/// What a line of the log looks like.
#[derive(Clone, Copy)]
enum Form {
    Pretty,
    Json,
}

impl Form {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        match env.get("LOG_FORMAT").unwrap_or("pretty") {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(ConfigError::new("LOG_FORMAT", "expected pretty or json")),
        }
    }

    fn layer<S>(self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let layer = fmt::layer().with_writer(std::io::stderr);
        match self {
            Self::Pretty => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
            Self::Json => layer.json().flatten_event(true).boxed(),
        }
    }
}
