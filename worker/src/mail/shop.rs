//! The shop, as its mails call it.

use lettre::message::Mailbox;
use serde::Serialize;
use shared::config::{ConfigError, Env, http_address::http_url};
use url::Url;

/// Whose mails they are.
#[derive(Debug, Clone, Serialize)]
pub struct Shop {
    /// Its name.
    pub name: String,
    /// Of a line at the top: `#rrggbb`.
    pub colour: Option<String>,
    /// Where its pages are.
    pub url: String,
    /// The host of them.
    #[serde(skip)]
    pub host: String,
}

impl Shop {
    /// Reads `PUBLIC_URL`, `SHOP_NAME` and `SHOP_COLOR`.
    ///
    /// - `from`: who it is, if it has no name.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first that is missing or wrong.
    pub fn from_env(env: &Env, from: &Mailbox) -> Result<Self, ConfigError> {
        let url = env.required(
            "PUBLIC_URL",
            "where buyers reach the shop; mails lead there",
        )?;
        let url = http_url("PUBLIC_URL", url)?;
        let host = Url::parse(&url).ok();
        let host = host.and_then(|it| it.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        let name = env.get("SHOP_NAME").or(from.name.as_deref());
        let colour = env.get("SHOP_COLOR");
        if !colour.is_none_or(is_colour) {
            let problem = "expected a colour such as #0a5c7d";
            return Err(ConfigError::new("SHOP_COLOR", problem));
        }
        Ok(Self {
            name: in_one_line(name.unwrap_or(&host)),
            colour: colour.map(str::to_owned),
            url,
            host,
        })
    }
}

fn is_colour(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|it| it.is_ascii_hexdigit())
}

/// No name adds a line to a mail.
pub fn in_one_line(text: &str) -> String {
    let words = text.split(|it: char| it.is_control() || it.is_whitespace());
    let words: Vec<&str> = words.filter(|it| !it.is_empty()).collect();
    words.join(" ")
}
