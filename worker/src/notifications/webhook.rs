//! Posting a notification to an endpoint, signed as Standard Webhooks has it.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    header::{CONTENT_TYPE, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use ipnet::IpNet;
use shared::db::endpoint;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};
use time::OffsetDateTime;
use url::{Host, Url};

use crate::notifications::{
    address_guard::{AddressGuard, NotAllowed},
    failure::{Failure, Remedy},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the status of an answer, as the specification recommends.
const TIMEOUT: Duration = Duration::from_secs(15);
/// For what is behind the status of an answer, which has arrived by then.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
/// Of an answer, of which only the status counts, to keep its connection. One that says more loses it.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Kept open for the next notification.
const IDLE: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("Bookonce/", env!("CARGO_PKG_VERSION"));

type Connector = HttpsConnector<HttpConnector<AddressGuard>>;

/// Posts to endpoints. Clones share connections.
#[derive(Clone)]
pub struct WebhookClient {
    /// For `https:`.
    secure: Client<Connector, Full<Bytes>>,
    secure_guard: AddressGuard,
    /// For `http:`: a network that is named is trusted.
    plain: Client<Connector, Full<Bytes>>,
    plain_guard: AddressGuard,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.secure_guard.fmt(out)
    }
}

/// What is posted.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The same for every attempt.
    pub id: &'a str,
    /// JSON.
    pub document: &'a str,
    /// For a receiver that traces as well.
    pub traceparent: Option<&'a str>,
}

/// An endpoint's URL cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UrlError {
    /// Not an URL with a host.
    #[error("expected https://host/path")]
    Malformed,
    /// Not `https`, nor `http` into a network that is named.
    #[error("expected https; http is for networks that ENDPOINT_NETWORKS names")]
    Scheme,
    /// It holds a name or password, which would be stored and shown.
    #[error("leave user and password out; what is sent is signed")]
    Credentials,
    /// Private.
    #[error("{}", NotAllowed)]
    NotAllowed,
    /// No such name.
    #[error("the host name cannot be resolved")]
    Unresolved,
}

impl WebhookClient {
    /// - `allowed`: networks that are not public and may be posted to.
    ///
    /// # Errors
    ///
    /// The cipher suites do not fit each other.
    pub fn new(allowed: &[IpNet]) -> Result<Self, rustls::Error> {
        let (secure_guard, plain_guard) = (
            AddressGuard::public_or(allowed),
            AddressGuard::only(allowed),
        );
        Ok(Self {
            secure: client(secure_guard.clone())?,
            secure_guard,
            plain: client(plain_guard.clone())?,
            plain_guard,
        })
    }

    fn of_scheme(
        &self,
        url: &Url,
    ) -> Result<(&Client<Connector, Full<Bytes>>, &AddressGuard), UrlError> {
        match url.scheme() {
            "https" => Ok((&self.secure, &self.secure_guard)),
            "http" => Ok((&self.plain, &self.plain_guard)),
            _ => Err(UrlError::Scheme),
        }
    }

    /// Whether `url` may be posted to, as far as its words tell.
    fn check_words(&self, url: &str) -> Result<Url, UrlError> {
        let url = Url::parse(url).map_err(|_| UrlError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        let (_, guard) = self.of_scheme(&url)?;
        let literal = match url.host().ok_or(UrlError::Malformed)? {
            Host::Domain(_) => return Ok(url),
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
        };
        // A connector resolves names only.
        match (guard.allows(literal), url.scheme()) {
            (true, _) => Ok(url),
            (false, "http") if self.secure_guard.allows(literal) => Err(UrlError::Scheme),
            (false, _) => Err(UrlError::NotAllowed),
        }
    }

    /// Whether `url` may be posted to, and its name is known now.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if not.
    pub async fn check(&self, url: &str) -> Result<(), UrlError> {
        let url = self.check_words(url)?;
        let (_, guard) = self.of_scheme(&url)?;
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        let lookup = tokio::net::lookup_host((name, 0));
        let found = tokio::time::timeout(CONNECT_TIMEOUT, lookup).await;
        let Ok(Ok(mut found)) = found else {
            return Err(UrlError::Unresolved);
        };
        match found.find(|it| guard.allows(it.ip())) {
            Some(_) => Ok(()),
            None if url.scheme() == "http" => Err(UrlError::Scheme),
            None => Err(UrlError::NotAllowed),
        }
    }

    /// Posts `message` to `endpoint`.
    ///
    /// # Errors
    ///
    /// [`Failure`] unless it answers 2xx.
    pub async fn post(
        &self,
        endpoint: &endpoint::Model,
        message: Message<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusCode, Failure> {
        let url = self
            .check_words(&endpoint.url)
            .map_err(|error| Failure::later(error.to_string()))?;
        let (client, _) = self
            .of_scheme(&url)
            .map_err(|error| Failure::later(error.to_string()))?;
        let Message { id, document, .. } = message;
        let signature = signature(endpoint, id, document, now)?;
        let mut request = Request::post(url.as_str());
        if let Some(traceparent) = message.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, now.unix_timestamp())
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(Full::from(document.to_owned()))
            .map_err(|_| Failure::later(UrlError::Malformed.to_string()))?;
        let answer = tokio::time::timeout(TIMEOUT, client.request(request)).await;
        let answer = answer
            .map_err(|_| Failure::later(format!("no answer in {} s", TIMEOUT.as_secs())))?
            .map_err(|error| Failure::later(cause(&error)))?;
        let (status, body) = (answer.status(), answer.into_body());
        let rest = Limited::new(body, LONGEST_ANSWER).collect();
        tokio::time::timeout(REST_TIMEOUT, rest).await.ok();
        match status {
            it if it.is_success() => Ok(it),
            StatusCode::GONE => Err(Failure {
                words: "answered 410: it wants no more".to_owned(),
                next: Remedy::SwitchOff,
            }),
            it if it.is_redirection() => Err(Failure::later(format!(
                "answered {}; redirects are not followed",
                it.as_u16()
            ))),
            it => Err(Failure::later(format!("answered {}", it.as_u16()))),
        }
    }
}

fn client(guard: AddressGuard) -> Result<Client<Connector, Full<Bytes>>, rustls::Error> {
    let mut http = HttpConnector::new_with_resolver(guard);
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}

/// By each secret that is valid, so that a receiver may know either.
fn signature(
    endpoint: &endpoint::Model,
    id: &str,
    document: &str,
    now: OffsetDateTime,
) -> Result<String, Failure> {
    let signed = endpoint.secrets_at(now).map(|secret| {
        let webhook = Webhook::new(secret)?;
        webhook.sign(id, now.unix_timestamp(), document.as_bytes())
    });
    let signatures: Result<Vec<String>, _> = signed.collect();
    let signatures = signatures.map_err(|_| Failure::later("its secret cannot be used"))?;
    Ok(signatures.join(" "))
}

/// What is at the bottom of an error, which says most.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
