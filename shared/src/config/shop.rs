//! How a shop calls itself and what it says of itself, on its pages and in its mails.

mod colour;
mod contact;
mod logo;

pub use self::{colour::Colour, contact::Contact, logo::Logo};

use serde::Serialize;

use crate::{
    config::{ConfigError, Env, http_address::web_address},
    one_line::in_one_line,
};

const LONGEST_NAME: usize = 100;
const LONGEST_WORDS: usize = 500;

/// A merchant's name, looks and small print. What is not set is not shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ShopSettings {
    /// What buyers know it by.
    pub name: Option<String>,
    /// Of its buttons, and of a line at the top of its mails.
    pub colour: Option<Colour>,
    /// Beside its name.
    pub logo: Option<Logo>,
    /// Where buyers reach a person.
    pub contact: Option<Contact>,
    /// A page with the terms it sells by.
    pub terms_url: Option<String>,
    /// A page that says what becomes of a buyer's data.
    pub privacy_url: Option<String>,
    /// What it says about cancelling, in its own words.
    pub cancellation: Option<String>,
}

impl ShopSettings {
    /// Reads `SHOP_NAME`, `SHOP_COLOR`, `SHOP_LOGO`, `SHOP_CONTACT`, `SHOP_TERMS_URL`, `SHOP_PRIVACY_URL`
    /// and `SHOP_CANCELLATION`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first that is wrong.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let name = words(env, "SHOP_NAME", LONGEST_NAME)?;
        let logo = env.get("SHOP_LOGO").map(Logo::load).transpose();
        let logo = logo.map_err(|problem| ConfigError::new("SHOP_LOGO", problem))?;
        if logo.is_some() && name.is_none() {
            let problem = "needs SHOP_NAME, which is read out to those who cannot see it";
            return Err(ConfigError::new("SHOP_LOGO", problem));
        }
        let colour = env.get("SHOP_COLOR").map(|it| {
            let wrong = || ConfigError::new("SHOP_COLOR", "expected a colour such as #0a5c7d");
            Colour::parse(it).ok_or_else(wrong)
        });
        let contact = env.get("SHOP_CONTACT").map(|it| {
            let problem = format!("expected {}", contact::EXPECTED);
            Contact::parse(it).ok_or_else(|| ConfigError::new("SHOP_CONTACT", problem))
        });
        Ok(Self {
            name,
            colour: colour.transpose()?,
            logo,
            contact: contact.transpose()?,
            terms_url: page(env, "SHOP_TERMS_URL")?,
            privacy_url: page(env, "SHOP_PRIVACY_URL")?,
            cancellation: words(env, "SHOP_CANCELLATION", LONGEST_WORDS)?,
        })
    }
}

fn words(env: &Env, variable: &'static str, most: usize) -> Result<Option<String>, ConfigError> {
    let text = env.get(variable).map(in_one_line);
    let text = text.filter(|it| !it.is_empty());
    if text.as_ref().is_some_and(|it| it.chars().count() > most) {
        let problem = format!("expected at most {most} characters");
        return Err(ConfigError::new(variable, problem));
    }
    Ok(text)
}

/// The address of a page, which may have a query and a fragment.
fn page(env: &Env, variable: &'static str) -> Result<Option<String>, ConfigError> {
    let Some(text) = env.get(variable) else {
        return Ok(None);
    };
    web_address(text).map(Some).ok_or_else(|| {
        let problem = "expected an address such as https://shop.example.com/terms";
        ConfigError::new(variable, problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variable: &'static str, value: &str) -> Result<ShopSettings, ConfigError> {
        ShopSettings::from_env(&[(variable, value)].into_iter().collect())
    }

    #[test]
    fn without_settings_a_shop_says_nothing_of_itself() {
        let shop = ShopSettings::from_env(&Env::default()).unwrap();

        assert!(shop.name.is_none() && shop.contact.is_none() && shop.terms_url.is_none());
    }

    #[test]
    fn a_page_may_have_a_query_and_words_are_one_line() {
        let terms = "https://kayak.example/legal?page=terms#top";

        let with_terms = read("SHOP_TERMS_URL", terms).unwrap();
        let with_words = read("SHOP_CANCELLATION", "Free of charge\nuntil noon.").unwrap();

        assert_eq!(with_terms.terms_url.as_deref(), Some(terms));
        let words = with_words.cancellation.unwrap();
        assert_eq!(words, "Free of charge until noon.");
    }

    #[test]
    fn a_logo_needs_a_name_and_has_to_be_there() {
        let file = "../ingress/pages/icon.svg";
        let read = |name: &'static str, logo| {
            let env = [("SHOP_NAME", name), ("SHOP_LOGO", logo)];
            ShopSettings::from_env(&env.into_iter().collect())
        };

        assert!(read("Kayak", file).unwrap().logo.is_some());
        for (name, logo) in [("", file), ("Kayak", "/nowhere/logo.png")] {
            assert_eq!(read(name, logo).unwrap_err().variable, "SHOP_LOGO");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_named() {
        for (variable, value) in [
            ("SHOP_NAME", &*"x".repeat(101)),
            ("SHOP_COLOR", "blue"),
            ("SHOP_COLOR", "#12345g"),
            ("SHOP_CONTACT", "write to us"),
            ("SHOP_CONTACT", "Harbour Kayak <book@kayak.example>"),
            ("SHOP_CONTACT", "me@localhost"),
            ("SHOP_CONTACT", "javascript:alert(1)"),
            ("SHOP_TERMS_URL", "kayak.example/terms"),
            ("SHOP_PRIVACY_URL", "javascript:alert(1)"),
            ("SHOP_PRIVACY_URL", "https://user:secret@kayak.example"),
            ("SHOP_CANCELLATION", &*"x".repeat(501)),
        ] {
            let error = read(variable, value).unwrap_err();

            assert_eq!(error.variable, variable, "{value}");
        }
    }
}
