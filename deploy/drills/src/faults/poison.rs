//! Messages that cannot be read, and messages that kill whoever reads them. They must end as
//! dead letters, and no healthy one with them or much later than usual.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use sea_orm::EntityTrait;
use shared::{
    clock,
    db::{dead_letter, payment},
    failpoint,
    message::Envelope,
    queue::Lane,
    traceparent::Traceparent,
};
use tokio_util::sync::CancellationToken;

use crate::{
    drill::{Drill, Scale},
    load::Load,
    table::Row,
    world::World,
};

/// What a healthy message may be held up.
const TOLERATED: time::Duration = time::Duration::seconds(2);

pub async fn play(drill: Drill, world: &World, scale: Scale) -> anyhow::Result<Row> {
    let (buyers, poisons) = scale.of((300, 4), (5_000, 50));
    // Posts that are lost would be late for another reason.
    world.stripe.set_faults(stripe_sim::Faults::default());
    let load = Load::new(scale.seed, buyers);
    let enough = CancellationToken::new();
    let publisher = world.publisher().await?;
    let poisoning = async {
        for number in 0..poisons {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let id = if number % 2 == 0 {
                format!("{}_{number}", failpoint::ABORTING_MESSAGE)
            } else {
                format!("evt_unreadable_{number}")
            };
            let body = Bytes::from_static(b"{");
            let poison = Envelope::stripe_event(&id, body, clock::system(), &Traceparent::new());
            publisher.publish(Lane::Events, &poison).await?;
        }
        enough.cancel();
        anyhow::Ok(())
    };
    let (poisoned, bought) = tokio::join!(poisoning, load.run(world, &enough));
    poisoned?;
    bought?;
    let mut row = drill.settled(world, scale, poisons, poisons).await?;

    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for letter in dead_letter::Entity::find().all(&world.db).await? {
        let count = reasons.entry(letter.reason).or_default();
        *count = count.saturating_add(1);
    }
    let half = poisons / 2;
    let expected = BTreeMap::from([
        ("delivery_limit".to_owned(), half),
        ("malformed_event".to_owned(), half),
    ]);
    if reasons != expected {
        row = row.failing(format!("dead letters {reasons:?}, not {expected:?}"));
    }
    let paid_at = load.paid_at();
    let rows = payment::Entity::find().all(&world.db).await?;
    let late = rows.iter().filter_map(|row| {
        let paid_at = paid_at.get(&row.session_id)?.unix_timestamp_nanos();
        let late = row
            .created_at
            .unix_timestamp_nanos()
            .saturating_sub(paid_at);
        i64::try_from(late).ok()
    });
    let latest = time::Duration::nanoseconds(late.max().unwrap_or_default());
    // A short run is for any machine, with a build that nobody made fast.
    if scale.long && latest > TOLERATED {
        row = row.failing(format!("a healthy message was {latest} late"));
    }
    Ok(row.noting(format!(
        "the latest healthy one after {} ms",
        latest.whole_milliseconds()
    )))
}
