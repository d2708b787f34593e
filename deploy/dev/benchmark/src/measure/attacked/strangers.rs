//! Strangers who hold connections, in processes of their own: one process may not open as many as are asked for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use anyhow::ensure;
use testkit::Process;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::{generator::WEBHOOK, usage};

/// Of one process.
const MOST: usize = 10_000;
/// That are no connections.
const OTHER_FILES: usize = 100;
/// Until one comes back.
pub const AWAY: Duration = Duration::from_secs(1);
/// Between two bytes of a body.
const DRIBBLE: Duration = Duration::from_secs(1);
/// One has ports for 28,000 connections.
const ADDRESSES: u8 = 16;

/// Starts the processes. They end when dropped.
pub fn start(address: SocketAddr, connections: usize) -> anyhow::Result<Vec<Process>> {
    let needed = MOST.min(connections) + OTHER_FILES;
    let allowed = usage::open_files_allowed()?;
    ensure!(
        needed <= allowed,
        "{allowed} files may be open: ulimit -n {needed}"
    );
    let program = std::env::current_exe()?;
    (0..connections)
        .step_by(MOST)
        .map(|first| {
            let of_this = MOST.min(connections - first).to_string();
            Process::start(Command::new(&program).args([
                "--strangers-at",
                &address.to_string(),
                "--attacked",
                &of_this,
            ]))
        })
        .collect()
}

/// What each of the processes does, until it is killed.
pub async fn stay(address: SocketAddr, connections: usize) {
    let strangers: JoinSet<()> = (0..connections)
        .map(|number| stay_as(address, number))
        .collect();
    strangers.join_all().await;
}

async fn stay_as(address: SocketAddr, number: usize) {
    loop {
        // However it ends, it was the server that ended it, or had no room.
        connect(address, number).await.ok();
        tokio::time::sleep(AWAY).await;
    }
}

async fn connect(address: SocketAddr, number: usize) -> anyhow::Result<()> {
    let mut stream = open(address, number).await?;
    match number % 4 {
        0 => {}
        1 => {
            let ask = b"GET /nowhere HTTP/1.1\r\nhost: shop\r\n\r\n";
            stream.write_all(ask).await?;
        }
        _ => {
            let head =
                format!("POST {WEBHOOK} HTTP/1.1\r\nhost: shop\r\ncontent-length: 4000\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(DRIBBLE).await;
            }
        }
    }
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

async fn open(address: SocketAddr, number: usize) -> anyhow::Result<TcpStream> {
    let host = u8::try_from(number % usize::from(ADDRESSES))?.saturating_add(2);
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::from(Ipv4Addr::new(127, 0, 0, host)), 0).into())?;
    Ok(socket.connect(address).await?)
}
