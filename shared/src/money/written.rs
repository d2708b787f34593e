//! Money as people write it: 49.00 EUR, 5,000 JPY.

use std::fmt;

use crate::money::{Amount, Currency};

/// Without a smaller unit.
///
/// Source: <https://docs.stripe.com/currencies#zero-decimal>
const ZERO_DECIMAL: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
/// Stripe counts hundredths of them, which cannot be paid.
const SHOWN_WHOLE: [&str; 2] = ["isk", "ugx"];
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// What stands in a number, which differs between languages.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    /// Before the fraction.
    pub decimal: &'a str,
    /// Between thousands.
    pub thousands: &'a str,
}

impl Marks<'static> {
    /// As English has them.
    pub const ENGLISH: Self = Self {
        decimal: ".",
        thousands: ",",
    };
}

impl Currency {
    /// Digits behind the decimal mark, of those that Stripe counts.
    fn decimals(&self) -> u32 {
        match self.as_str() {
            code if ZERO_DECIMAL.contains(&code) => 0,
            code if THREE_DECIMAL.contains(&code) => 3,
            _ => 2,
        }
    }
}

impl Amount {
    /// As [`Self::parse`] reads it.
    pub fn plain(&self) -> String {
        let marks = Marks {
            thousands: "",
            ..Marks::ENGLISH
        };
        let written = self.written(marks);
        let number = written.split(' ').next().unwrap_or_default();
        number.to_owned()
    }

    /// With the code of the currency behind it.
    pub fn written(&self, marks: Marks<'_>) -> String {
        let decimals = self.currency.decimals();
        let one = 10_u64.saturating_pow(decimals);
        let counted = self.minor_units.unsigned_abs();
        let whole = counted.checked_div(one).unwrap_or_default();
        let rest = counted.checked_rem(one).unwrap_or_default();
        let is_whole = SHOWN_WHOLE.contains(&self.currency.as_str()) && rest == 0;
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let whole = grouped(whole, marks.thousands);
        let code = self.currency.as_str().to_uppercase();
        if decimals == 0 || is_whole {
            return format!("{sign}{whole} {code}");
        }
        let (mark, width) = (marks.decimal, usize::try_from(decimals).unwrap_or_default());
        format!("{sign}{whole}{mark}{rest:0width$} {code}")
    }
}

fn grouped(number: u64, mark: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(place);
        if place > 0 && left.checked_rem(3) == Some(0) {
            text.push_str(mark);
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written(Marks::ENGLISH))
    }
}

impl Amount {
    /// Reads an amount as people write it, such as `12.50`, without marks between thousands.
    pub fn parse(text: &str, currency: Currency) -> Option<Self> {
        let decimals = usize::try_from(currency.decimals()).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > decimals {
            return None;
        }
        let counted = format!("{whole}{fraction:0<decimals$}");
        Some(Self {
            minor_units: counted.parse().ok()?,
            currency,
        })
    }
}

/// `minor_units` of a currency that may be none: then as the number it is.
pub fn written(minor_units: i64, currency: &str, marks: Marks<'_>) -> String {
    match currency.parse() {
        Ok(currency) => Amount {
            minor_units,
            currency,
        }
        .written(marks),
        Err(_) => format!("{minor_units} {currency}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_digits_that_the_currency_has() {
        for (minor_units, currency, expected) in [
            (4900, "eur", "49.00 EUR"),
            (5, "eur", "0.05 EUR"),
            (-1250, "usd", "-12.50 USD"),
            (123_456_789, "usd", "1,234,567.89 USD"),
            (5000, "jpy", "5,000 JPY"),
            (500_000, "isk", "5,000 ISK"),
            (512_340, "kwd", "512.340 KWD"),
            (999, "zz", "999 zz"),
        ] {
            assert_eq!(written(minor_units, currency, Marks::ENGLISH), expected);
        }
        let read = |text: &str, currency: &str| {
            let amount = Amount::parse(text, currency.parse().unwrap());
            amount.map(|it| it.minor_units)
        };
        assert_eq!(read("12.50", "eur"), Some(1250));
        assert_eq!(read("12.5", "eur"), Some(1250));
        assert_eq!(read("12", "eur"), Some(1200));
        assert_eq!(read("5000", "jpy"), Some(5000));
        assert_eq!(read("1.234", "kwd"), Some(1234));
        for (wrong, currency) in [
            ("12.505", "eur"),
            ("1.5", "jpy"),
            ("-1", "eur"),
            ("", "eur"),
            ("1,5", "eur"),
            ("1e3", "eur"),
        ] {
            assert_eq!(read(wrong, currency), None, "{wrong}");
        }
        let german = Marks {
            decimal: ",",
            thousands: ".",
        };
        assert_eq!(written(123_456, "eur", german), "1.234,56 EUR");
    }
}
