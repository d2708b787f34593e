//! The buyer's language: as the order says, or as the browser prefers.

use axum::http::{HeaderMap, header::ACCEPT_LANGUAGE};

use crate::http::error::FieldError;

/// A language, a script, a region, and what else of BCP 47 anyone writes.
const MOST_SUBTAGS: usize = 5;

/// What an order says. What is wrong with it goes to `errors`.
pub fn check(locale: Option<String>, errors: &mut Vec<FieldError>) -> Option<String> {
    let locale = locale.map(|it| it.trim().to_owned())?;
    if !is_locale(&locale) {
        let message = "Use a language tag such as de or de-AT.";
        errors.push(FieldError::new("locale", message));
    }
    Some(locale)
}

/// The first that the browser names; browsers name the one they like best first.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#field.accept-language>
pub fn accepted(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let first = header.split([',', ';']).next()?.trim();
    is_locale(first).then(|| first.to_owned())
}

/// Whether it reads like `de`, `de-AT` or `zh-Hant-TW`.
fn is_locale(text: &str) -> bool {
    let mut subtags = text.split('-');
    let language = subtags.next().unwrap_or_default();
    let is_language =
        (2..=3).contains(&language.len()) && language.bytes().all(|it| it.is_ascii_alphabetic());
    let fits = |it: &str| {
        (1..=8).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    is_language && text.split('-').count() <= MOST_SUBTAGS && subtags.all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_a_language_with_what_belongs_to_it() {
        for good in ["de", "de-AT", "zh-Hant-TW", "es-419", "fil"] {
            assert!(is_locale(good), "{good}");
        }
        for bad in [
            "",
            "d",
            "german",
            "de_AT",
            "*",
            "de-",
            "de-abcdefghi",
            "d1",
            "../de",
        ] {
            assert!(!is_locale(bad), "{bad}");
        }
    }

    #[test]
    fn the_first_that_a_browser_names_counts() {
        let accepts = |text: &str| {
            accepted(&HeaderMap::from_iter([(
                ACCEPT_LANGUAGE,
                text.parse().unwrap(),
            )]))
        };

        assert_eq!(accepts("de-AT,de;q=0.9,en;q=0.8"), Some("de-AT".to_owned()));
        assert_eq!(accepts("fr;q=0.7"), Some("fr".to_owned()));
        assert_eq!(accepts("*"), None);
    }
}
