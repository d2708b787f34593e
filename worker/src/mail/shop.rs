//! The shop, as its mails call it.

use lettre::message::Mailbox;
use serde::Serialize;
use shared::{
    booking_link::LinkSecrets,
    config::{Colour, ConfigError, Contact, Env, Logo, ShopSettings, http_address::http_url},
    one_line::in_one_line,
};
use url::Url;

use crate::mail::document::Booking;

/// Whose mails they are.
#[derive(Debug, Clone, Serialize)]
pub struct Shop {
    /// Its name.
    pub name: String,
    /// Of a line at the top.
    pub colour: Option<Colour>,
    /// Its logo, if programs that read mail can show it.
    pub logo: Option<Logo>,
    /// Where buyers reach a person.
    pub contact: Option<Contact>,
    /// What it says about cancelling, in its own words.
    pub cancellation: Option<String>,
    /// Where its pages are.
    pub url: String,
    /// The host of them.
    #[serde(skip)]
    pub host: String,
    /// What links to a booking are signed with.
    #[serde(skip)]
    pub link_secrets: LinkSecrets,
}

impl Shop {
    /// Reads `PUBLIC_URL`, `LINK_SECRET` and [`ShopSettings`].
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
        let shop = ShopSettings::from_env(env)?;
        let name = shop.name.as_deref().or(from.name.as_deref());
        Ok(Self {
            name: in_one_line(name.unwrap_or(&host)),
            colour: shop.colour,
            logo: shop.logo.filter(Logo::is_for_mail),
            contact: shop.contact,
            cancellation: shop.cancellation,
            url,
            host,
            link_secrets: LinkSecrets::from_env(env)?,
        })
    }

    /// Where the buyer sees `booking` and can cancel it, if links are signed. What proves that it is theirs
    /// comes after the `#`, which no browser sends and no server logs.
    pub fn booking_url(&self, booking: &Booking) -> Option<String> {
        let token = self.link_secrets.token(booking.id)?;
        let (url, reference) = (&self.url, &booking.reference);
        Some(format!("{url}/booking#{reference}.{token}"))
    }
}
