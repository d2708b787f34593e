//! The drills: what each breaks, and how often.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use testkit::Servers;
use tokio_util::sync::CancellationToken;

use crate::{
    faults,
    load::Load,
    table::Row,
    verdict,
    world::{Plan, World},
};

/// After the last fault: longer than the lease of a refund, and than the retries that as many
/// faults may have led to.
const PATIENCE: (Duration, Duration) = (Duration::from_mins(3), Duration::from_mins(25));

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub long: bool,
    pub seed: u64,
}

impl Scale {
    /// One number for each.
    pub fn of<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }
}

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    KillWorkers,
    KillIngress,
    KillBroker,
    KillDatabase,
    FrozenBroker,
    Network,
    Failpoints,
    RollingRestart,
    Losses,
    Poison,
    Embedded,
}

impl Drill {
    pub const ALL: [Self; 11] = [
        Self::KillWorkers,
        Self::KillIngress,
        Self::KillBroker,
        Self::KillDatabase,
        Self::FrozenBroker,
        Self::Network,
        Self::Failpoints,
        Self::RollingRestart,
        Self::Losses,
        Self::Poison,
        Self::Embedded,
    ];

    pub fn named(name: &str) -> anyhow::Result<Self> {
        let drill = Self::ALL.into_iter().find(|drill| drill.name() == name);
        drill.with_context(|| format!("no drill is called {name}; see deploy/chaos list"))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::KillWorkers => "kill-workers",
            Self::KillIngress => "kill-ingress",
            Self::KillBroker => "kill-broker",
            Self::KillDatabase => "kill-database",
            Self::FrozenBroker => "frozen-broker",
            Self::Network => "network",
            Self::Failpoints => "failpoints",
            Self::RollingRestart => "rolling-restart",
            Self::Losses => "losses",
            Self::Poison => "poison",
            Self::Embedded => "embedded",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::KillWorkers => "SIGKILL of workers at random",
            Self::KillIngress => "SIGKILL of ingress, under a sender that retries",
            Self::KillBroker => "SIGKILL of RabbitMQ, and its start",
            Self::KillDatabase => "SIGKILL of PostgreSQL, and a long outage",
            Self::FrozenBroker => "RabbitMQ stopped in its tracks, or out of memory",
            Self::Network => "latency, resets and black holes between all of them",
            Self::Failpoints => "a crash at each named place in the code",
            Self::RollingRestart => "SIGTERM of one worker after the other",
            Self::Losses => "events never delivered, messages deleted; one reconcile",
            Self::Poison => "messages that cannot be read or kill their worker",
            Self::Embedded => "SIGKILL of the shop that is one process",
        }
    }

    pub async fn play(
        self,
        servers: Arc<Servers>,
        folder: &Path,
        scale: Scale,
    ) -> anyhow::Result<Row> {
        let plan = Plan {
            workers: match self {
                Self::Embedded => 0,
                Self::KillWorkers => 4,
                // More than one message can kill.
                Self::Poison => 6,
                _ => 2,
            },
            proxied: self == Self::Network,
        };
        let mut world = World::start(servers, folder, self.name(), plan).await?;
        match self {
            Self::Failpoints => faults::failpoints::play(self, &world, scale).await,
            Self::Losses => faults::losses::play(self, &world, scale).await,
            Self::Poison => faults::poison::play(self, &world, scale).await,
            Self::Network => {
                let mut proxies = std::mem::take(&mut world.proxies);
                let faults = faults::network::break_it(&mut proxies, scale);
                self.under_load(&world, scale.of(200, 2_000), scale, faults)
                    .await
            }
            Self::KillWorkers => {
                let faults = faults::processes::kill_workers(&world, scale);
                self.under_load(&world, scale.of(300, 20_000), scale, faults)
                    .await
            }
            Self::KillIngress | Self::Embedded => {
                let kills = match self {
                    Self::Embedded => scale.of(10, 200),
                    _ => scale.of(8, 100),
                };
                let faults = faults::processes::kill_ingress(&world, kills, scale);
                self.under_load(&world, scale.of(200, 3_000), scale, faults)
                    .await
            }
            Self::RollingRestart => {
                let faults = faults::processes::restart_workers(&world, scale);
                self.under_load(&world, scale.of(200, 3_000), scale, faults)
                    .await
            }
            Self::KillBroker => {
                let faults = faults::servers::kill_broker(&world, scale);
                self.under_load(&world, scale.of(200, 2_000), scale, faults)
                    .await
            }
            Self::KillDatabase => {
                let faults = faults::servers::kill_database(&world, scale);
                self.under_load(&world, scale.of(200, 2_000), scale, faults)
                    .await
            }
            Self::FrozenBroker => {
                let faults = faults::servers::freeze_broker(&world, scale);
                self.under_load(&world, scale.of(200, 2_000), scale, faults)
                    .await
            }
        }
    }

    /// Buyers come while `faults` happen, and some more; then the books have to agree.
    async fn under_load(
        self,
        world: &World,
        buyers: usize,
        scale: Scale,
        faults: impl Future<Output = anyhow::Result<usize>>,
    ) -> anyhow::Result<Row> {
        let load = Load::new(scale.seed, buyers);
        let enough = CancellationToken::new();
        let breaking = async {
            let faults = faults.await;
            enough.cancel();
            faults
        };
        let (faults, bought) = tokio::join!(breaking, load.run(world, &enough));
        bought?;
        self.settled(world, scale, faults?, 0).await
    }

    /// Waits until the books agree, and lets the product's own audit look as well.
    ///
    /// - `dead_letters`: how many there have to be.
    pub async fn settled(
        self,
        world: &World,
        scale: Scale,
        faults: usize,
        dead_letters: usize,
    ) -> anyhow::Result<Row> {
        let patience = scale.of(PATIENCE.0, PATIENCE.1);
        let (verdict, took) = verdict::settle(world, patience, dead_letters).await?;
        let row = Row::new(self, faults, &verdict, took);
        let (agrees, audit) = world
            .operator(&["audit", "--since", "24h", "--json"])
            .await?;
        Ok(if agrees == verdict.is_clean() {
            row
        } else {
            row.failing(format!("worker audit says {}", audit["differences"]))
        })
    }
}
