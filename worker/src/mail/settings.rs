//! Which mail server, from whom, in which words.

use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::Serialize;
use shared::config::{ConfigError, Env, http_address::http_url};
use url::Url;

use crate::mail::{
    facts::in_one_line,
    templates::Templates,
    transport::{self, Transport},
};

/// Everything about mail, checked.
#[derive(Clone)]
pub struct MailSettings {
    /// To the server.
    pub transport: Transport,
    /// From whom mails are.
    pub from: Mailbox,
    /// Who gets a line of each booking, if anyone.
    pub merchant: Option<Mailbox>,
    /// What they look like.
    pub templates: Templates,
    /// Whose they are.
    pub shop: Shop,
}

/// The shop, as it calls itself.
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

impl MailSettings {
    /// Reads `SMTP_URL`, without which there is no mail, and `MAIL_FROM`, `MAIL_MERCHANT`,
    /// `MAIL_TEMPLATES`, `PUBLIC_URL`, `SHOP_NAME` and `SHOP_COLOR`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first that is missing or wrong, a template that cannot be filled
    /// included.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some(url) = env.get("SMTP_URL") else {
            return Ok(None);
        };
        let from = mailbox(env, "MAIL_FROM")?.ok_or_else(|| {
            ConfigError::new("MAIL_FROM", format!("is not set; expected {MAILBOX}"))
        })?;
        let shop = Shop::from_env(env, &from)?;
        let transport = transport::transport(url, &shop.host).ok_or_else(|| {
            ConfigError::new("SMTP_URL", format!("expected {}", transport::EXPECTED))
        })?;
        let folder = env.get("MAIL_TEMPLATES").map(PathBuf::from);
        let templates = Templates::load(folder.as_deref())
            .and_then(|it| it.check(&shop).map(|()| it))
            .map_err(|problem| ConfigError::new("MAIL_TEMPLATES", problem))?;
        Ok(Some(Self {
            transport,
            merchant: mailbox(env, "MAIL_MERCHANT")?,
            from,
            templates,
            shop,
        }))
    }
}

const MAILBOX: &str = "an address such as Harbour Kayak <book@example.com>";

fn mailbox(env: &Env, variable: &'static str) -> Result<Option<Mailbox>, ConfigError> {
    let parsed = env.get(variable).map(str::parse).transpose();
    parsed.map_err(|_| ConfigError::new(variable, format!("expected {MAILBOX}")))
}

impl Shop {
    fn from_env(env: &Env, from: &Mailbox) -> Result<Self, ConfigError> {
        let url = env.required(
            "PUBLIC_URL",
            "where buyers reach the shop; mails lead there",
        )?;
        let url = http_url("PUBLIC_URL", url)?;
        let host = Url::parse(&url)
            .ok()
            .and_then(|it| it.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        let name = env
            .get("SHOP_NAME")
            .or(from.name.as_deref())
            .unwrap_or(&host);
        let colour = env.get("SHOP_COLOR");
        if !colour.is_none_or(is_colour) {
            return Err(ConfigError::new(
                "SHOP_COLOR",
                "expected a colour such as #0a5c7d",
            ));
        }
        Ok(Self {
            name: in_one_line(name),
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
