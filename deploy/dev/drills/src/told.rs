//! Those who are told: each keeps the ids it has seen. Whatever breaks, none may miss one, and what happened
//! to one booking comes in its order.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use lapin::options::BasicGetOptions;
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::Value;
use shared::{
    config::QueueSettings,
    db::outbox::{self, Kind},
};
use testkit::{Listeners, Variables};
use uuid::Uuid;

/// Everyone who is told.
pub struct Told {
    listeners: Listeners,
    /// Ids that came out of the broker's queue.
    from_queue: Mutex<HashSet<Uuid>>,
}

impl Told {
    /// Has everyone told of what happens in the shop of `variables`, and sets what its services need.
    ///
    /// - `queue`: straight to the broker, past any proxy.
    pub async fn start(
        db: &DatabaseConnection,
        queue: QueueSettings,
        variables: &mut Variables,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            listeners: Listeners::start(db, queue, variables).await?,
            from_queue: Mutex::default(),
        })
    }

    /// What was told, and what is wrong with it.
    pub async fn compare(&self, db: &DatabaseConnection) -> anyhow::Result<(usize, Vec<String>)> {
        let rows = outbox::Entity::find().all(db).await?;
        let mut wrong = Vec::new();
        let mut seen: HashSet<Uuid> = HashSet::new();
        let mut last: HashMap<String, i64> = HashMap::new();
        for it in self.listeners.webhook.received() {
            let id: Uuid = it.id.parse()?;
            if !seen.insert(id) {
                continue; // told again, by the same id
            }
            let document: Value = serde_json::from_str(&it.body)?;
            let checkout = document["checkout"]["id"].to_string();
            let sequence = document["sequence"].as_i64().unwrap_or_default();
            let before = last.insert(checkout, sequence).unwrap_or_default();
            if sequence != before.saturating_add(1) {
                wrong.push(format!("webhook {id}: {sequence} came after {before}"));
            }
        }
        let mails = self.listeners.mail.message_ids()?;
        let from_queue = self.drain().await?;
        for row in &rows {
            let (id, kind) = (row.id, row.kind.as_str());
            let mut lacks = |who: &str| wrong.push(format!("{who} lacks {kind} {id}"));
            if !seen.contains(&id) {
                lacks("webhook");
            }
            if self.listeners.queue.is_some() && !from_queue.contains(&id) {
                lacks("queue");
            }
            // What else is mailed depends on more than the type.
            if row.kind == Kind::BookingConfirmed && !mails.contains(&format!("{id}.buyer")) {
                lacks("mail");
            }
        }
        if seen.len() > rows.len() {
            wrong.push(format!("{} ids told, {} there are", seen.len(), rows.len()));
        }
        Ok((seen.len(), wrong))
    }

    /// Takes what is in the queue, and remembers it.
    async fn drain(&self) -> anyhow::Result<HashSet<Uuid>> {
        if let Some(queue) = &self.listeners.queue {
            let connection = queue.connect().await?;
            let channel = connection.create_channel().await?;
            let get = BasicGetOptions { no_ack: true };
            while let Some(message) = channel.basic_get(queue.name().into(), get).await? {
                let id = message.delivery.properties.message_id().clone();
                let id: Uuid = id.map(|it| it.to_string()).unwrap_or_default().parse()?;
                lock(&self.from_queue).insert(id);
            }
            connection.close(200, "done".into()).await?;
        }
        Ok(lock(&self.from_queue).clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
