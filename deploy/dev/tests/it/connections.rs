//! Clients that open connections and leave it at that.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use axum::{Router, routing::post};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::service::{connections::Connections, http_server};
use stripe_sim::Outcome;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{deployment::Deployment, service::Service, shop::eventually, stack::Stack};

/// Leaves room for 128 connections.
const FILES: usize = 640;
const MOST: usize = 128;
/// Of each kind.
const STRANGERS: usize = 60;
const ATTACK: Duration = Duration::from_secs(6);
const SOON: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// Of the log, for whatever the strangers do: the first of each kind, and one each ten seconds.
const LINES: usize = 6;

/// Answered at once, in one piece.
const ASK: &[u8] = b"POST /api/payment/confirm HTTP/1.1\r\nhost: shop\r\n\
                     content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const HEAD: &[u8] =
    b"POST /api/payment/webhook HTTP/1.1\r\nhost: shop\r\ncontent-length: 4000\r\n\r\n";

/// What a stranger does with a connection of its own.
#[derive(Clone, Copy)]
enum Stranger {
    /// Says nothing.
    Silent,
    /// Asks once, and then no more.
    Idle,
    /// Posts a body byte by byte.
    Dribbling,
}

impl Stranger {
    /// Comes back at once whenever its connection ends.
    async fn stay(self, address: SocketAddr) {
        loop {
            if self.connect(address).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn connect(self, address: SocketAddr) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        match self {
            Self::Silent => {}
            Self::Idle => stream.write_all(ASK).await?,
            Self::Dribbling => {
                stream.write_all(HEAD).await?;
                loop {
                    stream.write_all(b" ").await?;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        Ok(())
    }
}

/// Strangers of each kind, until this is dropped.
fn strangers(address: SocketAddr) -> JoinSet<()> {
    let kinds = [Stranger::Silent, Stranger::Idle, Stranger::Dribbling];
    let all = kinds.into_iter().flat_map(|kind| [kind; STRANGERS]);
    all.map(|stranger| stranger.stay(address)).collect()
}

async fn start(shop: &Deployment, log: &Path) -> Service {
    let ingress = Service::start_with_few_files("ingress", &shop.variables, FILES, log);
    ingress.wait_until_ready().await;
    ingress
}

fn address(shop: &Deployment) -> SocketAddr {
    shop.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// One more request over `stream`.
async fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(ASK).await?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await?;
    if !answer[..length].starts_with(b"HTTP/1.1 ") {
        return Err(ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}

/// For as long as the attack lasts; each time has to be answered soon.
async fn repeatedly(who: &str, mut one: impl AsyncFnMut() -> std::io::Result<()>) {
    let start = Instant::now();
    while start.elapsed() < ATTACK {
        let answered = timeout(SOON, one()).await;
        assert!(matches!(answered, Ok(Ok(()))), "{who}: {answered:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_wait_for_their_client_give_way() {
    let shop = Deployment::new(Stack::sqlite_embedded().await).await;
    let log = testkit::folder("bookonce-connections").unwrap();
    let log = log.path().join("ingress.log");
    let ingress = start(&shop, &log).await;
    let address = address(&shop);
    let mut held = TcpStream::connect(address).await.unwrap();
    ask(&mut held).await.unwrap();

    let strangers = strangers(address);
    let newcomers = repeatedly("a newcomer", async || {
        let mut stream = TcpStream::connect(address).await?;
        ask(&mut stream).await
    });
    let held = tokio::sync::Mutex::new(held);
    let held = repeatedly("who was there", async || ask(&mut *held.lock().await).await);
    let probes = repeatedly("the probe", async || {
        let ready = ingress.is_ready().await;
        ready.then_some(()).ok_or(ErrorKind::Other.into())
    });
    tokio::join!(newcomers, held, probes);
    drop(strangers);

    let (_, metrics) = ingress.get("/metrics").await.unwrap();
    let gave_way = "bookonce_http_connections_closed_total{reason=\"gave_way\"}";
    assert!(metrics.contains(gave_way), "{metrics}");
    assert!(ingress.terminate().await.success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("Too many connections"), "{log}");
    assert!(log.lines().count() <= LINES, "{log}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_served_does_not_give_way() {
    let shop = Deployment::new(Stack::sqlite_embedded().await).await;
    let log = testkit::folder("bookonce-connections").unwrap();
    let ingress = start(&shop, &log.path().join("ingress.log")).await;
    let url = |path| format!("{}{path}", shop.url);
    let order = testkit::order(shop.stack.slot(1).await, 1);
    // No connection but those of the buyers stays: it would have to make room for one of them.
    shop.stripe.set_webhook_url(None);
    let made = reqwest::Client::new().post(url("/api/create-checkout-session"));
    let made = made.json(&order).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let session = made["session_id"].as_str().unwrap();
    shop.stripe.pay(session, Outcome::Succeed).await.unwrap();
    let body = json!({ "session_id": session });

    // Each on a connection of its own, that the server waits on longer than for the strangers.
    let buyers: JoinSet<StatusCode> = (0..MOST)
        .map(|_| {
            let http = shop.http.post(url("/api/payment/confirm"));
            let http = http.header("prefer", "wait=8").json(&body);
            async move { http.send().await.unwrap().status() }
        })
        .collect();
    eventually("none has room", async || !ingress.is_ready().await).await;
    let strangers = strangers(address(&shop));

    let answers = buyers.join_all().await;
    assert!(
        answers.iter().all(|status| *status == StatusCode::ACCEPTED),
        "{answers:?}"
    );
    eventually("there is room", async || ingress.is_ready().await).await;
    drop(strangers);
    assert!(ingress.terminate().await.success());
}

#[tokio::test]
async fn one_client_has_a_quarter_of_few_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = Router::new().route("/api/payment/confirm", post(|| async { "here" }));
    let connections = Connections::new(16, Some);
    tokio::spawn(http_server::serve(
        listener,
        router,
        connections,
        shutdown.clone(),
    ));
    let connect = async |client: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(client), 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        ask(&mut stream).await.map(|()| stream)
    };
    let (one, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);

    let mut held = join_all([one; 4].map(connect)).await;
    assert!(held.iter().all(Result::is_ok));
    assert!(connect(one).await.is_err());
    assert!(connect(other).await.is_ok());

    held.pop();
    eventually("its place is free", async || connect(one).await.is_ok()).await;
    shutdown.cancel();
}
