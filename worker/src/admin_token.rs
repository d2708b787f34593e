//! `ADMIN_TOKEN`, which opens the console where that is on no loopback address.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use shared::config::{ConfigError, Env};
use subtle::ConstantTimeEq;

const VARIABLE: &str = "ADMIN_TOKEN";
const LENGTH: std::ops::RangeInclusive<usize> = 32..=200;

/// The token.
#[derive(Debug, Clone)]
pub struct AdminToken(SecretString);

impl AdminToken {
    /// # Errors
    ///
    /// [`ConfigError`] if it could be guessed, or would not pass a header.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some(token) = env.get(VARIABLE).map(str::trim) else {
            return Ok(None);
        };
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        if !LENGTH.contains(&token.len()) || !token.bytes().all(plain) {
            let expected =
                "expected 32 to 200 letters, digits, - and _; `openssl rand -hex 32` makes it";
            return Err(ConfigError::new(VARIABLE, expected));
        }
        Ok(Some(Self(token.into())))
    }

    /// Whether `given` is it. Takes as long however much of it fits.
    pub fn is(&self, given: &str) -> bool {
        let token = Sha256::digest(self.0.expose_secret());
        token.ct_eq(&Sha256::digest(given)).into()
    }

    /// To make a key of it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}
