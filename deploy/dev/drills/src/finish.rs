//! The end of a drill: the books have to agree.

use std::time::Duration;

use crate::{check, environment::Environment, report::Row, scale::Scale};

/// After the last fault: longer than the lease of a refund, and than the retries that as many
/// faults may have led to.
const PATIENCE: (Duration, Duration) = (Duration::from_mins(3), Duration::from_mins(25));

/// Waits until the books agree, and lets the product's own audit look as well.
///
/// - `dead_letters`: how many there have to be.
pub async fn finish(
    environment: &Environment,
    scale: Scale,
    faults: usize,
    dead_letters: usize,
) -> anyhow::Result<Row> {
    let patience = scale.of(PATIENCE.0, PATIENCE.1);
    let (verdict, took) = check::wait_until_consistent(environment, patience, dead_letters).await?;
    let row = Row::new(environment.drill, faults, &verdict, took);
    let (agrees, audit) = environment
        .operator(&["audit", "--since", "24h", "--json"])
        .await?;
    Ok(if agrees == verdict.is_clean() {
        row
    } else {
        row.failing(format!("worker audit says {}", audit["differences"]))
    })
}
