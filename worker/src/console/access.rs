//! Who may use the console: on a loopback address everyone on this machine, on any other who has
//! `ADMIN_TOKEN`. A browser has a cookie for a working day, and proves by a second token, which no other
//! site can read, that it is our page that asks.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use shared::clock;
use subtle::ConstantTimeEq;

use crate::{admin_token::AdminToken, console::problem::AdminError};

/// Of a browser's session.
pub const COOKIE: &str = "bookonce_console";
const CSRF_HEADER: &str = "x-csrf-token";
/// What a proxy adds.
const PASSED_ON: [&str; 6] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];
/// A working day, and some.
pub const LIFE_SECONDS: i64 = 12 * 60 * 60;

/// Who may come in.
pub struct Access {
    token: Option<AdminToken>,
    is_loopback: bool,
    /// What sessions are signed with: every worker that has the token knows the others' sessions.
    key: [u8; 64],
}

impl Access {
    pub fn new(token: Option<AdminToken>, address: SocketAddr) -> Self {
        let key = match &token {
            Some(token) => {
                let seed = format!("bookonce console {}", token.expose());
                Sha512::digest(seed).into()
            }
            None => rand::random(),
        };
        Self {
            token,
            is_loopback: address.ip().is_loopback(),
            key,
        }
    }

    /// Whether there is a console at all, and for a host of this name. A site whose name is made to mean
    /// this machine (DNS rebinding) does not get in without a token.
    pub fn check_host(&self, headers: &HeaderMap) -> Result<(), AdminError> {
        if self.token.is_some() {
            return Ok(());
        }
        if !self.is_loopback {
            return Err(AdminError::Off);
        }
        let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
        // A proxy on this machine would let in everyone it is open to.
        let is_passed_on = PASSED_ON.iter().any(|name| headers.contains_key(*name));
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if host.is_some_and(is_this_machine) && !is_passed_on && site != Some(b"cross-site") {
            Ok(())
        } else {
            Err(AdminError::WrongHost)
        }
    }

    /// Whether a token is needed.
    pub fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether `given` is the token.
    pub fn has_token(&self, given: &str) -> bool {
        self.token.as_ref().is_some_and(|token| token.is(given))
    }

    /// Whether the request may be answered.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), AdminError> {
        self.check_host(headers)?;
        let text = |name: header::HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
        // Where no token is needed, whichever is sent says nothing.
        let authorization = text(header::AUTHORIZATION).filter(|_| self.needs_token());
        if let Some(authorization) = authorization {
            let token = authorization.strip_prefix("Bearer ").map(str::trim);
            return match token {
                Some(token) if self.has_token(token) => Ok(()),
                _ => Err(AdminError::Unauthorized),
            };
        }
        let session = self.session_in(headers);
        if session.is_none() && self.token.is_some() {
            return Err(AdminError::Unauthorized);
        }
        if method.is_safe() {
            return Ok(());
        }
        let Some(session) = session else {
            // A browser says that it is one, whatever page it shows.
            let is_browser = ["origin", "sec-fetch-site", "cookie"]
                .iter()
                .any(|name| headers.contains_key(*name));
            return if is_browser {
                Err(AdminError::Forged)
            } else {
                Ok(())
            };
        };
        let given = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes);
        let expected = self.csrf_token(session);
        if given.is_some_and(|given| expected.as_bytes().ct_eq(given).into()) {
            Ok(())
        } else {
            Err(AdminError::Forged)
        }
    }

    /// A new session: when it ends, what tells it from others, and our signature.
    pub fn new_session(&self) -> String {
        let end = now().saturating_add(LIFE_SECONDS);
        let nonce: u64 = rand::random();
        let session = format!("{end}.{nonce:016x}");
        let signature = self.sign(&format!("session {session}"));
        format!("{session}.{signature}")
    }

    /// What proves that our page asks, and no other site's.
    pub fn csrf_token(&self, session: &str) -> String {
        self.sign(&format!("csrf {session}"))
    }

    fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// The session of the cookie, if it is one of ours and has not ended.
    pub fn session_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|it| it.to_str().ok());
        let mut cookies = cookies.flat_map(|it| it.split(';'));
        let session = cookies.find_map(|it| it.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
        let (claim, signature) = session.rsplit_once('.')?;
        let (end, _) = claim.split_once('.')?;
        let expected = self.sign(&format!("session {claim}"));
        let is_ours: bool = expected.as_bytes().ct_eq(signature.as_bytes()).into();
        (is_ours && end.parse::<i64>().is_ok_and(|end| end > now())).then_some(session)
    }
}

fn now() -> i64 {
    clock::system().unix_timestamp()
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}
