//! `endpoint`: where notifications are posted to, signed.

use sea_orm::{FromJsonQueryResult, entity::prelude::*};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// One row of `endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "endpoint")]
pub struct Model {
    /// `ep_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub url: String,
    /// The types it wants; all, if there are none.
    pub types: Option<Types>,
    /// What it knows us by. The newest first.
    pub secrets: Secrets,
    pub created_at: TimeDateTimeWithTimeZone,
    pub last_success_at: Option<TimeDateTimeWithTimeZone>,
    /// Since the first failure that no success came after.
    pub failing_since: Option<TimeDateTimeWithTimeZone>,
    /// The last failure, in a few words.
    pub last_error: Option<String>,
    /// Nothing is posted since; what happens is kept for it.
    pub disabled_at: Option<TimeDateTimeWithTimeZone>,
}

/// Types of notifications, such as `booking.confirmed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Types(pub Vec<String>);

/// The secrets of an endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Secrets(pub Vec<Secret>);

/// What a notification is signed with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// `whsec_…`
    pub secret: String,
    /// Until when it signs, besides the one that took its place.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// It is a secret also in a log.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} secrets", self.0.len())
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it is to be told of what has this type.
    pub fn wants(&self, kind: &str) -> bool {
        let types = self.types.as_ref();
        types.is_none_or(|Types(types)| types.iter().any(|it| it == kind))
    }

    /// What signs at `now`.
    pub fn secrets_at(&self, now: OffsetDateTime) -> impl Iterator<Item = &str> {
        let valid = move |it: &&Secret| it.expires_at.is_none_or(|end| end > now);
        let secrets = self.secrets.0.iter().filter(valid);
        secrets.map(|it| it.secret.as_str())
    }
}
