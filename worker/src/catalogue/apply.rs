//! Applying a catalogue: all of it in one transaction, or nothing. What is sold already stands in the way of
//! what would take it away, and is named.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::LockType,
};
use shared::db::{self, offering, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::catalogue::{Problem, apply_slots::apply_slots, changes::Changes, check::Offering};

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
