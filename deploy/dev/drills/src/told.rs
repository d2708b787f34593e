//! Those who are told: a webhook, a queue on the broker and a mail server, each of which keeps the ids it
//! has seen. Whatever breaks, none may miss one, and what happened to one booking comes in its order.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use lapin::{
    Connection, ConnectionProperties, ExchangeKind,
    options::{BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait};
use serde_json::Value;
use shared::{
    clock,
    config::QueueSettings,
    db::{
        endpoint::{self, Secret, Secrets},
        outbox::{self, Kind},
    },
    queue::topology::Topology,
};
use testkit::{MailServer, Receiver, Variables};
use uuid::Uuid;

/// What notifications are signed with. The receiver of the drills does not verify them.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Everyone who is told.
pub struct Told {
    webhook: Receiver,
    mail: MailServer,
    /// The broker's queue, if there is a broker, and the ids that came out of it.
    queue: Option<(QueueSettings, String)>,
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
        let (webhook, mail) = (Receiver::start().await?, MailServer::start()?);
        let row = endpoint::Model {
            id: "ep_drill".to_owned(),
            url: webhook.url.clone(),
            types: None,
            secrets: Secrets(vec![Secret {
                secret: SECRET.to_owned(),
                expires_at: None,
            }]),
            created_at: clock::system(),
            last_success_at: None,
            failing_since: None,
            last_error: None,
            disabled_at: None,
        };
        let row = endpoint::ActiveModel::from(row).reset_all();
        endpoint::Entity::insert(row)
            .exec_without_returning(db)
            .await?;
        variables.insert("SMTP_URL", mail.url.clone());
        variables.insert("MAIL_FROM", "Drill <drill@shop.example>".to_owned());
        let queue = match &queue {
            QueueSettings::Embedded => None,
            QueueSettings::RabbitMq { prefix, .. } => {
                let name = format!("{prefix}.told");
                bind(&queue, &name).await?;
                Some((queue, name))
            }
        };
        Ok(Self {
            webhook,
            mail,
            queue,
            from_queue: Mutex::default(),
        })
    }

    /// What was told, and what is wrong with it.
    pub async fn compare(&self, db: &DatabaseConnection) -> anyhow::Result<(usize, Vec<String>)> {
        let rows = outbox::Entity::find().all(db).await?;
        let mut wrong = Vec::new();
        let mut seen: HashSet<Uuid> = HashSet::new();
        let mut last: HashMap<String, i64> = HashMap::new();
        for it in self.webhook.received() {
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
        let mails = self.mail.message_ids()?;
        let from_queue = self.drain().await?;
        for row in &rows {
            let (id, kind) = (row.id, row.kind.as_str());
            let mut lacks = |who: &str| wrong.push(format!("{who} lacks {kind} {id}"));
            if !seen.contains(&id) {
                lacks("webhook");
            }
            if self.queue.is_some() && !from_queue.contains(&id) {
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
        if let Some((settings, name)) = &self.queue {
            let connection = connect(settings).await?;
            let channel = connection.create_channel().await?;
            let get = BasicGetOptions { no_ack: true };
            while let Some(message) = channel.basic_get(name.as_str().into(), get).await? {
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

async fn connect(settings: &QueueSettings) -> anyhow::Result<Connection> {
    let QueueSettings::RabbitMq { uri, .. } = settings else {
        anyhow::bail!("there is no broker");
    };
    let properties = ConnectionProperties::default();
    Ok(Connection::connect_uri(uri.expose(), properties).await?)
}

/// A durable queue for all that is told, as a site would have one, before the services start.
async fn bind(settings: &QueueSettings, name: &str) -> anyhow::Result<()> {
    let QueueSettings::RabbitMq { prefix, .. } = settings else {
        anyhow::bail!("there is no broker");
    };
    let connection = connect(settings).await?;
    let channel = connection.create_channel().await?;
    let exchange = Topology::new(prefix).notifications_exchange();
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Topic,
            durable,
            FieldTable::default(),
        )
        .await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    channel
        .queue_bind(
            name.into(),
            exchange.as_str().into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}
