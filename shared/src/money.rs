//! Money as Stripe counts it.

mod written;

use std::str::FromStr;

pub use self::written::{Marks, written};

/// A sum of money: a whole number of the currency's minor unit.
///
/// `minor_units` is Stripe's `amount`. 1099 in `usd` is 10.99 dollars; 500 in `jpy` is 500
/// yen, because the yen has no minor unit. Never a float: [written] for a person only.
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
    pub fn checked_mul(&self, quantity: i64) -> Option<Self> {
        Some(Self {
            minor_units: self.minor_units.checked_mul(quantity)?,
            currency: self.currency.clone(),
        })
    }
}

/// The largest amount that Stripe charges: eight digits, but for these.
///
/// Source: <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
const LARGEST: i64 = 99_999_999;
const LARGEST_OF: [(&str, i64); 3] = [
    ("cop", 9_999_999_999),
    ("idr", 999_999_999_999),
    ("inr", 999_999_999),
];

/// What Stripe charges in.
///
/// Source: <https://docs.stripe.com/currencies#presentment-currencies>
pub const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd \
     bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp \
     gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt \
     lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr \
     pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs \
     tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw";

/// The smallest amounts that Stripe charges where it settles in the same currency. Of others it
/// tells itself, by the rate of the day.
///
/// Source: <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
pub const SMALLEST: [(&str, i64); 24] = [
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
    ("usd", 50),
];

/// Why Stripe would not charge an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotChargeable {
    /// It is below zero.
    #[error("below zero")]
    Negative,
    /// The currency has no such fraction.
    #[error("not a multiple of {0} minor units, as its currency demands")]
    Step(i64),
    /// A card payment costs more than it would bring.
    #[error("below the smallest charge, {0} minor units")]
    TooSmall(i64),
    /// It has more digits than Stripe takes.
    #[error("above the largest charge, {0} minor units")]
    TooLarge(i64),
}

impl Amount {
    /// Whether Stripe charges this amount. Zero needs no charge.
    ///
    /// # Errors
    ///
    /// [`NotChargeable`], the first reason that applies.
    ///
    /// Source: <https://docs.stripe.com/currencies>
    pub fn check_chargeable(&self) -> Result<(), NotChargeable> {
        self.check_price()?;
        let smallest = self.currency.smallest_charge();
        if self.minor_units > 0 && self.minor_units < smallest {
            return Err(NotChargeable::TooSmall(smallest));
        }
        Ok(())
    }

    /// Whether it can be the price of one of several.
    ///
    /// # Errors
    ///
    /// As [`Self::check_chargeable`], but for [`NotChargeable::TooSmall`].
    pub fn check_price(&self) -> Result<(), NotChargeable> {
        let (step, largest) = (self.currency.step(), self.currency.largest_charge());
        match self.minor_units {
            negative if negative < 0 => Err(NotChargeable::Negative),
            large if large > largest => Err(NotChargeable::TooLarge(largest)),
            other if other.checked_rem(step) != Some(0) => Err(NotChargeable::Step(step)),
            _ => Ok(()),
        }
    }
}

/// A three-letter ISO 4217 code in lower case, as Stripe writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Currency(String);

/// The text is not a three-letter currency code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a three-letter currency code")]
pub struct InvalidCurrency;

impl Currency {
    /// The code in lower case, such as `eur`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether Stripe can charge in it.
    pub fn is_known(&self) -> bool {
        CURRENCIES.split(' ').any(|code| code == self.as_str())
    }

    /// What amounts are a multiple of. Stripe counts some currencies in fractions that cannot be
    /// paid.
    ///
    /// Source: <https://docs.stripe.com/currencies#special-cases>
    pub fn step(&self) -> i64 {
        match self.as_str() {
            "isk" | "ugx" => 100,
            "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
            _ => 1,
        }
    }

    fn smallest_charge(&self) -> i64 {
        let smallest = SMALLEST.iter().find(|(code, _)| *code == self.as_str());
        smallest.map_or(1, |(_, minor_units)| *minor_units)
    }

    fn largest_charge(&self) -> i64 {
        let largest = LARGEST_OF.iter().find(|(code, _)| *code == self.as_str());
        largest.map_or(LARGEST, |(_, minor_units)| *minor_units)
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

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
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
    fn what_stripe_does_not_charge_has_a_reason() {
        use NotChargeable::{Negative, Step, TooLarge, TooSmall};
        for (minor_units, currency, expected) in [
            (0, "eur", Ok(())),
            (50, "eur", Ok(())),
            (49, "eur", Err(TooSmall(50))),
            (29, "gbp", Err(TooSmall(30))),
            (1, "xof", Ok(())),
            (99_999_999, "usd", Ok(())),
            (100_000_000, "usd", Err(TooLarge(99_999_999))),
            (150_000_000, "idr", Ok(())),
            (1_000_000_000_000, "idr", Err(TooLarge(999_999_999_999))),
            (-1, "usd", Err(Negative)),
            (5120, "kwd", Ok(())),
            (5125, "kwd", Err(Step(10))),
            (500, "isk", Ok(())),
            (550, "isk", Err(Step(100))),
        ] {
            let currency: Currency = currency.parse().unwrap();
            let amount = Amount {
                minor_units,
                currency,
            };
            assert_eq!(amount.check_chargeable(), expected, "{amount:?}");
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
