//! `job`: the messages of the embedded queue.

use sea_orm::entity::prelude::*;

use crate::message::Envelope;

/// One row of `job`: where it stands in the queue, then the message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lane: String,
    /// Not handed out before this time, in Unix milliseconds.
    pub available_at_ms: i64,
    /// The claim of the consumer it was delivered to; zeros before, or nothing if an earlier release published it.
    pub lease: Option<Uuid>,
    /// Hand-outs of this attempt.
    pub deliveries: i32,
    pub message_id: Option<String>,
    pub kind: Option<String>,
    pub schema: Option<i64>,
    pub attempt: i64,
    pub received_at_ms: Option<i64>,
    pub source: Option<String>,
    pub last_error: Option<String>,
    pub traceparent: Option<String>,
    pub signature: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for Envelope {
    fn from(row: Model) -> Self {
        Self {
            message_id: row.message_id,
            kind: row.kind,
            schema: row.schema,
            attempt: row.attempt,
            received_at_ms: row.received_at_ms,
            source: row.source,
            last_error: row.last_error,
            last_error_detail: None,
            traceparent: row.traceparent,
            signature: row.signature,
            body: row.body.into(),
        }
    }
}
