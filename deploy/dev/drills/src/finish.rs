//! The end of a drill: the books have to agree.

use std::time::Duration;

use anyhow::Context;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use shared::db::dead_letter;

use crate::{check, environment::Environment, report::Row, scale::Scale};

/// After the last fault: longer than the lease of a refund, and than the retries that as many
/// faults may have led to.
const PATIENCE: (Duration, Duration) = (Duration::from_mins(3), Duration::from_mins(25));

/// What a message is set aside for that was running at four crashes.
const RAN_AT_CRASHES: &str = "delivery_limit";
/// Between two looks for such messages.
const LOOK: Duration = Duration::from_secs(1);

/// The same after crashes that no message was to blame for. One that ran at four of them is set aside
/// all the same, as it should be; now that they are over, it is replayed, as an operator would.
pub async fn finish_after_crashes(
    environment: &Environment,
    scale: Scale,
    faults: usize,
    dead_letters: usize,
) -> anyhow::Result<Row> {
    let mut replayed: u64 = 0;
    let replaying = async {
        loop {
            match replay(environment).await {
                Ok(letters) => replayed = replayed.saturating_add(letters),
                Err(error) => return error,
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let row = tokio::select! {
        row = finish(environment, scale, faults, dead_letters) => row?,
        error = replaying => return Err(error),
    };
    Ok(match replayed {
        0 => row,
        _ => row.noting(format!("{replayed} that ran at four crashes replayed")),
    })
}

/// Returns how many.
async fn replay(environment: &Environment) -> anyhow::Result<u64> {
    let waiting = dead_letter::Entity::find()
        .filter(dead_letter::Column::Resolution.is_null())
        .filter(dead_letter::Column::Reason.eq(RAN_AT_CRASHES));
    if waiting.count(&environment.db).await? == 0 {
        return Ok(0);
    }
    let replay = ["dead", "replay", "--reason", RAN_AT_CRASHES];
    let because = ["--why", "the crashes are over", "--by", "drill", "--json"];
    let (_, answer) = environment
        .operator(&[replay.as_slice(), &because].concat())
        .await?;
    let letters = answer["letters"].as_array();
    let letters = letters.context("dead replay names no letters")?.len();
    Ok(u64::try_from(letters)?)
}

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
