//! Where notifications are delivered to.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait};
use shared::{
    db::{
        endpoint,
        outbox::{self, Kind},
        outbox_delivery::{self, BUYER, MERCHANT},
    },
    service::spans,
    traceparent::Traceparent,
};
use time::OffsetDateTime;
use tracing::Span;

use crate::{
    Context,
    mail::{Mailer, Recipient},
    notifications::{failure::Failure, webhook::Message},
};

/// One that is told.
#[derive(Debug, Clone)]
pub enum Destination {
    /// A webhook endpoint.
    Endpoint(endpoint::Model),
    /// By mail.
    Mail(Mailer, Recipient),
}

impl Destination {
    /// As rows of `outbox_delivery` call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Endpoint(endpoint) => &endpoint.id,
            Self::Mail(_, Recipient::Buyer) => BUYER,
            Self::Mail(_, Recipient::Merchant) => MERCHANT,
        }
    }

    /// The word for metrics.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Endpoint(_) => "webhook",
            Self::Mail(_, Recipient::Buyer) => "mail_buyer",
            Self::Mail(_, Recipient::Merchant) => "mail_merchant",
        }
    }

    /// Whether it is told of what has this type.
    pub fn wants(&self, kind: Kind) -> bool {
        match self {
            Self::Endpoint(endpoint) => endpoint.wants(kind.as_str()),
            Self::Mail(_, recipient) => recipient.wants(kind),
        }
    }

    /// Whether anything is delivered to it now. What happens is kept for it in any case.
    pub fn is_on(&self) -> bool {
        match self {
            Self::Endpoint(endpoint) => endpoint.disabled_at.is_none(),
            Self::Mail(..) => true,
        }
    }

    /// Delivers `notification`.
    ///
    /// - `span`: of the attempt.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it has not arrived, as far as is known.
    pub async fn deliver(
        &self,
        context: &Context,
        notification: &outbox::Model,
        span: &Span,
    ) -> Result<(), Failure> {
        match self {
            Self::Endpoint(endpoint) => {
                let id = notification.id.to_string();
                let here = spans::context(span);
                let message = Message {
                    id: &id,
                    document: &notification.document,
                    traceparent: here
                        .as_ref()
                        .map(Traceparent::as_str)
                        .or(notification.traceparent.as_deref()),
                };
                let now = (context.clock)();
                let posted = context.webhooks.post(endpoint, message, now).await;
                posted.map(drop)
            }
            Self::Mail(mailer, recipient) => {
                mailer.send(&context.db, *recipient, notification).await
            }
        }
    }
}

/// All of them.
///
/// - `mailer`: if mail is sent.
pub async fn all(
    conn: &impl ConnectionTrait,
    mailer: Option<&Mailer>,
) -> Result<Vec<Destination>, DbErr> {
    let endpoints = endpoint::Entity::find().all(conn).await?;
    let mut all: Vec<_> = endpoints.into_iter().map(Destination::Endpoint).collect();
    if let Some(mailer) = mailer {
        all.push(Destination::Mail(mailer.clone(), Recipient::Buyer));
        if mailer.has_merchant() {
            all.push(Destination::Mail(mailer.clone(), Recipient::Merchant));
        }
    }
    Ok(all)
}

/// A row for each of `destinations` that wants `notification`.
pub fn deliveries(
    notification: &outbox::Model,
    destinations: &[Destination],
    now: OffsetDateTime,
) -> Vec<outbox_delivery::ActiveModel> {
    let row = |destination: &Destination| outbox_delivery::Model {
        outbox_id: notification.id,
        destination: destination.name().to_owned(),
        checkout_id: notification.checkout_id,
        sequence: notification.sequence,
        due_at: now,
        attempts: 0,
        last_error: None,
        done_at: None,
    };
    let wanted = destinations.iter().filter(|it| it.wants(notification.kind));
    wanted
        .map(|it| outbox_delivery::ActiveModel::from(row(it)).reset_all())
        .collect()
}
