//! Many buyers at once, the same ones for the same seed.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::try_join_all;
use rand::{SeedableRng, rngs::StdRng};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    buyer::{Buyer, Plan},
    environment::Environment,
    finish::{finish, finish_after_crashes},
    report::Row,
    scale::Scale,
};

/// Buyers who come for as long as a drill needs them.
pub struct Load {
    seed: u64,
    at_least: usize,
    at_once: usize,
    only: Vec<Plan>,
    paid_at: Mutex<HashMap<String, OffsetDateTime>>,
}

impl Load {
    /// - `at_least`: buyers who come in any case.
    pub fn new(seed: u64, at_least: usize) -> Self {
        Self {
            seed,
            at_least,
            at_once: 16,
            only: Vec::new(),
            paid_at: Mutex::default(),
        }
    }

    /// They do nothing but these, one after the other.
    pub fn only(self, plans: &[Plan]) -> Self {
        Self {
            only: plans.to_vec(),
            ..self
        }
    }

    /// When each session was paid.
    pub fn paid_at(&self) -> HashMap<String, OffsetDateTime> {
        let paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        paid_at.clone()
    }

    /// Lets them buy until there were enough and `enough` is cancelled.
    pub async fn run(
        &self,
        environment: &Environment,
        enough: &CancellationToken,
    ) -> anyhow::Result<()> {
        let next = AtomicUsize::new(0);
        let buyers = (0..self.at_once).map(|_| async {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.at_least && enough.is_cancelled() {
                    return anyhow::Ok(());
                }
                let only = self.only.iter().cycle().nth(number);
                let number = u64::try_from(number)?;
                let mut random = StdRng::seed_from_u64(self.seed ^ (number << 20));
                let mut buyer = Buyer::random(&mut random, &environment.slots);
                buyer.plan = only.copied().unwrap_or(buyer.plan);
                let (session, paid_at) = buyer.buy(environment).await?;
                if let Some(at) = paid_at {
                    let paid = self.paid_at.lock();
                    paid.unwrap_or_else(PoisonError::into_inner)
                        .insert(session, at);
                }
            }
        });
        try_join_all(buyers).await?;
        Ok(())
    }
}

/// Buyers come while `faults` happen, and some more; then the books have to agree.
///
/// - `faults`: returns how many there were.
pub async fn under_load(
    environment: &Environment,
    buyers: usize,
    scale: Scale,
    faults: impl Future<Output = anyhow::Result<usize>>,
) -> anyhow::Result<Row> {
    let faults = beside(environment, Load::new(scale.seed, buyers), faults).await?;
    finish(environment, scale, faults, 0).await
}

/// The same for `crashes` of those who run messages.
pub async fn crashing_under_load(
    environment: &Environment,
    buyers: usize,
    scale: Scale,
    crashes: impl Future<Output = anyhow::Result<usize>>,
) -> anyhow::Result<Row> {
    let load = Load::new(scale.seed, buyers);
    crashing_beside(environment, load, scale, crashes).await
}

/// The same beside buyers of a drill's own.
pub async fn crashing_beside(
    environment: &Environment,
    load: Load,
    scale: Scale,
    crashes: impl Future<Output = anyhow::Result<usize>>,
) -> anyhow::Result<Row> {
    let crashes = beside(environment, load, crashes).await?;
    finish_after_crashes(environment, scale, crashes, 0).await
}

async fn beside(
    environment: &Environment,
    load: Load,
    faults: impl Future<Output = anyhow::Result<usize>>,
) -> anyhow::Result<usize> {
    let enough = CancellationToken::new();
    let breaking = async {
        let faults = faults.await;
        enough.cancel();
        faults
    };
    let (faults, bought) = tokio::join!(breaking, load.run(environment, &enough));
    bought?;
    faults
}
