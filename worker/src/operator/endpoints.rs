//! `worker endpoint`: where others are told by webhooks, and what they are told again.

pub mod command;
mod replay;
mod secret;
mod view;

use anyhow::{Context as _, bail, ensure};
use rand::RngExt;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel, QueryFilter, sea_query::Expr,
};
use serde_json::json;
use shared::db::{
    self,
    endpoint::{self, Secret, Secrets, Types},
    outbox::Kind,
    outbox_delivery,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::notifications::webhook::{Message, WebhookClient};

/// Letters of ids: none is mistaken for another one.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many endpoints there may be: each is asked for in every round.
const MOST: usize = 50;
/// Longer URLs are a mistake.
const LONGEST_URL: usize = 2000;

/// A new endpoint at `url`.
///
/// - `types`: those it is told of; all, if there are none.
/// - `secret`: one of the receiver's own.
///
/// Returns it, with its secret.
async fn add(
    db: &DatabaseConnection,
    webhooks: &WebhookClient,
    (url, types, secret): (&str, Vec<String>, Option<String>),
    now: OffsetDateTime,
) -> anyhow::Result<endpoint::Model> {
    ensure!(
        url.len() <= LONGEST_URL,
        "the URL is longer than {LONGEST_URL} characters"
    );
    webhooks
        .check(url)
        .await
        .with_context(|| "this URL cannot be used")?;
    for it in &types {
        ensure!(
            Kind::ALL.iter().any(|kind| kind.as_str() == it),
            "there is no type {it}; there are {}",
            Kind::ALL.map(Kind::as_str).join(", ")
        );
    }
    let secret = match secret {
        Some(own) => secret::checked(own)?,
        None => secret::new(),
    };
    let known = endpoint::Entity::find().all(db).await?;
    ensure!(
        known.len() < MOST,
        "there are {MOST} endpoints; remove one first"
    );
    if let Some(same) = known.iter().find(|it| it.url == url) {
        bail!("{} is at this URL already", same.id);
    }
    let row = endpoint::Model {
        id: new_id(),
        url: url.to_owned(),
        types: (!types.is_empty()).then_some(Types(types)),
        secrets: Secrets(vec![Secret {
            secret,
            expires_at: None,
        }]),
        created_at: now,
        last_success_at: None,
        failing_since: None,
        last_error: None,
        disabled_at: None,
    };
    let insert = row.clone().into_active_model().reset_all();
    endpoint::Entity::insert(insert)
        .exec_without_returning(&db::writer(db).await?)
        .await?;
    Ok(row)
}

fn new_id() -> String {
    let mut rng = rand::rng();
    let random = (0..12).filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())));
    format!(
        "ep_{}",
        random.map(|it| char::from(*it)).collect::<String>()
    )
}

async fn find(db: &impl ConnectionTrait, id: &str) -> anyhow::Result<endpoint::Model> {
    let found = endpoint::Entity::find_by_id(id).one(db).await?;
    found.with_context(|| format!("there is no endpoint {id}; see worker endpoint list"))
}

/// Removes it, and what waits for it.
async fn remove(db: &DatabaseConnection, id: &str) -> anyhow::Result<u64> {
    let tx = db::begin(db).await?;
    find(&tx, id).await?;
    let deliveries = outbox_delivery::Entity::delete_many()
        .filter(outbox_delivery::Column::Destination.eq(id))
        .filter(outbox_delivery::Column::DoneAt.is_null())
        .exec(&tx)
        .await?;
    endpoint::Entity::delete_by_id(id).exec(&tx).await?;
    tx.commit().await?;
    Ok(deliveries.rows_affected)
}

/// Has it told again, of what it missed first; or not any more.
async fn switch(
    db: &DatabaseConnection,
    id: &str,
    on: bool,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    find(&tx, id).await?;
    let disabled_at = (!on).then_some(now);
    endpoint::Entity::update_many()
        .col_expr(endpoint::Column::DisabledAt, Expr::value(disabled_at))
        // It gets as long as a new one.
        .col_expr(
            endpoint::Column::FailingSince,
            Expr::value(None::<OffsetDateTime>),
        )
        .filter(endpoint::Column::Id.eq(id))
        .exec(&tx)
        .await?;
    if on {
        outbox_delivery::Entity::update_many()
            .col_expr(outbox_delivery::Column::DueAt, Expr::value(now))
            .filter(outbox_delivery::Column::Destination.eq(id))
            .filter(outbox_delivery::Column::DoneAt.is_null())
            .exec(&tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Gives it a new secret; the others sign until `end` as well.
async fn rotate(
    db: &DatabaseConnection,
    id: &str,
    own: Option<String>,
    (now, end): (OffsetDateTime, OffsetDateTime),
) -> anyhow::Result<String> {
    let new = match own {
        Some(own) => secret::checked(own)?,
        None => secret::new(),
    };
    let tx = db::begin(db).await?;
    let row = find(&tx, id).await?;
    let older = row
        .secrets
        .0
        .iter()
        .filter(|it| it.expires_at.is_none_or(|end| end > now));
    let older = older.map(|it| Secret {
        secret: it.secret.clone(),
        expires_at: Some(it.expires_at.map_or(end, |before| before.min(end))),
    });
    let newest = Secret {
        secret: new.clone(),
        expires_at: None,
    };
    // A header has room for so many.
    let secrets: Vec<Secret> = std::iter::once(newest).chain(older).take(4).collect();
    let mut row = row.into_active_model();
    row.secrets = sea_orm::Set(Secrets(secrets));
    row.update(&tx).await?;
    tx.commit().await?;
    Ok(new)
}

/// Posts a notification of nothing, and says what the endpoint answered.
async fn test(
    db: &DatabaseConnection,
    webhooks: &WebhookClient,
    id: &str,
    now: OffsetDateTime,
) -> anyhow::Result<u16> {
    let row = find(db, id).await?;
    webhooks
        .check(&row.url)
        .await
        .with_context(|| "its URL cannot be used")?;
    let message_id = Uuid::now_v7().to_string();
    let document = json!({
        "version": 1,
        "id": message_id,
        "type": "endpoint.test",
        "occurred_at": crate::operator::words::rfc3339(now),
    });
    let document = document.to_string();
    let message = Message {
        id: &message_id,
        document: &document,
        traceparent: None,
    };
    let posted = webhooks.post(&row, message, now).await;
    match posted {
        Ok(status) => Ok(status.as_u16()),
        Err(failure) => bail!("{}", failure.words),
    }
}
