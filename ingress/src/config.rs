//! The settings of ingress.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use ipnet::IpNet;
use shared::{
    booking_link::LinkSecrets,
    checkout_options::CheckoutOptions,
    config::{
        ConfigError, DatabaseSettings, EndpointSecrets, Env, QueueSettings, ShopSettings,
        StripeSettings, http_address::http_url,
    },
    unreadable::Unreadable,
};

use crate::{check_options::check_options, site_key::SiteKeys};

/// Everything ingress reads from the environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the public API and the pages listen.
    pub listen_addr: SocketAddr,
    /// Where the probes listen.
    pub admin_addr: SocketAddr,
    /// How buyers and Stripe reach us, without a trailing slash.
    pub public_url: String,
    /// Origins of other sites whose pages may call the shop's API.
    pub cors_origins: Vec<String>,
    /// Origins that buyers may be sent to after paying, ours among them.
    pub return_origins: Vec<String>,
    /// With which a site opens checkouts that it prices itself.
    pub site_keys: SiteKeys,
    /// What the session of an order may do, if the order itself does not say.
    pub checkout_options: CheckoutOptions,
    /// Proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Seats that one client may order at once, and in a minute from then on; 0 is no limit.
    pub orders_per_minute: u32,
    /// Seats that one client may have on hold, unpaid; 0 is no limit.
    pub held_seats_per_client: u32,
    /// Sessions that are opened for all buyers at once, and in a minute from then on; 0 is no limit.
    pub sessions_per_minute: u32,
    /// What Stripe signs events with.
    pub endpoint_secrets: EndpointSecrets,
    /// What links to a booking are signed with.
    pub link_secrets: LinkSecrets,
    /// What the pages say of the merchant.
    pub shop: ShopSettings,
    /// How long seats are held for a buyer who has not paid yet.
    pub hold: time::Duration,
    /// See [`DatabaseSettings`].
    pub database: DatabaseSettings,
    /// See [`QueueSettings`].
    pub queue: QueueSettings,
    /// See [`StripeSettings`].
    pub stripe: StripeSettings,
}

impl Config {
    /// # Errors
    ///
    /// [`ConfigError`] for the first variable that is missing or wrong.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let listen_addr = env.socket_addr("LISTEN_ADDR", ([127, 0, 0, 1], 8080).into())?;
        let database = DatabaseSettings::from_env(env)?;
        let public_url = match env.get("PUBLIC_URL") {
            Some(url) => http_url("PUBLIC_URL", url)?,
            // A port that is not known yet is no address for buyers.
            None if listen_addr.ip().is_loopback() && listen_addr.port() != 0 => {
                format!("http://{listen_addr}")
            }
            None => {
                let problem = "is not set and LISTEN_ADDR does not say it; expected how buyers \
                               reach the shop, such as https://shop.example.com";
                return Err(ConfigError::new("PUBLIC_URL", problem));
            }
        };
        let mut return_origins = origins(env, "RETURN_ORIGINS")?;
        return_origins.extend(origin(&public_url));
        Ok(Self {
            listen_addr,
            admin_addr: env.socket_addr("ADMIN_ADDR", ([127, 0, 0, 1], 8081).into())?,
            public_url,
            cors_origins: origins(env, "CORS_ORIGINS")?,
            site_keys: SiteKeys::from_env(env)?,
            return_origins,
            checkout_options: checkout_options(env)?,
            trusted_proxies: env
                .get("TRUSTED_PROXIES")
                .into_iter()
                .flat_map(|networks| networks.split(','))
                .map(|network| trusted_proxy(network.trim()))
                .collect::<Result<_, _>>()?,
            orders_per_minute: env.number_in("ORDERS_PER_MINUTE", 30, 0..=10_000)?,
            held_seats_per_client: limit(env, "HELD_SEATS_PER_CLIENT", 60, 20..=100_000)?,
            sessions_per_minute: limit(env, "SESSIONS_PER_MINUTE", 1_500, 1..=100_000)?,
            endpoint_secrets: EndpointSecrets::from_env(env)?,
            link_secrets: LinkSecrets::from_env(env)?,
            shop: ShopSettings::from_env(env)?,
            // Stripe lets a session live for 30 minutes to 24 hours; see `create_checkout_session`.
            hold: time::Duration::minutes(env.number_in("HOLD_MINUTES", 30, 30..=1439)?),
            queue: QueueSettings::from_env(env, &database)?,
            stripe: StripeSettings::from_env(env)?,
            database,
        })
    }
}

/// A number in `range`, or 0 for no limit.
fn limit(
    env: &Env,
    variable: &'static str,
    default: u32,
    range: RangeInclusive<u32>,
) -> Result<u32, ConfigError> {
    let expected = format!("0, or a number from {} to {}", range.start(), range.end());
    match env.parse_or(variable, default, &expected)? {
        0 => Ok(0),
        number if range.contains(&number) => Ok(number),
        _ => Err(ConfigError::new(variable, format!("expected {expected}"))),
    }
}

/// Origins as browsers send them, separated by commas.
fn origins(env: &Env, variable: &'static str) -> Result<Vec<String>, ConfigError> {
    let texts = env.get(variable).into_iter().flat_map(|it| it.split(','));
    let wrong = || {
        let problem = "expected origins such as https://shop.example.com, separated by commas";
        ConfigError::new(variable, problem)
    };
    texts
        .map(|text| {
            let origin = origin(text.trim()).ok_or_else(wrong)?;
            // What is not part of the origin would be left out without a word.
            let whole = url::Url::parse(text.trim())
                .is_ok_and(|url| url.as_str().strip_suffix('/') == Some(origin.as_str()));
            if whole { Ok(origin) } else { Err(wrong()) }
        })
        .collect()
}

/// For the buyers of every order: none of them is one customer at Stripe.
fn checkout_options(env: &Env) -> Result<CheckoutOptions, ConfigError> {
    const VARIABLE: &str = "CHECKOUT_OPTIONS";
    let Some(json) = env.get(VARIABLE) else {
        return Ok(CheckoutOptions::default());
    };
    let options: CheckoutOptions = serde_json::from_str(json)
        .map_err(|error| ConfigError::new(VARIABLE, Unreadable::from(error).to_string()))?;
    let mut errors = Vec::new();
    check_options(&options, &mut errors);
    if let Some(error) = errors.first() {
        let field = error.field.trim_start_matches("checkout_options.");
        let problem = format!("{field}: {}", error.message);
        return Err(ConfigError::new(VARIABLE, problem));
    }
    if options.customer.is_some() {
        let problem = "customer: it goes with one order, not with all";
        return Err(ConfigError::new(VARIABLE, problem));
    }
    Ok(options)
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> Option<String> {
    url::Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .map(|url| url.origin().ascii_serialization())
}

/// An address is a network of one.
fn trusted_proxy(text: &str) -> Result<IpNet, ConfigError> {
    let address = || text.parse().ok().map(|address: IpAddr| address.into());
    let network: Option<IpNet> = text.parse().ok().or_else(address);
    // All there are would let anyone say who they are.
    network.filter(|it| it.prefix_len() > 0).ok_or_else(|| {
        let expected = "expected addresses or networks such as 10.0.0.0/8, separated by commas";
        ConfigError::new("TRUSTED_PROXIES", expected)
    })
}

#[cfg(test)]
mod tests;
