//! `resource`: what a site has to sell of, such as a room or a boat, by the site's own key.

use sea_orm::{QuerySelect, entity::prelude::*, sea_query::OnConflict};

use crate::db::slot;

/// One row of `resource`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub struct Model {
    /// The site's; opaque to us.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Seats at any one time, as the site said last with an order that was taken.
    pub capacity: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Notes what the site says about a resource. Its row is locked then, until the transaction ends:
/// who takes seats of a resource does so one after the other.
pub async fn note(tx: &impl ConnectionTrait, resource: Model) -> Result<(), DbErr> {
    let differs = Column::Capacity.ne(resource.capacity);
    let update = OnConflict::column(Column::Key)
        .update_column(Column::Capacity)
        .action_and_where(differs)
        .to_owned();
    Entity::insert(ActiveModel::from(resource).reset_all())
        .on_conflict(update)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Capacity of a resource, and the most seats of it that are taken at any moment of `slot`, with the
/// resource's row locked from now on. Slots of one resource may overlap: each uses it up for the
/// others. Who frees a slot does not lock the resource, so that a deadlock is possible; who meets one
/// tries again.
pub async fn lock_and_count(
    tx: &impl ConnectionTrait,
    key: &str,
    slot: &slot::Model,
) -> Result<(i32, i32), DbErr> {
    let resource = Entity::find_by_id(key).lock_exclusive().one(tx).await?;
    let Some(resource) = resource else {
        return Ok((0, 0));
    };
    let overlapping = slot::Entity::find()
        .filter(slot::Column::ResourceKey.eq(key))
        .filter(slot::Column::EndsAt.gt(slot.starts_at))
        .filter(slot::Column::StartsAt.lt(slot.ends_at))
        .filter(slot::Column::SeatsTaken.gt(0))
        .all(tx)
        .await?;
    Ok((resource.capacity, most_at_once(slot, &overlapping)))
}

/// The most seats that `others`, which overlap it, take at one moment of `slot`.
fn most_at_once(slot: &slot::Model, others: &[slot::Model]) -> i32 {
    let changes = others.iter().flat_map(|it| {
        let begins = (it.starts_at.max(slot.starts_at), it.seats_taken);
        [begins, (it.ends_at, it.seats_taken.saturating_neg())]
    });
    let mut changes: Vec<_> = changes.collect();
    // What ends at a moment leaves room for what begins then.
    changes.sort_unstable();
    let mut taken: i32 = 0;
    let at_each = changes.into_iter().map(|(_, change)| {
        taken = taken.saturating_add(change);
        taken
    });
    at_each.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::*;

    fn taken((from, until): (i64, i64), seats_taken: i32) -> slot::Model {
        let hour = |hour| OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::hours(hour));
        slot::Model {
            id: Uuid::nil(),
            offering_id: None,
            resource_key: Some("room 7".to_owned()),
            starts_at: hour(from),
            ends_at: hour(until),
            capacity: 9,
            seats_taken,
            closed: false,
        }
    }

    #[test]
    fn what_overlaps_counts_where_it_does() {
        let wanted = taken((10, 14), 0);
        for (others, expected) in [
            (vec![], 0),
            (vec![taken((8, 11), 2)], 2),
            (vec![taken((13, 20), 2)], 2),
            (vec![taken((8, 20), 2), taken((11, 12), 1)], 3),
            // One after the other.
            (vec![taken((9, 12), 2), taken((12, 15), 3)], 3),
            // They overlap each other before it begins only.
            (vec![taken((6, 11), 2), taken((6, 10), 4)], 2),
        ] {
            assert_eq!(most_at_once(&wanted, &others), expected);
        }
    }
}
