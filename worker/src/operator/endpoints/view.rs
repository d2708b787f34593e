//! Endpoints as operators see them: without their secrets.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::IntoCondition,
};
use serde_json::{Value, json};
use shared::db::{
    endpoint,
    outbox_delivery::{self, Column},
};

use crate::operator::words::{counted, moment, rfc3339};

/// An endpoint, and how it stands with it.
pub struct View {
    endpoint: endpoint::Model,
    waiting: i64,
    given_up: i64,
}

impl View {
    /// All of them, the oldest first.
    pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Self>, DbErr> {
        let endpoints = endpoint::Entity::find()
            .order_by_asc(endpoint::Column::CreatedAt)
            .all(db)
            .await?;
        let mut waiting = count(db, Column::DoneAt.is_null()).await?;
        let given_up = Condition::all()
            .add(Column::DoneAt.is_not_null())
            .add(Column::LastError.is_not_null());
        let mut given_up = count(db, given_up).await?;
        let view = |endpoint: endpoint::Model| Self {
            waiting: waiting.remove(&endpoint.id).unwrap_or_default(),
            given_up: given_up.remove(&endpoint.id).unwrap_or_default(),
            endpoint,
        };
        Ok(endpoints.into_iter().map(view).collect())
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let it = &self.endpoint;
        json!({
            "id": it.id,
            "url": it.url,
            "types": it.types,
            "secrets": it.secrets.0.len(),
            "created_at": rfc3339(it.created_at),
            "last_success_at": it.last_success_at.map(rfc3339),
            "failing_since": it.failing_since.map(rfc3339),
            "last_error": it.last_error,
            "disabled_at": it.disabled_at.map(rfc3339),
            "waiting": self.waiting,
            "given_up": self.given_up,
        })
    }

    /// For people: a few lines.
    pub fn lines(&self) -> Vec<String> {
        let it = &self.endpoint;
        let types = it
            .types
            .as_ref()
            .map_or("all types".to_owned(), |it| it.0.join(", "));
        let mut lines = vec![format!("{}  {}", it.id, it.url), format!("  {types}")];
        if it.secrets.0.len() > 1 {
            lines.push(format!(
                "  {} at once",
                counted(it.secrets.0.len(), "secret")
            ));
        }
        let error = it.last_error.as_deref().unwrap_or("no reason known");
        match (it.disabled_at, it.failing_since, it.last_success_at) {
            (Some(at), _, _) => {
                lines.push(format!("  switched off {}: {error}", moment(at)));
                lines.push(format!(
                    "  when it works again: worker endpoint enable {}",
                    it.id
                ));
            }
            (None, Some(at), _) => lines.push(format!("  failing since {}: {error}", moment(at))),
            (None, None, Some(at)) => lines.push(format!("  works, last seen {}", moment(at))),
            (None, None, None) => {
                lines.push(format!(
                    "  not told yet; try: worker endpoint test {}",
                    it.id
                ));
            }
        }
        if self.waiting > 0 {
            lines.push(format!(
                "  {} waiting",
                counted(self.waiting, "notification")
            ));
        }
        if self.given_up > 0 {
            lines.push(format!(
                "  {} given up; again: worker endpoint replay {} --failed",
                counted(self.given_up, "notification"),
                it.id
            ));
        }
        lines
    }
}

/// Deliveries of which `condition` is true, by destination.
async fn count(
    db: &impl ConnectionTrait,
    condition: impl IntoCondition,
) -> Result<HashMap<String, i64>, DbErr> {
    let rows: Vec<(String, i64)> = outbox_delivery::Entity::find()
        .select_only()
        .column(Column::Destination)
        .column_as(Column::OutboxId.count(), "number")
        .filter(condition)
        .group_by(Column::Destination)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
