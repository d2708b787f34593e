//! Keys with which a site proves that it is the site: not a buyer, and not another site's page.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use shared::config::{ConfigError, Env};
use subtle::{Choice, ConstantTimeEq};

const VARIABLE: &str = "SITE_API_KEYS";
const EXPECTED: &str = "1 to 4 keys of 32 to 200 letters, digits, - and _, separated by commas; `openssl rand -hex 32` makes one";
const LENGTH: std::ops::RangeInclusive<usize> = 32..=200;
const MOST: usize = 4;

/// The keys that are valid: one, or the old and the new while it is rotated. None turns off what asks
/// for one.
#[derive(Debug, Clone, Default)]
pub struct SiteKeys(Vec<SecretString>);

impl SiteKeys {
    /// # Errors
    ///
    /// [`ConfigError`] if one of them could be guessed, or would not pass a header.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let keys = env.get(VARIABLE).map(|keys| keys.split(',').map(str::trim));
        let keys: Vec<&str> = keys.into_iter().flatten().collect();
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        let plausible = |key: &&str| LENGTH.contains(&key.len()) && key.bytes().all(plain);
        if keys.len() > MOST || !keys.iter().all(plausible) {
            return Err(ConfigError::new(VARIABLE, format!("expected {EXPECTED}")));
        }
        Ok(Self(keys.into_iter().map(SecretString::from).collect()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `given` is one of them. Takes as long whichever it is, and however much of it fits.
    pub fn has(&self, given: &str) -> bool {
        let given = Sha256::digest(given);
        let same = |key: &SecretString| given.ct_eq(&Sha256::digest(key.expose_secret()));
        self.0
            .iter()
            .map(same)
            .fold(Choice::from(0), |any, one| any | one)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<SiteKeys, ConfigError> {
        SiteKeys::from_env(&[(VARIABLE, text)].into_iter().collect())
    }

    #[test]
    fn each_key_opens_and_nothing_else_does() {
        let (old, new) = ("o".repeat(32), "n".repeat(64));

        let both = keys(&format!("{old}, {new}")).unwrap();

        assert!(both.has(&old) && both.has(&new));
        for wrong in ["", &old[..31], &new[..32], &format!("{old}o"), "o,n"] {
            assert!(!both.has(wrong), "{wrong}");
        }
        assert!(!keys("").unwrap().has(""));
    }

    #[test]
    fn a_key_that_could_be_guessed_is_refused_without_repeating_it() {
        for bad in [
            "changeme",
            &"ü".repeat(20),
            &"k ".repeat(20),
            &"k".repeat(201),
        ] {
            let error = keys(bad).unwrap_err().to_string();
            assert!(
                error.starts_with(VARIABLE) && !error.contains(bad),
                "{error}"
            );
        }
        let five = vec!["k".repeat(32); 5].join(",");
        assert!(keys(&five).is_err());
    }
}
