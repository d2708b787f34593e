//! Applying a catalogue: all of it in one transaction, or nothing. What is sold already stands in the way of
//! what would take it away, and is named.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::LockType,
};
use shared::db::{self, booking, checkout, offering, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::catalogue::{
    Problem,
    check::{Offering, Slot},
};

/// References that are named; of more, how many there are.
const NAMED: usize = 5;

/// What a catalogue changes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In a line each, in order.
    pub lines: Vec<String>,
}

/// Why a catalogue is not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The database is in trouble.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// What is sold is in the way.
    #[error("what is sold is in the way")]
    InTheWay(Vec<Problem>),
}

/// Brings the offerings that `wanted` names in line with it. Slots that have begun are left alone.
///
/// - `dry_run`: changes nothing.
///
/// # Errors
///
/// [`ApplyError`]; nothing is changed.
pub async fn apply(
    db: &DatabaseConnection,
    wanted: &[Offering],
    now: OffsetDateTime,
    dry_run: bool,
) -> Result<Changes, ApplyError> {
    let tx = db::begin(db).await?;
    let mut changes = Changes::default();
    let mut problems = Vec::new();
    if !dry_run {
        lock(&tx, wanted, now).await?;
    }
    for it in wanted {
        let id = apply_offering(&tx, it, &mut changes).await?;
        apply_slots(&tx, it, id, now, &mut changes, &mut problems).await?;
    }
    if !problems.is_empty() {
        return Err(ApplyError::InTheWay(problems));
    }
    if dry_run {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(changes)
}

/// No buyer takes a seat while it is decided whether there are fewer. Slots are locked in their order, as by
/// all others.
async fn lock(
    tx: &impl ConnectionTrait,
    wanted: &[Offering],
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let mut offerings = Vec::new();
    for it in wanted {
        offerings.extend(find(tx, &it.key).await?.map(|it| it.id));
    }
    slot::Entity::find()
        .select_only()
        .column(slot::Column::Id)
        .filter(slot::Column::OfferingId.is_in(offerings))
        .filter(slot::Column::StartsAt.gt(now))
        .order_by_asc(slot::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple::<Uuid>()
        .all(tx)
        .await?;
    Ok(())
}

/// Returns its id.
async fn apply_offering(
    tx: &impl ConnectionTrait,
    wanted: &Offering,
    changes: &mut Changes,
) -> Result<Uuid, DbErr> {
    let known = find(tx, &wanted.key).await?;
    let id = known.as_ref().map_or_else(Uuid::now_v7, |it| it.id);
    let row = offering::Model {
        id,
        // One that was written by hand goes by its id.
        key: known
            .as_ref()
            .map_or_else(|| Some(wanted.key.clone()), |it| it.key.clone()),
        name: wanted.name.clone(),
        description: wanted.description.clone(),
        unit_amount_minor_units: wanted.price.minor_units,
        currency: wanted.price.currency.as_str().to_owned(),
        time_zone: wanted.time_zone.clone(),
        location: wanted.location.clone(),
        closed: wanted
            .closed
            .or(known.as_ref().map(|it| it.closed))
            .unwrap_or_default(),
        cancellation_free_hours: wanted.cancellation_free_hours,
        cancellation_late_percent: wanted.cancellation_late_percent,
    };
    let active = offering::ActiveModel::from(row.clone()).reset_all();
    match known {
        None => {
            offering::Entity::insert(active)
                .exec_without_returning(tx)
                .await?;
            changes.lines.push(format!("+ offering {}", wanted.key));
        }
        Some(before) if before != row => {
            active.update(tx).await?;
            changes.lines.push(format!("~ offering {}", wanted.key));
        }
        Some(_) => {}
    }
    Ok(id)
}

/// The offering with this key, or with this id.
pub async fn find(
    conn: &impl ConnectionTrait,
    key: &str,
) -> Result<Option<offering::Model>, DbErr> {
    if let Ok(id) = Uuid::parse_str(key)
        && let Some(row) = offering::Entity::find_by_id(id).one(conn).await?
    {
        return Ok(Some(row));
    }
    offering::Entity::find()
        .filter(offering::Column::Key.eq(key))
        .one(conn)
        .await
}

async fn apply_slots(
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
    for it in wanted.slots.iter().filter(|it| it.starts_at > now) {
        let what = format!(
            "slot {} {}",
            wanted.key,
            crate::operator::words::moment(it.starts_at)
        );
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
        let some: Vec<_> = rows.by_ref().take(500).collect();
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

/// A slot that the file does not name any more: gone if nobody ever ordered it, closed if somebody did,
/// and in the way if it is sold.
async fn leave_out(
    tx: &impl ConnectionTrait,
    wanted: &Offering,
    before: &slot::Model,
    changes: &mut Changes,
    problems: &mut Vec<Problem>,
) -> Result<(), DbErr> {
    let what = format!(
        "slot {} {}",
        wanted.key,
        crate::operator::words::moment(before.starts_at)
    );
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

/// What stands in the way, by reference.
pub async fn in_the_way(
    conn: &impl ConnectionTrait,
    slot: &slot::Model,
    what: &str,
) -> Result<String, DbErr> {
    let references: Vec<String> = booking::Entity::find()
        .select_only()
        .column(booking::Column::Reference)
        .filter(booking::Column::SlotId.eq(slot.id))
        .filter(booking::Column::Status.ne(booking::Status::Cancelled))
        .into_tuple()
        .all(conn)
        .await?;
    let mut named = references
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = references.len().saturating_sub(NAMED);
    if more > 0 {
        named = format!("{named} and {more} more");
    }
    if named.is_empty() {
        "orders that are not paid yet".clone_into(&mut named);
    }
    Ok(format!(
        "{what}: {named}; move or cancel them first (worker booking list --slot {})",
        slot.id
    ))
}
