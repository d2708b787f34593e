//! Ids that Stripe gave out, and which of its two worlds they belong to.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// Longest id accepted. Stripe promises at most 255 characters and uses about 66; a little
/// is kept free because AMQP limits `message_id`, which is `confirm:<session id>`, to 255.
///
/// Source: <https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backward-compatible>
const MAX_LENGTH: usize = 240;

/// The id of a Checkout Session: `cs_test_…` or `cs_live_…`.
///
/// Always checked, because a browser may have chosen it and async-stripe puts ids into
/// the request path as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct CheckoutSessionId(String);

/// The text cannot be the id of a Checkout Session.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Checkout Session id (cs_test_… or cs_live_…)")]
pub struct InvalidCheckoutSessionId;

impl CheckoutSessionId {
    /// The id as Stripe wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CheckoutSessionId {
    type Err = InvalidCheckoutSessionId;

    fn from_str(id: &str) -> Result<Self, InvalidCheckoutSessionId> {
        let random = id
            .strip_prefix("cs_test_")
            .or_else(|| id.strip_prefix("cs_live_"))
            .ok_or(InvalidCheckoutSessionId)?;
        let plausible = id.len() <= MAX_LENGTH
            && random.len() >= 10
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if plausible {
            Ok(Self(id.to_owned()))
        } else {
            Err(InvalidCheckoutSessionId)
        }
    }
}

impl TryFrom<String> for CheckoutSessionId {
    type Error = InvalidCheckoutSessionId;

    fn try_from(id: String) -> Result<Self, InvalidCheckoutSessionId> {
        id.parse()
    }
}

impl fmt::Display for CheckoutSessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether `id` can be an id of Stripe's with one of `prefixes`, such as `pi_`. async-stripe puts
/// ids into the request path as they are.
pub fn is_plausible_id(prefixes: &[&str], id: &str) -> bool {
    let random = prefixes.iter().find_map(|prefix| id.strip_prefix(prefix));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    random.is_some_and(|it| !it.is_empty() && it.bytes().all(plain)) && id.len() <= MAX_LENGTH
}

/// Whether real money moves. Stripe keeps the two worlds apart, and so does a deployment:
/// it serves the mode of its secret key and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `sk_test_…`, `livemode: false`.
    Test,
    /// `sk_live_…`, `livemode: true`.
    Live,
}

impl Mode {
    /// The mode of a secret (`sk_…`) or restricted (`rk_…`) key, or `None` for another text.
    pub fn of_secret_key(key: &str) -> Option<Self> {
        let rest = key
            .strip_prefix("sk_")
            .or_else(|| key.strip_prefix("rk_"))?;
        if rest.len() > "test_".len() && rest.starts_with("test_") {
            Some(Self::Test)
        } else if rest.len() > "live_".len() && rest.starts_with("live_") {
            Some(Self::Live)
        } else {
            None
        }
    }

    /// Stripe's `livemode`.
    pub fn livemode(self) -> bool {
        self == Self::Live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_a_prefix_and_letters_or_digits() {
        let longest = format!("cs_test_{}", "a".repeat(MAX_LENGTH - "cs_test_".len()));
        for good in ["cs_test_a1B2c3D4e5", "cs_live_0123456789", &longest] {
            assert_eq!(good.parse::<CheckoutSessionId>().unwrap().as_str(), good);
        }
        let too_long = format!("{longest}a");
        for bad in [
            "",
            "cs_test_",
            "cs_test_short",
            "cs_other_a1B2c3D4e5",
            "pi_a1B2c3D4e5F6",
            "cs_test_a1B2c3D4e5/../refunds?x=",
            "cs_test_a1B2c3D4e5\n",
            "cs_test_ä1B2c3D4e5",
            &too_long,
        ] {
            assert!(bad.parse::<CheckoutSessionId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_key_names_the_mode() {
        assert_eq!(Mode::of_secret_key("sk_test_1"), Some(Mode::Test));
        assert_eq!(Mode::of_secret_key("rk_live_1"), Some(Mode::Live));
        for bad in ["", "sk_test_", "pk_test_1", "sk_1", "whsec_1"] {
            assert_eq!(Mode::of_secret_key(bad), None, "{bad:?}");
        }
    }
}
