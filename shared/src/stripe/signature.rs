//! Whether Stripe sent an event. Ingress asks it of a request; the worker asks again of each
//! message, because others than ingress may be able to publish.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far a signature's timestamp may lie from now, either way. Stripe's own libraries
/// use 5 minutes.
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Stripe sends one `v1` per active secret. More than this is not Stripe, and each costs
/// a comparison.
const MAX_SIGNATURES: usize = 16;
/// As many of them, and some of other schemes. The header travels with the message.
pub const MAX_HEADER_BYTES: usize = 2048;

/// Why a request to the webhook endpoint is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is missing.
    #[error("no `Stripe-Signature` header")]
    NotSigned,
    /// The header cannot be read.
    #[error("malformed `Stripe-Signature` header")]
    InvalidHeader,
    /// Authentic, but from another time: a replay, or a clock that is wrong.
    #[error("signature timestamp outside the tolerance")]
    TooOld,
    /// The payload was signed with none of the secrets.
    #[error("no `v1` signature matches the payload")]
    NoValidSignature,
}

/// What a signature proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// When Stripe signed, in seconds since the Unix epoch.
    pub at: i64,
    /// Position of the secret; of several that match, the first.
    pub secret: usize,
}

/// Checks that Stripe signed `payload` with one of `endpoint_secrets`, and just now.
///
/// - `payload`: the request body byte for byte; one that was parsed and written again no
///   longer matches.
/// - `header`: the value of `Stripe-Signature`, such as `t=1735689600,v1=5257a8…`. It holds
///   several `v1` while the secret is being rolled; one match is enough.
/// - `now`: seconds since the Unix epoch, a parameter so that tests choose it.
///
/// # Errors
///
/// One [`SignatureError`] for each way the check can fail. The comparison takes constant
/// time, and the timestamp is looked at only once the signature has proven it genuine.
///
/// Source: <https://docs.stripe.com/webhooks#verify-manually>
pub fn verify<'a>(
    payload: &[u8],
    header: &str,
    endpoint_secrets: impl IntoIterator<Item = &'a str>,
    now: i64,
) -> Result<Signed, SignatureError> {
    let signed = authenticate(payload, header, endpoint_secrets)?;
    if now.abs_diff(signed.at) > TOLERANCE.as_secs() {
        return Err(SignatureError::TooOld);
    }
    Ok(signed)
}

/// The same, whenever it was: a message may wait for days, and be replayed after months.
///
/// # Errors
///
/// As [`verify`], but for [`SignatureError::TooOld`].
pub fn authenticate<'a>(
    payload: &[u8],
    header: &str,
    endpoint_secrets: impl IntoIterator<Item = &'a str>,
) -> Result<Signed, SignatureError> {
    let header = Header::parse(header)?;
    let secret = endpoint_secrets
        .into_iter()
        .position(|secret| header.is_signed_with(secret, payload));
    let at = header.signed_at;
    secret
        .map(|secret| Signed { at, secret })
        .ok_or(SignatureError::NoValidSignature)
}

/// When `header` says that it was signed, which is proven by nothing, in seconds since the Unix epoch.
pub fn claimed_time(header: &str) -> Option<i64> {
    Header::parse(header).ok().map(|it| it.signed_at)
}

struct Header<'a> {
    /// As written: the signature covers the text, not the number.
    timestamp: &'a str,
    signed_at: i64,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Header<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        let mut timestamp = None;
        let mut signatures = Vec::new();
        if header.len() > MAX_HEADER_BYTES {
            return Err(SignatureError::InvalidHeader);
        }
        for pair in header.split(',') {
            // Some proxies put a space after each comma.
            let pair = pair.trim_matches([' ', '\t']);
            match pair.split_once('=').ok_or(SignatureError::InvalidHeader)? {
                ("t", value) if timestamp.is_none() => timestamp = Some(value),
                ("t", _second) => return Err(SignatureError::InvalidHeader),
                ("v1", value) => {
                    if signatures.len() == MAX_SIGNATURES {
                        return Err(SignatureError::InvalidHeader);
                    }
                    let mut signature = [0; 32];
                    // What is not 32 bytes of hex matches nothing; another `v1` may.
                    if hex::decode_to_slice(value, &mut signature).is_ok() {
                        signatures.push(signature);
                    }
                }
                _other_scheme => {}
            }
        }
        let timestamp = timestamp.ok_or(SignatureError::InvalidHeader)?;
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SignatureError::InvalidHeader);
        }
        let signed_at = timestamp
            .parse()
            .map_err(|_| SignatureError::InvalidHeader)?;
        Ok(Self {
            timestamp,
            signed_at,
            signatures,
        })
    }

    fn is_signed_with(&self, secret: &str, payload: &[u8]) -> bool {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(self.timestamp.as_bytes());
        mac.update(b".");
        mac.update(payload);
        self.signatures
            .iter()
            .any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}

#[cfg(test)]
mod tests;
