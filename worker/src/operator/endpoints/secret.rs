//! Secrets of endpoints, as Standard Webhooks has them: `whsec_` and 24 to 64 bytes in base64.

use anyhow::ensure;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::RngExt;

const PREFIX: &str = "whsec_";

/// A new one.
pub fn new() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// One of a receiver's own, if it is one.
pub fn checked(secret: String) -> anyhow::Result<String> {
    let bytes = secret.strip_prefix(PREFIX).map(|it| STANDARD.decode(it));
    let plausible = matches!(bytes, Some(Ok(bytes)) if (24..=64).contains(&bytes.len()));
    ensure!(
        plausible,
        "--secret: expected whsec_ and 24 to 64 bytes in base64"
    );
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_enough_and_no_other() {
        assert!(checked(new()).is_ok());
        assert_ne!(new(), new());
        for wrong in [
            "whsec_",
            "whsec_c2hvcnQ=",
            "c2hvcnQ=",
            "whsec_not base64 at all not base64",
        ] {
            assert!(checked(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
