//! Where a site sends its buyers after paying: addresses of its own only.

use url::Url;

/// Longer ones are cut off by some browsers.
const MAX_BYTES: usize = 2000;

/// Whether `text` is an address at one of `origins`.
///
/// Stripe and the buyer's browser get the text as it is, so it has to mean the same to each of them:
/// what only some would read as part of the host, or would leave out, is refused.
pub fn is_allowed(text: &str, origins: &[String]) -> bool {
    let plain = |it: u8| it.is_ascii_graphic() && it != b'\\';
    if text.len() > MAX_BYTES || !text.bytes().all(plain) {
        return false;
    }
    // With its slashes: without them some would read it as a path.
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    if !scheme.is_some_and(|it| it.eq_ignore_ascii_case(url.scheme())) {
        return false;
    }
    let bare = url.username().is_empty() && url.password().is_none();
    bare && origins.contains(&url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_the_sites() {
        let origins = ["https://shop.example", "http://localhost:3000"].map(str::to_owned);
        for good in [
            "https://shop.example/done?session={CHECKOUT_SESSION_ID}#end",
            "https://shop.example",
            "HTTPS://SHOP.example:443/",
            "http://localhost:3000/paid",
        ] {
            assert!(is_allowed(good, &origins), "{good}");
        }
        for bad in [
            "",
            "/done",
            "//shop.example/done",
            "http://shop.example/done",
            "https://shop.example:8443/",
            "https://shop.example.evil.example/",
            "https://shop.example@evil.example/",
            "https://evil.example\\@shop.example/",
            "https://user:secret@shop.example/",
            "https://evil.example/?https://shop.example/",
            "https://shop.example/a b",
            "https://shop.example/\n",
            "https://shop.exämple/",
            "https:shop.example/done",
            "blob:https://shop.example/done",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            assert!(!is_allowed(bad, &origins), "{bad}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(2000));
        assert!(!is_allowed(&long, &origins));
    }
}
