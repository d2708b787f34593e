//! Sending traces to a collector, by OTLP over HTTP, in batches and beside the work: one that is slow or
//! down costs spans, and nothing else.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};
use url::Url;

use crate::{
    config::ConfigError,
    service::{sampler, spans},
};

/// For one batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans until it is dropped, and then what is left.
pub struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// Starts. Inside a tokio runtime.
    ///
    /// - `endpoint`: `http(s)://host:port` of a collector, without `/v1/traces`.
    /// - `name`: the service's.
    /// - `samples`: whether `OTEL_TRACES_SAMPLER` says which traces are sent.
    pub(super) fn start(endpoint: &str, name: &str, samples: bool) -> Result<Self, ConfigError> {
        let wrong = || {
            let expected =
                "expected http(s)://host:port of an OpenTelemetry collector (OTLP by HTTP)";
            ConfigError::new("OTEL_EXPORTER_OTLP_ENDPOINT", expected)
        };
        let url = Url::parse(endpoint).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        // What else there is to set it reads itself.
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new().map_err(|_| wrong())?)
            .build()
            .map_err(|_| {
                let others = "cannot be used with one of the other OTEL_EXPORTER_OTLP_ variables";
                ConfigError::new("OTEL_EXPORTER_OTLP_ENDPOINT", others)
            })?;
        let resource = Resource::builder()
            .with_service_name(name.to_owned())
            .build();
        if !samples {
            sampler::turn_on();
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource);
        Ok(Self {
            provider: provider.build(),
        })
    }

    /// Takes our own spans off the program.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("bookonce"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|it| it.is_span() && it.target() == spans::TARGET))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "The last traces were not sent");
        }
    }
}

/// The exporter has a thread of its own, and connections need the runtime.
#[derive(Debug, Clone)]
struct Client {
    runtime: Handle,
    http: HyperClient<HttpsConnector<HttpConnector>>,
    fails: Arc<AtomicBool>,
}

impl Client {
    fn new() -> Result<Self, rustls::Error> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            runtime: Handle::current(),
            http: HyperClient::new(connector, TIMEOUT, None),
            fails: Arc::default(),
        })
    }

    /// Says once that it fails, and once that it works again.
    fn note(&self, fails: bool) {
        if self.fails.swap(fails, Ordering::Relaxed) == fails {
            return;
        }
        if fails {
            tracing::warn!("Traces cannot be sent to OTEL_EXPORTER_OTLP_ENDPOINT");
        } else {
            tracing::info!("Traces are sent again");
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self
            .runtime
            .spawn(async move { http.send_bytes(request).await });
        let outcome = sent.await.unwrap_or_else(|error| Err(error.into()));
        self.note(!matches!(&outcome, Ok(answer) if answer.status().is_success()));
        outcome
    }
}
