//! Target of a measurement: services that take Stripe's webhooks and write rows.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{event::Template, generator::Generator, holds::Holds, rows::Rows, usage};

/// The running product or peer.
pub struct Target {
    pub name: String,
    /// Address of the HTTP service.
    pub address: SocketAddr,
    pub rows: Arc<Rows>,
    /// Process ids by name.
    pub processes: BTreeMap<&'static str, u32>,
    /// Process ids of the servers behind them, by name.
    pub servers: BTreeMap<&'static str, u32>,
    /// Maker of the buyers' holds. Peers need none: they write what an event says.
    pub holds: Option<Holds>,
    pub template: Arc<Template>,
}

/// Numbers the generator's runs, so that no two have a buyer in common.
static RUNS: AtomicU32 = AtomicU32::new(1);

impl Target {
    /// Returns a generator whose buyers are about to pay.
    ///
    /// - `buyers`: the most that will pay.
    pub async fn expect(&self, buyers: u32) -> anyhow::Result<Generator> {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        if let Some(holds) = &self.holds {
            holds.make(run, buyers).await?;
        }
        Ok(Generator {
            address: self.address,
            template: self.template.clone(),
            run,
        })
    }

    /// CPU time so far, by process, in ms.
    pub fn cpu_ms(&self) -> anyhow::Result<BTreeMap<&'static str, f64>> {
        let of =
            |(name, pid): (&&'static str, &u32)| Ok((*name, usage::cpu(*pid)?.as_secs_f64() * 1e3));
        self.processes.iter().map(of).collect()
    }

    /// The same of the servers behind them.
    pub fn servers_cpu_ms(&self) -> anyhow::Result<BTreeMap<&'static str, f64>> {
        let of = |(name, pid): (&&'static str, &u32)| {
            Ok((*name, usage::cpu_of_all(*pid)?.as_secs_f64() * 1e3))
        };
        self.servers.iter().map(of).collect()
    }

    /// Memory now, by process, in MB.
    pub fn memory_mb(&self) -> anyhow::Result<BTreeMap<&'static str, f64>> {
        let of = |(name, pid): (&&'static str, &u32)| Ok((*name, usage::memory_mb(*pid)?));
        self.processes.iter().map(of).collect()
    }
}
