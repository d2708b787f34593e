//! `dead_letter`: messages that will not succeed by themselves, of either queue, and what
//! became of them.

use sea_orm::{
    ActiveValue::Set,
    ExprTrait,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};
use time::OffsetDateTime;

use crate::message::Envelope;

/// One row of `dead_letter`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Routing key of the lane it came from.
    pub lane: String,
    /// Why, as a code.
    pub reason: String,
    /// What the failure said, if the code does not say it all.
    pub detail: Option<String>,
    pub message_id: Option<String>,
    pub kind: Option<String>,
    pub schema: Option<i64>,
    pub attempt: i64,
    pub received_at_ms: Option<i64>,
    pub source: Option<String>,
    pub traceparent: Option<String>,
    pub signature: Option<String>,
    pub body: Vec<u8>,
    /// When it was last set aside.
    pub dead_at: TimeDateTimeWithTimeZone,
    /// The same for the same message dead for the same reason: such a one is one letter.
    pub fingerprint: Option<String>,
    /// How often it was set aside.
    pub times: i32,
    /// What an operator did; `None` while it is open.
    pub resolution: Option<Resolution>,
    pub resolved_at: Option<TimeDateTimeWithTimeZone>,
    /// Who did it.
    pub resolved_by: Option<String>,
    /// And why.
    pub resolved_why: Option<String>,
}

/// What an operator did with a dead letter.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Resolution {
    /// Put on the queue again.
    Replayed,
    /// Left alone for good.
    Discarded,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Model> for Envelope {
    fn from(row: &Model) -> Self {
        Self {
            message_id: row.message_id.clone(),
            kind: row.kind.clone(),
            schema: row.schema,
            attempt: row.attempt,
            received_at_ms: row.received_at_ms,
            source: row.source.clone(),
            last_error: Some(row.reason.clone()),
            last_error_detail: row.detail.clone(),
            traceparent: row.traceparent.clone(),
            signature: row.signature.clone(),
            body: row.body.clone().into(),
        }
    }
}

/// Keeps `message`, which is dead for the code in its `last_error`. One that is there already
/// is counted and waits for an operator again.
///
/// - `lane`: routing key of the lane it came from.
pub async fn put_aside(
    conn: &impl ConnectionTrait,
    lane: &str,
    message: &Envelope,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let reason = message.last_error.clone();
    let reason = reason.unwrap_or_else(|| "unknown".to_owned());
    let row = ActiveModel {
        id: Set(Uuid::now_v7()),
        fingerprint: Set(Some(message.fingerprint(&[lane, &reason]))),
        lane: Set(lane.to_owned()),
        reason: Set(reason),
        detail: Set(message.last_error_detail.clone()),
        message_id: Set(message.message_id.clone()),
        kind: Set(message.kind.clone()),
        schema: Set(message.schema),
        attempt: Set(message.attempt),
        received_at_ms: Set(message.received_at_ms),
        source: Set(message.source.clone()),
        traceparent: Set(message.traceparent.clone()),
        signature: Set(message.signature.clone()),
        body: Set(message.body.to_vec()),
        dead_at: Set(now),
        times: Set(1),
        resolution: Set(None),
        resolved_at: Set(None),
        resolved_by: Set(None),
        resolved_why: Set(None),
    };
    let again = OnConflict::column(Column::Fingerprint)
        .update_columns([
            Column::Attempt,
            Column::Detail,
            Column::DeadAt,
            Column::Resolution,
            Column::ResolvedAt,
            Column::ResolvedBy,
            Column::ResolvedWhy,
        ])
        .value(Column::Times, Expr::col((Entity, Column::Times)).add(1))
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}
