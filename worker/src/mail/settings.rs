//! Which mail server, from whom, in which words.

use std::path::PathBuf;

use lettre::message::Mailbox;
use shared::config::{ConfigError, Env};

use crate::mail::{
    shop::Shop,
    templates::Templates,
    transport::{self, Transport},
};

/// Everything about mail, checked.
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

impl MailSettings {
    /// Reads `SMTP_URL`, without which there is no mail, and `MAIL_FROM`, `MAIL_MERCHANT`,
    /// `MAIL_TEMPLATES`, `PUBLIC_URL`, `LINK_SECRET` and what the shop says of itself.
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
