//! `refused_webhook`: the latest webhooks that ingress refused. Nothing of their bodies is kept.

use sea_orm::{IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*};

use crate::db::writer;

/// Of each cause; older ones make room.
pub const KEPT: u64 = 20;

/// One row of `refused_webhook`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refused_webhook")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: TimeDateTimeWithTimeZone,
    /// Which part failed.
    pub reason: String,
    /// What it looks like.
    pub cause: Cause,
    /// Of the sender, without the digits that tell one of its hosts from another, if it is known.
    pub network: Option<String>,
    /// Of the body, if it was read.
    pub bytes: Option<i32>,
    /// As the header says.
    pub signed_at: Option<TimeDateTimeWithTimeZone>,
}

/// What a refused webhook looks like; a guess, but for `NotAnEvent` and `Clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Cause {
    /// Nothing that Stripe sends.
    NotStripe,
    /// Something on the way took or changed `Stripe-Signature`.
    HeaderLost,
    /// Something on the way wrote the body anew.
    BodyChanged,
    /// An endpoint of the other mode.
    OtherMode,
    /// `stripe listen`, which has a secret of its own.
    StripeCli,
    /// Another endpoint's secret.
    OtherSecret,
    /// Authentic, and of another time.
    Clock,
    /// Authentic, and no event.
    NotAnEvent,
    /// Larger than any event.
    TooLarge,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Notes one, and forgets what is too many of its cause.
pub async fn note(db: &DatabaseConnection, row: Model) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    let cause = row.cause;
    Entity::insert(row.into_active_model())
        .exec_without_returning(conn)
        .await?;
    let last_to_go = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Cause.eq(cause))
        .order_by_desc(Column::Id)
        .offset(KEPT)
        .limit(1)
        .into_tuple::<Uuid>()
        .one(conn)
        .await?;
    if let Some(id) = last_to_go {
        Entity::delete_many()
            .filter(Column::Cause.eq(cause))
            .filter(Column::Id.lte(id))
            .exec(conn)
            .await?;
    }
    Ok(())
}
