//! The way to the mail server, and what its refusals mean.

use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig, extension::ClientId},
};
use url::{Host, Url};

use crate::notifications::failure::{Failure, Remedy};

/// For all of one mail: connection, encryption, name, and content.
const TIMEOUT: Duration = Duration::from_secs(20);
/// To the server, of each worker, for each of those who get mail.
pub const MOST_CONNECTIONS: u8 = 32;
/// How long one is kept for the next mail: servers end what idles for minutes.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// The way to the mail server. Connections are kept, since most of a mail's time is the handshake.
pub struct Transport {
    builder: AsyncSmtpTransportBuilder,
    pool: Mutex<Option<Pool>>,
}

type Pool = AsyncSmtpTransport<Tokio1Executor>;

impl Transport {
    /// Sends `mail`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the server has not taken it, as far as is known.
    pub async fn send(&self, mail: Message) -> Result<(), Failure> {
        let pool = || self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let build = || self.builder.clone().build();
        let smtp = pool().get_or_insert_with(build).clone();
        let mut sending = pin!(smtp.send(mail));
        if let Ok(sent) = tokio::time::timeout(TIMEOUT, &mut sending).await {
            sent.map(drop).map_err(|error| failure(&error))
        } else {
            // Before `sending` gives back a connection that is in the middle of a mail: the next one
            // would continue there, and go to two people.
            *pool() = None;
            let seconds = TIMEOUT.as_secs();
            Err(Failure::later(format!("no answer in {seconds} s")))
        }
    }
}

/// What `SMTP_URL` has to be.
pub const EXPECTED: &str = "smtps://user:password@host, or smtp://user:password@host:587, which is \
     encrypted as well; ?tls=none is for a server without";

/// The way that `url` names. What is not of this machine is encrypted, unless it says `tls=none`.
///
/// - `host`: what we call ourselves.
pub fn transport(url: &str, host: &str) -> Option<Transport> {
    let mut url = Url::parse(url).ok()?;
    let is_here = match url.host()? {
        // A scheme that is not the web's leaves addresses as they are written.
        Host::Domain("localhost") => true,
        Host::Domain(name) => name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|it| it.is_loopback()),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let tls: Vec<String> = url
        .query_pairs()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
    match (url.scheme(), tls.as_slice(), is_here) {
        ("smtps", [], _) => {}
        ("smtp", ["tls=none"], _) | ("smtp", [], true) => url.set_query(None),
        ("smtp", [] | ["tls=required"], _) => url.set_query(Some("tls=required")),
        _ => return None,
    }
    let pool = PoolConfig::new()
        .max_size(MOST_CONNECTIONS.into())
        .idle_timeout(KEPT_FOR);
    let builder = Pool::from_url(url.as_str()).ok()?;
    let builder = builder.hello_name(ClientId::Domain(host.to_owned()));
    Some(Transport {
        builder: builder.pool_config(pool),
        pool: Mutex::default(),
    })
}

/// A name that the server does not know, a box that is full for good, a text that it will not have.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3>
const REFUSES_THIS_MAIL: [u16; 5] = [550, 551, 552, 553, 555];

/// What the server's refusal means. Of its words only the code is kept: they quote the address.
fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let code = error.status().map(u16::from);
    let words = match code {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer".to_owned(),
        None if error.is_tls() => "the mail server cannot be trusted: no valid certificate".to_owned(),
        None if error.is_client() => {
            "the mail server does not offer what is needed: encryption, a way to log in, or such an address"
                .to_owned()
        }
        None if error.is_response() => "the mail server answered what is no SMTP".to_owned(),
        None => "the mail server cannot be reached".to_owned(),
    };
    let is_refused = error.is_permanent() && code.is_some_and(|it| REFUSES_THIS_MAIL.contains(&it));
    let next = if is_refused {
        Remedy::GiveUp
    } else {
        Remedy::Later
    };
    Failure { words, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_this_machine_is_encrypted_unless_it_says_so() {
        for (url, is_one) in [
            ("smtps://a:b@mail.example.com", true),
            ("smtp://a:b@mail.example.com:587", true),
            ("smtp://a:b@mail.example.com?tls=required", true),
            ("smtp://mail.example.com?tls=none", true),
            ("smtp://127.0.0.1:2525", true),
            ("smtp://localhost", true),
            ("smtp://mail.example.com?tls=opportunistic", false),
            ("smtps://mail.example.com?tls=none", false),
            ("https://mail.example.com", false),
            ("mail.example.com:25", false),
            ("", false),
        ] {
            assert_eq!(transport(url, "shop.example").is_some(), is_one, "{url}");
        }
    }
}
