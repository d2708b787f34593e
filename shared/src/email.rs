//! E-mail addresses that can be written to.

use email_address::{EmailAddress, Options};

/// What Stripe accepts: an address of the internet, not of one machine, and without a name beside it.
pub fn is_email(text: &str) -> bool {
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    EmailAddress::parse_with_options(text, options).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_has_a_mailbox_and_a_domain_of_the_internet() {
        for good in [
            "ada@example.com",
            "a+b@sub.example.org",
            "o'brien@example.ie",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.com>",
            "a b@example.com",
            "ada@example.com\nbcc: x@example.com",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
