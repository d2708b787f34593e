//! Bad weather on every way between the processes.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    environment::Environment,
    load::under_load,
    proxy::{Proxy, Weather},
    report::Row,
    scale::Scale,
};

/// Turns the weather on one way after the other. Each turn ends all connections on it.
pub async fn break_it(environment: &mut Environment, scale: Scale) -> anyhow::Result<Row> {
    let mut proxies = std::mem::take(&mut environment.proxies);
    under_load(
        environment,
        scale.of(200, 2_000),
        scale,
        turn(&mut proxies, scale),
    )
    .await
}

async fn turn(proxies: &mut [Proxy], scale: Scale) -> anyhow::Result<usize> {
    let turns = scale.of(8, 200);
    let mut random = StdRng::seed_from_u64(scale.seed);
    for _ in 0..turns {
        let way = random.random_range(0..proxies.len());
        let weather = match random.random_range(0..4) {
            0 => Weather::BlackHole,
            1 => Weather::Clear,
            _ => Weather::Slow(random.random_range(5..80)),
        };
        let lasts = Duration::from_millis(random.random_range(500..4000));
        if let Some(proxy) = proxies.get_mut(way) {
            proxy.turn(weather).await?;
            tokio::time::sleep(lasts).await;
            proxy.turn(Weather::Clear).await?;
        }
    }
    Ok(turns)
}
