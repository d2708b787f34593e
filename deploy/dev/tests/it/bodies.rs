//! Bodies that come in pieces, or do not come.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{deployment::Deployment, service::Service, stack::Stack};

/// Paths that anyone may post to, with the largest body that each takes.
const PATHS: [(&str, usize); 2] = [
    ("/api/payment/webhook", 12_000),
    ("/api/payment/confirm", 4_000),
];
const CONNECTIONS: usize = 8;
/// A server that is busy for longer reads several bytes at once.
const READ: Duration = Duration::from_micros(50);
/// For what a process needs besides: buffers of connections, and what its allocator keeps.
const ROOM_MB: u64 = 24;

/// A connection that has said what it is going to post, and nothing of it.
async fn announce(shop: &Deployment, path: &str, bytes: usize) -> TcpStream {
    let address = shop.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
         content-length: {bytes}\r\nstripe-signature: t=1,v1=00\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Posts each byte by itself, once the one before was read.
fn dribble(stream: TcpStream, bytes: usize) -> TcpStream {
    use std::io::Write;
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    for _ in 0..bytes {
        stream.write_all(b" ").unwrap();
        std::thread::sleep(READ);
    }
    stream.set_nonblocking(true).unwrap();
    TcpStream::from_std(stream).unwrap()
}

/// The most memory that a process has had so far.
fn peak_mb(service: &Service) -> u64 {
    let status = format!("/proc/{}/status", service.process.pid());
    let status = std::fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_at_a_time_takes_no_more_memory_than_all_at_once() {
    let shop = Deployment::new(Stack::sqlite_embedded().await).await;
    let ingress = shop.start_ingress().await;
    let before = peak_mb(&ingress);

    for (path, bytes) in PATHS {
        let one = async |_| {
            let stream = announce(&shop, path, bytes).await;
            let dribbled = tokio::task::spawn_blocking(move || dribble(stream, bytes));
            let mut stream = dribbled.await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 400", "it was read to its end");
        };
        join_all((0..CONNECTIONS).map(one)).await;
    }

    let grown = peak_mb(&ingress) - before;
    assert!(grown <= ROOM_MB, "{grown} MB more");
    assert!(ingress.terminate().await.success());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let shop = Deployment::new(Stack::sqlite_embedded().await).await;
    let ingress = shop.start_ingress().await;
    let start = Instant::now();

    let one = async |(path, _)| {
        let mut stream = announce(&shop, path, 100).await;
        stream.write_all(b"{").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("request_timed_out"), "{answer}");
    };
    join_all(PATHS.map(one)).await;

    let waited = start.elapsed();
    let deadline = Duration::from_secs(6)..Duration::from_secs(20);
    assert!(deadline.contains(&waited), "{waited:?}");
    assert!(ingress.terminate().await.success());
    shop.close().await;
}
