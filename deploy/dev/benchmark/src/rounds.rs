//! Rounds: every target is measured in turn, several times over, so that a bad minute of the
//! machine does not hit one target alone.

use std::path::Path;

use testkit::Servers;

use crate::{
    effort::Effort,
    limits::limits,
    measure::{self, Spike},
    peers::{self, Peer},
    product::{Backing, Product},
    report::{Common, Report, Rounds},
    target::Target,
};

/// Events in the backlog.
const BACKLOG: u32 = 100_000;
/// Webhooks a second of a busy shop, at which latency is compared.
const BUSY: u32 = 200;
/// Webhooks a second for the latency curve, as far as they are below `BELOW` of the throughput:
/// higher rates would show overload.
const RATES: [u32; 7] = [200, 500, 1000, 1500, 2000, 3000, 4000];
const BELOW: f64 = 0.7;

/// Inputs of a benchmark run.
pub struct Bench<'a> {
    pub servers: &'a Servers,
    pub folder: &'a Path,
    /// Folder with the sources of the peers.
    pub peers: Option<&'a Path>,
    /// Measure only what the product and its peers have in common.
    pub brief: bool,
    pub effort: Effort,
}

impl Bench<'_> {
    /// Runs all rounds and fills `report` on the way.
    pub async fn run(&self, report: &mut Report) -> anyhow::Result<()> {
        for round in 1..=self.effort.rounds {
            tracing::info!("Round {round} of {}", self.effort.rounds);
            let product = self.round(&mut report.rounds).await;
            report.sum_up();
            let mut product = product?;
            if round == self.effort.rounds && !self.brief {
                self.product_alone(&mut product, report).await?;
            }
            product.stop().await?;
            self.forget(&product.target).await?;
        }
        Ok(())
    }

    /// Runs one round. Returns the product, still running.
    async fn round(&self, rounds: &mut Rounds) -> anyhow::Result<Product> {
        if !self.brief {
            tracing::info!("Limits of broker and database");
            let measured = limits(self.servers, self.folder, self.effort.time).await?;
            rounds.limits.push(measured);
        }
        if let Some(sources) = self.peers {
            for peer in [peers::DIRECT, peers::QUEUE] {
                rounds.note(peer.name, self.peer(peer, sources).await?);
            }
        }
        let embedded = Product::start(Backing::Embedded, self.folder).await?;
        let measured = self.common(&embedded.target).await?;
        rounds.note(&embedded.target.name, measured);
        drop(embedded);

        let mut product = Product::start(Backing::Servers(self.servers), self.folder).await?;
        let mut measured = self.common(&product.target).await?;
        if !self.brief {
            product.stop_worker().await?;
            let (spike, promised) = self.spike(&product.target).await?;
            product.start_worker()?;
            product.target.rows.wait_for(promised).await?;
            measured.spike = Some(spike);
            tracing::info!("product: Checkout Sessions");
            let created = measure::create_session(&product, self.effort.time).await?;
            rounds.create_session.push(created);
        }
        rounds.note(&product.target.name, measured);
        Ok(product)
    }

    async fn common(&self, target: &Target) -> anyhow::Result<Common> {
        let time = self.effort.time;
        tracing::info!("{}: webhooks as fast as they are answered", target.name);
        measure::warm_up(target).await?;
        let throughput = measure::throughput(target, time).await?;
        tracing::info!("{}: {BUSY} webhooks/s", target.name);
        let steady = measure::steady(target, BUSY, time).await?;
        tracing::info!("{}: confirms", target.name);
        let confirm = measure::confirm(target, time).await?;
        Ok(Common {
            throughput: Some(throughput),
            steady: Some(steady),
            confirm: Some(confirm),
            spike: None,
            memory_mb: target.memory_mb()?,
        })
    }

    async fn peer(&self, peer: Peer, sources: &Path) -> anyhow::Result<Common> {
        let mut running = peer.start(self.servers, sources, self.folder).await?;
        let mut measured = self.common(&running.target).await?;
        if peer.has_queue() && !self.brief {
            running.stop_worker().await?;
            let (spike, promised) = self.spike(&running.target).await?;
            running.start_worker()?;
            running.target.rows.wait_for(promised).await?;
            measured.spike = Some(spike);
        }
        running.stop().await?;
        self.forget(&running.target).await?;
        Ok(measured)
    }

    /// Measures a spike. Returns also the number of rows there will be once a worker is back.
    async fn spike(&self, target: &Target) -> anyhow::Result<(Spike, usize)> {
        tracing::info!("{}: a spike without a worker", target.name);
        let before = target.rows.count().await?;
        let (spike, queued) = measure::spike(target, self.effort.time).await?;
        Ok((spike, before + queued))
    }

    /// Drops the database of a stopped target, so that its clean-up does not slow the next one.
    async fn forget(&self, target: &Target) -> anyhow::Result<()> {
        let database = target.rows.database().await?;
        let drop = format!("DROP DATABASE {database} WITH (FORCE)");
        self.servers.postgres.psql("postgres", &drop)?;
        Ok(())
    }

    /// Measures what no peer offers.
    async fn product_alone(
        &self,
        product: &mut Product,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        tracing::info!("product: latency against rate");
        let throughput = report
            .targets
            .get(&product.target.name)
            .and_then(|it| it.throughput.as_ref());
        let most = throughput.map_or(0.0, |it| it.rows_per_second);
        for rate in RATES
            .into_iter()
            .filter(|rate| f64::from(*rate) < most * BELOW)
        {
            let steady = measure::steady(&product.target, rate, self.effort.time).await?;
            report.rates.push(steady);
        }
        tracing::info!("product: a backlog");
        report.backlog = Some(measure::backlog(product, BACKLOG).await?);
        tracing::info!("product: waiting pages");
        for waiters in [10, 1000] {
            let waiting = measure::waiting(product, waiters).await?;
            report.waiting.push(waiting);
        }
        report.memory_mb = product.target.memory_mb()?;
        Ok(())
    }
}
