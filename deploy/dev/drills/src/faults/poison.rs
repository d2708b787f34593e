//! Messages that cannot be read, that kill their worker, that Stripe has not signed, or whose
//! headers exceed the frame of a worker's connection. They must end as dead letters, and no healthy
//! one with them or much later than usual.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use sea_orm::EntityTrait;
use shared::{
    clock,
    db::{dead_letter, payment},
    message::Envelope,
    queue::Lane,
    service::failpoint,
    traceparent::Traceparent,
};
use tokio_util::sync::CancellationToken;

use crate::{environment::Environment, finish::finish, load::Load, report::Row, scale::Scale};

/// What a healthy message may be held up.
const TOLERATED: time::Duration = time::Duration::seconds(2);

/// See [`poison`].
const KINDS: usize = 5;
/// Headers that exceed the frame a worker asks for, and those that the broker just allows.
const LARGE: usize = 17_800;
const LARGEST: usize = 130_000;

fn poison(environment: &Environment, number: usize) -> Envelope {
    let signed = |id: String, body: &'static [u8]| {
        let (signature, now) = (environment.stripe.sign_bytes(body), clock::system());
        let trace = Traceparent::new();
        Envelope::stripe_event(&id, Bytes::from_static(body), &signature, now, &trace)
    };
    let forged = |size: usize| Envelope {
        signature: None,
        last_error: Some("x".repeat(size)),
        ..signed(
            format!("evt_forged_{number}"),
            br#"{"type":"checkout.session.completed"}"#,
        )
    };
    match number.checked_rem(KINDS).unwrap_or_default() {
        0 => signed(format!("{}_{number}", failpoint::ABORTING_MESSAGE), b"{"),
        1 => signed(format!("evt_unreadable_{number}"), b"{"),
        2 => forged(1),
        3 => forged(LARGE),
        _ => forged(LARGEST),
    }
}

pub async fn publish_poison(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let (buyers, poisons) = scale.of((300, 5), (5_000, 50));
    // Posts that are lost would be late for another reason.
    environment.stripe.set_faults(stripe_sim::Faults::default());
    let load = Load::new(scale.seed, buyers);
    let enough = CancellationToken::new();
    let publisher = environment.wide_publisher().await?;
    let poisoning = async {
        for number in 0..poisons {
            tokio::time::sleep(Duration::from_secs(1)).await;
            publisher
                .publish(Lane::Events, &poison(environment, number))
                .await?;
        }
        enough.cancel();
        anyhow::Ok(())
    };
    let (poisoned, bought) = tokio::join!(poisoning, load.run(environment, &enough));
    poisoned?;
    bought?;
    let mut row = finish(environment, scale, poisons, poisons).await?;

    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for letter in dead_letter::Entity::find().all(&environment.db).await? {
        let count = reasons.entry(letter.reason).or_default();
        *count = count.saturating_add(1);
    }
    let of_each = poisons / KINDS;
    let expected = BTreeMap::from([
        ("delivery_limit".to_owned(), of_each),
        ("malformed_event".to_owned(), of_each),
        ("forged".to_owned(), of_each.saturating_mul(3)),
    ]);
    if reasons != expected {
        row = row.failing(format!("dead letters {reasons:?}, not {expected:?}"));
    }
    let paid_at = load.paid_at();
    let rows = payment::Entity::find().all(&environment.db).await?;
    let late = rows.iter().filter_map(|row| {
        let paid_at = paid_at.get(&row.session_id)?.unix_timestamp_nanos();
        let late = row
            .created_at
            .unix_timestamp_nanos()
            .saturating_sub(paid_at);
        i64::try_from(late).ok()
    });
    let latest = time::Duration::nanoseconds(late.max().unwrap_or_default());
    // A short run is for any machine, and for a debug build.
    if scale.long && latest > TOLERATED {
        row = row.failing(format!("a healthy message was {latest} late"));
    }
    Ok(row.noting(format!(
        "the latest healthy one after {} ms",
        latest.whole_milliseconds()
    )))
}
