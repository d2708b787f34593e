//! http(s) addresses in the configuration, checked.

use crate::config::ConfigError;

/// Checks that `text` is an http(s) URL without query or fragment and takes off its
/// trailing slash, so that a path can be appended.
///
/// # Errors
///
/// [`ConfigError`] naming `variable`.
pub fn http_url(variable: &'static str, text: &str) -> Result<String, ConfigError> {
    let valid = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if valid {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(ConfigError::new(
            variable,
            "expected an address such as https://shop.example.com",
        ))
    }
}

/// `text`, if a browser can go there.
pub fn web_address(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let is_page = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_plain = url.username().is_empty() && url.password().is_none();
    (is_page && is_plain).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_loses_its_trailing_slash_and_must_be_http() {
        assert_eq!(
            http_url("PUBLIC_URL", "https://a.example/").unwrap(),
            "https://a.example"
        );
        for bad in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https://a.example/?x=1",
        ] {
            assert_eq!(
                http_url("PUBLIC_URL", bad).unwrap_err().variable,
                "PUBLIC_URL",
                "{bad}"
            );
        }
    }
}
