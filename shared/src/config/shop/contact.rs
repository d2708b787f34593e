//! Where buyers reach a person.

use serde::Serialize;

use crate::{config::http_address::web_address, email::is_email};

/// What [`Contact::parse`] takes.
pub const EXPECTED: &str = "an e-mail address, an address such as https://shop.example.com/contact, or a \
     telephone number such as +49 40 123456";

/// An address to write to, a page or a telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// As people read it, unless it is a page.
    pub text: Option<String>,
    /// Where a click leads.
    pub href: String,
}

impl Contact {
    /// `text`, if it is one of the three.
    pub fn parse(text: &str) -> Option<Self> {
        // What is dialled only within the country.
        let digits = text.replace("(0)", "");
        let digits = digits.replace([' ', '-', '(', ')', '/'], "");
        let href = if is_email(text) {
            format!("mailto:{}", text.replace('%', "%25").replace('?', "%3F"))
        } else if is_telephone(&digits) {
            format!("tel:{digits}")
        } else {
            let href = web_address(text)?;
            return Some(Self { text: None, href });
        };
        let text = Some(text.to_owned());
        Some(Self { text, href })
    }
}

/// International, so that it can be called from everywhere.
fn is_telephone(digits: &str) -> bool {
    let digits = digits.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_writes_calls_or_opens_a_page() {
        for (text, shown, href) in [
            (
                "a@kayak.example",
                Some("a@kayak.example"),
                "mailto:a@kayak.example",
            ),
            (
                "+49 (40) 123-456",
                Some("+49 (40) 123-456"),
                "tel:+4940123456",
            ),
            (
                "+49 (0)40 123456",
                Some("+49 (0)40 123456"),
                "tel:+4940123456",
            ),
            ("https://kayak.example/hi", None, "https://kayak.example/hi"),
        ] {
            let contact = Contact::parse(text).unwrap();

            assert_eq!((contact.text.as_deref(), &*contact.href), (shown, href));
        }
    }
}
