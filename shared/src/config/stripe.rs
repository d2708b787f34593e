//! How to reach Stripe, and what it signs with.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::{
    config::{ConfigError, Env, http_address::http_url, plaintext},
    stripe::id::Mode,
};

/// Of a hash of 64.
const FINGERPRINT_DIGITS: usize = 12;

/// How to reach Stripe's API.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// The mode the key belongs to.
    pub mode: Mode,
    /// Another base address than `https://api.stripe.com`, such as the stand-in's.
    pub api_base: Option<String>,
}

impl StripeSettings {
    /// Reads `STRIPE_SECRET_KEY` and `STRIPE_API_BASE`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the key is missing or no secret key, or the base is no http URL, or one of another machine
    /// without TLS.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "sk_test_…, sk_live_…, rk_test_… or rk_live_…";
        let key = env.required("STRIPE_SECRET_KEY", EXPECTED)?;
        let mode = Mode::of_secret_key(key)
            // It becomes part of a header.
            .filter(|_| key.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| ConfigError::new("STRIPE_SECRET_KEY", format!("expected {EXPECTED}")))?;
        let api_base = env
            .get("STRIPE_API_BASE")
            .map(|base| http_url("STRIPE_API_BASE", base))
            .transpose()?;
        let is_plain = |base: &String| {
            let url = url::Url::parse(base).ok();
            let host = url
                .as_ref()
                .and_then(|it| it.host_str())
                .unwrap_or_default();
            let is_plain = url.as_ref().is_some_and(|it| it.scheme() == "http");
            is_plain && !plaintext::is_allowed(env, host)
        };
        if api_base.as_ref().is_some_and(is_plain) {
            return Err(plaintext::refused("STRIPE_API_BASE", "https://…"));
        }
        Ok(Self {
            secret_key: key.into(),
            mode,
            api_base,
        })
    }
}

/// Of what follows `whsec_`. Stripe's have 32 characters, those of its CLI 64.
const SHORTEST: usize = 10;

/// The secrets of our webhook endpoint: one, or the old and the new while it is rotated.
#[derive(Debug, Clone)]
pub struct EndpointSecrets(Vec<SecretString>);

impl EndpointSecrets {
    /// Reads `STRIPE_WEBHOOK_SECRET`. A short secret is refused, since a signature made with it would prove
    /// nothing, and one with a space or quotes, which are no part of it and would refuse every event.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is none or one is not `whsec_…`.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "STRIPE_WEBHOOK_SECRET";
        const EXPECTED: &str = "whsec_… as Stripe shows it, or several separated by commas";
        let text = env.required(VARIABLE, EXPECTED)?;
        let secrets: Vec<_> = text.split(',').map(str::trim).collect();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
        let plausible = |secret: &&str| {
            secret
                .strip_prefix("whsec_")
                .is_some_and(|random| random.len() >= SHORTEST && random.chars().all(is_part))
        };
        if !secrets.iter().all(plausible) {
            return Err(ConfigError::new(VARIABLE, format!("expected {EXPECTED}")));
        }
        if secrets.len() > 4 {
            return Err(ConfigError::new(VARIABLE, "expected at most 4 secrets"));
        }
        Ok(Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// The secrets, to check a signature with.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ExposeSecret::expose_secret)
    }

    /// What each is called where it may be read: enough to tell them apart, too little to sign with.
    pub fn fingerprints(&self) -> impl Iterator<Item = String> {
        self.expose()
            .map(|it| hex::encode(Sha256::digest(it)).split_off(64 - FINGERPRINT_DIGITS))
    }
}
