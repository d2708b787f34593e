//! Where seats are held: a slot that is there, or one of a resource that is made for its first buyer.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use shared::db::{offering, resource, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{hold::Place, http::error::ApiError};

/// The slot of `place`, with its offering.
pub async fn find(
    tx: &impl ConnectionTrait,
    place: &Place,
    now: OffsetDateTime,
) -> Result<(Option<slot::Model>, Option<offering::Model>), ApiError> {
    let (slot, offering) = match place {
        Place::Nothing => return Ok((None, None)),
        Place::Slot(id) => slot::Entity::find_by_id(*id)
            .find_also_related(offering::Entity)
            .one(tx)
            .await?
            .ok_or(ApiError::SlotNotFound)?,
        Place::Resource {
            key,
            capacity,
            starts_at,
            ends_at,
        } => {
            let (key, capacity) = (key.clone(), *capacity);
            let resource = resource::Model { key, capacity };
            (slot_of(tx, resource, (*starts_at, *ends_at)).await?, None)
        }
    };
    let is_closed = slot.closed || offering.as_ref().is_some_and(|it| it.closed);
    if is_closed || slot.starts_at <= now {
        return Err(ApiError::SlotClosed);
    }
    if slot.ends_at <= slot.starts_at {
        return Err(ApiError::OfferingUnavailable);
    }
    Ok((Some(slot), offering))
}

/// The resource's slot for exactly this time.
async fn slot_of(
    tx: &impl ConnectionTrait,
    resource: resource::Model,
    (starts_at, ends_at): (OffsetDateTime, OffsetDateTime),
) -> Result<slot::Model, DbErr> {
    // Before the slot is looked for: of two buyers, the second then finds what the first has made.
    resource::note(tx, resource.clone()).await?;
    let same = slot::Entity::find()
        .filter(slot::Column::ResourceKey.eq(&resource.key))
        .filter(slot::Column::EndsAt.eq(ends_at))
        .filter(slot::Column::StartsAt.eq(starts_at));
    if let Some(slot) = same.one(tx).await? {
        return Ok(slot);
    }
    let slot = slot::Model {
        id: Uuid::now_v7(),
        offering_id: None,
        resource_key: Some(resource.key),
        starts_at,
        ends_at,
        capacity: resource.capacity,
        seats_taken: 0,
        closed: false,
    };
    slot::Entity::insert(slot::ActiveModel::from(slot.clone()).reset_all())
        .exec_without_returning(tx)
        .await?;
    Ok(slot)
}
