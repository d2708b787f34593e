//! Money as Stripe counts it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A sum of money: a whole number of the currency's minor unit.
///
/// `minor_units` is Stripe's `amount`. 1099 in `usd` is 10.99 dollars; 500 in `jpy` is 500
/// yen, because the yen has no minor unit. Never a float and never divided by 100 here:
/// only the page that shows it to a person formats it.
///
/// Source: <https://docs.stripe.com/currencies#zero-decimal>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// Stripe's `amount`, `unit_amount` or `amount_total`.
    pub minor_units: i64,
    /// What the minor units are of.
    pub currency: Currency,
}

impl Amount {
    /// The price of `quantity` pieces, or `None` if no `i64` can hold it.
    #[must_use]
    pub fn checked_mul(&self, quantity: i64) -> Option<Self> {
        Some(Self {
            minor_units: self.minor_units.checked_mul(quantity)?,
            currency: self.currency.clone(),
        })
    }
}

/// A three-letter ISO 4217 code in lower case, as Stripe writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

/// The text is not a three-letter currency code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a three-letter currency code")]
pub struct InvalidCurrency;

impl Currency {
    /// The code in lower case, such as `eur`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(code: &str) -> Result<Self, InvalidCurrency> {
        if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            Ok(Self(code.to_ascii_lowercase()))
        } else {
            Err(InvalidCurrency)
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(code: String) -> Result<Self, InvalidCurrency> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_letters_in_lower_case() {
        assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "eur");
        for bad in ["", "eu", "euro", "e1r", "€"] {
            assert_eq!(bad.parse::<Currency>(), Err(InvalidCurrency), "{bad}");
        }
    }

    #[test]
    fn a_total_that_no_integer_can_hold_is_not_a_price() {
        let price = Amount {
            minor_units: i64::MAX / 2,
            currency: "usd".parse().unwrap(),
        };

        assert_eq!(price.checked_mul(1).unwrap(), price);
        assert_eq!(price.checked_mul(3), None);
    }
}
