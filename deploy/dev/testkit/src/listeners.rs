//! Those who are told of what happens in a shop: a webhook, a queue on the broker and a mail server.

use lapin::{
    Connection, ConnectionProperties, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait};
use shared::{
    clock,
    config::{AmqpUri, QueueSettings},
    db::endpoint::{self, Secret, Secrets},
    queue::topology::Topology,
};

use crate::{mail_server::MailServer, receiver::Receiver, shop::Variables};

/// What webhooks are signed with. The receiver does not verify them.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// All three of them.
pub struct Listeners {
    /// Of webhooks.
    pub webhook: Receiver,
    /// Of mail.
    pub mail: MailServer,
    /// Of messages, if there is a broker.
    pub queue: Option<ListenerQueue>,
}

/// A durable queue for all that is told, as a site would have one.
pub struct ListenerQueue {
    name: String,
    uri: Box<AmqpUri>,
}

impl Listeners {
    /// Has them told of what happens in a shop, once its workers start with what is added to `variables`.
    ///
    /// - `queue`: the shop's.
    ///
    /// # Errors
    ///
    /// One of them cannot start, or the shop cannot be told of it.
    pub async fn start(
        db: &DatabaseConnection,
        queue: QueueSettings,
        variables: &mut Variables,
    ) -> anyhow::Result<Self> {
        let (webhook, mail) = (Receiver::start().await?, MailServer::start()?);
        add_endpoint(db, &webhook.url).await?;
        variables.insert("SMTP_URL", mail.url.clone());
        variables.insert("MAIL_FROM", "Shop <book@shop.example>".to_owned());
        let queue = match queue {
            QueueSettings::Embedded => None,
            QueueSettings::RabbitMq { uri, prefix, .. } => {
                Some(ListenerQueue::bind(uri, &prefix).await?)
            }
        };
        Ok(Self {
            webhook,
            mail,
            queue,
        })
    }
}

async fn add_endpoint(db: &DatabaseConnection, url: &str) -> anyhow::Result<()> {
    let row = endpoint::Model {
        id: "ep_listener".to_owned(),
        url: url.to_owned(),
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
    Ok(())
}

impl ListenerQueue {
    /// It is there before the services start.
    async fn bind(uri: Box<AmqpUri>, prefix: &str) -> anyhow::Result<Self> {
        let name = format!("{prefix}.told");
        let queue = Self { name, uri };
        let connection = queue.connect().await?;
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
            .queue_declare(
                queue.name.as_str().into(),
                QueueDeclareOptions::durable(),
                arguments,
            )
            .await?;
        channel
            .queue_bind(
                queue.name.as_str().into(),
                exchange.as_str().into(),
                "#".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        connection.close(200, "done".into()).await?;
        Ok(queue)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// To the broker that the shop was set up with.
    ///
    /// # Errors
    ///
    /// The broker does not answer.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let properties = ConnectionProperties::default();
        Ok(Connection::connect_uri(self.uri.expose(), properties).await?)
    }
}
