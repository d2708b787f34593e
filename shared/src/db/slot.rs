//! `slot`: a time at which an offering takes place or a resource is used, and its seats.

use sea_orm::entity::prelude::*;

/// One row of `slot`, with an offering or a resource. The database itself refuses more `seats_taken`
/// than `capacity`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "slot")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What of ours takes place.
    pub offering_id: Option<Uuid>,
    /// What of the site's is used; see [`resource`](crate::db::resource).
    pub resource_key: Option<String>,
    pub starts_at: TimeDateTimeWithTimeZone,
    pub ends_at: TimeDateTimeWithTimeZone,
    pub capacity: i32,
    /// Seats of open holds and of live bookings.
    pub seats_taken: i32,
    /// No more seats of it are for sale.
    pub closed: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "crate::db::offering::Entity",
        from = "Column::OfferingId",
        to = "crate::db::offering::Column::Id"
    )]
    Offering,
}

impl Related<crate::db::offering::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Offering.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
