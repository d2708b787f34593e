//! The way to the mail server, and what its refusals mean.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    Message,
    transport::smtp::{
        SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use percent_encoding::percent_decode_str;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use url::{Host, Url};

use crate::notifications::failure::{Failure, Remedy};

/// For all of one mail: its turn, connection, encryption, name, and content.
const TIMEOUT: Duration = Duration::from_secs(20);
/// For one that idled to show that it lives.
const NOOP_TIMEOUT: Duration = Duration::from_secs(3);
/// To the server, of each worker; a few mails at a time need one or two. A server that takes fewer refuses
/// the others, which are tried again.
const MOST_CONNECTIONS: usize = 16;
/// One that was in use so lately is not asked whether it lives.
const SURELY_LIVES: Duration = Duration::from_secs(1);
/// How long one idles at most: servers end what does so for minutes.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// The way to the mail server. Connections are kept, since most of a mail's time is the handshake.
///
/// lettre's own pool takes back a connection that is in the middle of a mail, whose next answer would be taken
/// for that of the next mail; and it holds back the end of each mail for 40 ms, for lack of `TCP_NODELAY`.
pub struct Transport {
    server: Server,
    /// The one that idles for the longest time first.
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
    permits: Semaphore,
}

struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    /// What we call ourselves.
    name: ClientId,
}

enum Encryption {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl Transport {
    /// Sends `mail`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the server has not taken it, as far as is known.
    pub async fn send(&self, mail: &Message) -> Result<(), Failure> {
        let sent = timeout(TIMEOUT, self.send_by_a_connection(mail)).await;
        sent.unwrap_or_else(|_| {
            let seconds = TIMEOUT.as_secs();
            Err(Failure::later(format!("no answer in {seconds} s")))
        })
    }

    async fn send_by_a_connection(&self, mail: &Message) -> Result<(), Failure> {
        let permit = self.permits.acquire().await;
        let _permit = permit.map_err(|_| Failure::later("the worker ends"))?;
        let mut connection = match self.idle_connection().await {
            Some(connection) => connection,
            None => self.server.connect().await?,
        };
        let sent = connection.send(mail.envelope(), &mail.formatted()).await;
        sent.map_err(|error| {
            // Without an answer, the others may be as dead.
            if error.status().is_none() {
                self.idle().clear();
            }
            failure(&error)
        })?;
        // Only one that is at the end of a mail: any other is closed, as it is dropped.
        self.idle().push((Instant::now(), connection));
        Ok(())
    }

    /// One that lives. If the latest does not, the others are older, and are not asked.
    async fn idle_connection(&self) -> Option<AsyncSmtpConnection> {
        let (since, mut connection) = {
            let mut idle = self.idle();
            idle.retain(|(since, _)| since.elapsed() < KEPT_FOR);
            idle.pop()?
        };
        if since.elapsed() < SURELY_LIVES {
            return Some(connection);
        }
        if let Ok(true) = timeout(NOOP_TIMEOUT, connection.test_connected()).await {
            return Some(connection);
        }
        self.idle().clear();
        None
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, AsyncSmtpConnection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let address = (self.host.as_str(), self.port);
        let connected = match &self.encryption {
            // lettre opens this socket itself, so here the 40 ms stay.
            Encryption::Tls(parameters) => {
                let parameters = Some(parameters.clone());
                AsyncSmtpConnection::connect_tokio1(address, None, &self.name, parameters, None)
                    .await
            }
            Encryption::None | Encryption::StartTls(_) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.and_then(|it| it.set_nodelay(true).map(|()| it));
                let stream = stream.map_err(|_| Failure::later(UNREACHABLE))?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.name).await
            }
        };
        let mut connection = connected.map_err(|error| failure(&error))?;
        if let Encryption::StartTls(parameters) = &self.encryption {
            let encrypted = connection.starttls(parameters.clone(), &self.name).await;
            encrypted.map_err(|error| failure(&error))?;
        }
        if let Some(credentials) = &self.credentials {
            let known = connection.auth(DEFAULT_MECHANISMS, credentials).await;
            known.map_err(|error| failure(&error))?;
        }
        Ok(connection)
    }
}

/// What `SMTP_URL` has to be.
pub const EXPECTED: &str = "smtps://user:password@host, or smtp://user:password@host:587, which is \
     encrypted as well; ?tls=none is for a server without";

/// The way that `url` names. What is not of this machine is encrypted, unless it says `tls=none`.
///
/// - `name`: what we call ourselves.
pub fn transport(url: &str, name: &str) -> Option<Transport> {
    let url = Url::parse(url).ok()?;
    let is_here = match url.host()? {
        // A scheme that is not the web's leaves addresses as they are written.
        Host::Domain("localhost") => true,
        Host::Domain(name) => name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|it| it.is_loopback()),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let parameters = || TlsParameters::new(host.clone()).ok();
    let (port, encryption) = match (url.scheme(), url.query(), is_here) {
        ("smtps", None, _) => (SUBMISSIONS_PORT, Encryption::Tls(parameters()?)),
        ("smtp", Some("tls=none"), _) | ("smtp", None, true) => (SMTP_PORT, Encryption::None),
        ("smtp", None | Some("tls=required"), _) => {
            (SUBMISSION_PORT, Encryption::StartTls(parameters()?))
        }
        _ => return None,
    };
    let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let credentials = match url.password() {
        Some(password) => Some(Credentials::new(
            decoded(url.username())?,
            decoded(password)?,
        )),
        None if url.username().is_empty() => None,
        None => return None,
    };
    let server = Server {
        port: url.port().unwrap_or(port),
        host,
        encryption,
        credentials,
        name: ClientId::Domain(name.to_owned()),
    };
    Some(Transport {
        server,
        idle: Mutex::default(),
        permits: Semaphore::new(MOST_CONNECTIONS),
    })
}

const UNREACHABLE: &str = "the mail server cannot be reached";

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
        None => UNREACHABLE.to_owned(),
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
