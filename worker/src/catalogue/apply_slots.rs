//! The slots of one offering, brought in line with what its catalogue says.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, Set,
};
use shared::db::{checkout, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    catalogue::{
        Problem, changes::Changes, check::Offering, check_slots::Slot, in_the_way::in_the_way,
    },
    operator::words::moment,
};

/// Rows in one statement.
const ROWS_AT_ONCE: usize = 500;

/// Slots that have begun are left alone. What cannot be goes to `problems`.
pub async fn apply_slots(
    tx: &impl ConnectionTrait,
    wanted: &Offering,
    offering_id: Uuid,
    now: OffsetDateTime,
    changes: &mut Changes,
    problems: &mut Vec<Problem>,
) -> Result<(), DbErr> {
    let rows = slot::Entity::find()
        .filter(slot::Column::OfferingId.eq(offering_id))
        .filter(slot::Column::StartsAt.gt(now))
        .all(tx)
        .await?;
    let mut known: BTreeMap<OffsetDateTime, slot::Model> =
        rows.into_iter().map(|it| (it.starts_at, it)).collect();
    let mut new = Vec::new();
    let (to_come, begun): (Vec<_>, Vec<_>) = wanted.slots.iter().partition(|it| it.starts_at > now);
    changes.begun = changes.begun.saturating_add(begun.len());
    for it in to_come {
        let what = format!("slot {} {}", wanted.key, moment(it.starts_at));
        match known.remove(&it.starts_at) {
            None => {
                new.push(row(it, offering_id));
                changes
                    .lines
                    .push(format!("+ {what}, {} seats", it.capacity));
            }
            Some(before) if it.capacity < before.seats_taken => {
                problems.push(Problem {
                    place: it.place.clone(),
                    field: Some("capacity"),
                    words: in_the_way(
                        tx,
                        &before,
                        &format!("{what} has {} seats sold or held", before.seats_taken),
                    )
                    .await?,
                });
            }
            Some(before) => {
                let after = slot::Model {
                    ends_at: it.ends_at,
                    capacity: it.capacity,
                    closed: it.closed.unwrap_or(before.closed),
                    ..before.clone()
                };
                if after != before {
                    let update = slot::ActiveModel {
                        id: Set(after.id),
                        ends_at: Set(after.ends_at),
                        capacity: Set(after.capacity),
                        closed: Set(after.closed),
                        ..Default::default()
                    };
                    update.update(tx).await?;
                    changes
                        .lines
                        .push(format!("~ {what}, {} seats", it.capacity));
                }
            }
        }
    }
    let mut rows = new.into_iter().peekable();
    while rows.peek().is_some() {
        let some: Vec<_> = rows.by_ref().take(ROWS_AT_ONCE).collect();
        slot::Entity::insert_many(some)
            .exec_without_returning(tx)
            .await?;
    }
    for before in known.into_values() {
        leave_out(tx, wanted, &before, changes, problems).await?;
    }
    Ok(())
}

fn row(wanted: &Slot, offering_id: Uuid) -> slot::ActiveModel {
    let row = slot::Model {
        id: Uuid::now_v7(),
        offering_id: Some(offering_id),
        resource_key: None,
        starts_at: wanted.starts_at,
        ends_at: wanted.ends_at,
        capacity: wanted.capacity,
        seats_taken: 0,
        closed: wanted.closed.unwrap_or_default(),
    };
    slot::ActiveModel::from(row).reset_all()
}

/// A slot that the file does not name any more: deleted if there is no order for it, closed if there is one,
/// and a problem if seats of it are sold or held.
async fn leave_out(
    tx: &impl ConnectionTrait,
    wanted: &Offering,
    before: &slot::Model,
    changes: &mut Changes,
    problems: &mut Vec<Problem>,
) -> Result<(), DbErr> {
    let what = format!("slot {} {}", wanted.key, moment(before.starts_at));
    if before.seats_taken > 0 {
        let what = format!(
            "{what} is not in the file, and {} seats of it are sold or held",
            before.seats_taken
        );
        problems.push(Problem {
            place: format!("offering {}", wanted.key),
            field: Some("slots"),
            words: in_the_way(tx, before, &what).await?,
        });
        return Ok(());
    }
    let ordered = checkout::Entity::find()
        .filter(checkout::Column::SlotId.eq(before.id))
        .count(tx)
        .await?;
    if ordered == 0 {
        slot::Entity::delete_by_id(before.id).exec(tx).await?;
        changes.lines.push(format!("- {what}"));
    } else if !before.closed {
        let close = slot::ActiveModel {
            id: Set(before.id),
            closed: Set(true),
            ..Default::default()
        };
        close.update(tx).await?;
        changes.lines.push(format!("- {what}, closed"));
    }
    Ok(())
}
