//! `stripe_endpoint_secret`: when each secret of our webhook endpoint was last needed.

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};
use time::OffsetDateTime;

use crate::db::writer;

/// One row of `stripe_endpoint_secret`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_endpoint_secret")]
pub struct Model {
    /// As [`EndpointSecrets::fingerprints`](crate::config::EndpointSecrets::fingerprints) has it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub fingerprint: String,
    /// Of the last event that it proved and none before it in the list did.
    pub last_used_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Notes that it proved an event.
pub async fn note_use(
    db: &DatabaseConnection,
    fingerprint: String,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    let row = ActiveModel {
        fingerprint: Set(fingerprint),
        last_used_at: Set(now),
    };
    let again = OnConflict::column(Column::Fingerprint)
        .update_column(Column::LastUsedAt)
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}
