//! A network that can fail, between two processes: latency, resets, black holes.

use anyhow::Context;
use noxious::{
    proxy::{ProxyConfig, ProxyRunner, Runner, Toxics},
    signal::{Close, Stop, Stopper},
    socket::TcpListener,
    toxic::{StreamDirection, Toxic, ToxicKind},
};
use tokio::task::JoinHandle;

/// How the network behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// As on one machine.
    Clear,
    /// Every packet waits, in milliseconds.
    Slow(u64),
    /// Nothing comes through, and no connection ends.
    BlackHole,
}

/// A way to an address, through which everything goes.
pub struct Proxy {
    listen: String,
    upstream: String,
    running: Option<(Stopper, JoinHandle<()>)>,
}

impl Proxy {
    /// A proxy before the server of `url`. Returns it, and the URL that leads through it.
    pub async fn before(url: &str) -> anyhow::Result<(Self, String)> {
        let authority = url.split("://").nth(1).context("a URL")?;
        let authority = authority.split('/').next().context("a host")?;
        let upstream = authority.rsplit('@').next().context("a host")?.to_owned();
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut proxy = Self {
            listen: free.to_string(),
            running: None,
            upstream: upstream.clone(),
        };
        proxy.turn(Weather::Clear).await?;
        let through = url.replacen(&upstream, &proxy.listen, 1);
        Ok((proxy, through))
    }

    /// Ends all connections, and behaves so from now on.
    pub async fn turn(&mut self, weather: Weather) -> anyhow::Result<()> {
        if let Some((stopper, task)) = self.running.take() {
            stopper.stop();
            task.await?;
        }
        let kind = match weather {
            Weather::Clear => ToxicKind::Noop,
            Weather::Slow(ms) => ToxicKind::Latency {
                latency: ms,
                jitter: ms,
            },
            Weather::BlackHole => ToxicKind::Timeout { timeout: 0 },
        };
        let toxics = |direction: StreamDirection| {
            let toxic = Toxic {
                kind,
                name: "weather".to_owned(),
                toxicity: 1.0,
                direction,
            };
            if weather == Weather::Clear {
                Vec::new()
            } else {
                vec![toxic]
            }
        };
        let toxics = Toxics {
            upstream: toxics(StreamDirection::Upstream),
            downstream: toxics(StreamDirection::Downstream),
        };
        let config = ProxyConfig {
            name: self.upstream.clone(),
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            enabled: true,
            rand_seed: None,
        };
        let (listener, info) = ProxyRunner::initialize_proxy::<TcpListener>(config, toxics).await?;
        // The sender has to outlive the proxy, which stops without one.
        let (events, receiver) = bmrng::channel(1);
        let (stop, stopper) = Stop::new();
        let (_close, closer) = Close::new();
        let task = tokio::spawn(async move {
            let run = ProxyRunner::run_proxy(listener, info, receiver, stop, closer).await;
            if let Err(error) = run {
                tracing::error!(%error, "The proxy stopped");
            }
            drop(events);
        });
        self.running = Some((stopper, task));
        Ok(())
    }
}
