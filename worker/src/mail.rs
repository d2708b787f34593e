//! Mail to the buyer, and a line to the merchant: what a notification says, in the buyer's language,
//! with an entry for the calendar.

mod calendar;
mod document;
mod facts;
mod sample;
mod settings;
mod shop;
mod templates;
mod transport;
mod words;

use std::sync::Arc;

use lettre::{
    Address, Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use shared::{
    db::outbox::{self, Kind},
    service::failpoint,
};

pub use self::settings::MailSettings;
use self::{
    calendar::Method,
    document::{Document, MailKind},
    facts::Facts,
};
use crate::notifications::failure::Failure;

/// Who gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// In the language of the order.
    Buyer,
    /// In English.
    Merchant,
}

impl Recipient {
    /// Whether there is a mail about what has this type.
    pub fn wants(self, kind: Kind) -> bool {
        match self {
            Self::Buyer => kind != Kind::PaymentDisputed,
            Self::Merchant => kind != Kind::PaymentRefunded,
        }
    }
}

/// Sends mail. Clones share their settings.
#[derive(Clone)]
pub struct Mailer(Arc<MailSettings>);

impl std::fmt::Debug for Mailer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "mail from {}", self.0.from.email)
    }
}

impl Mailer {
    /// - `settings`: which were checked.
    pub fn new(settings: MailSettings) -> Self {
        Self(Arc::new(settings))
    }

    /// Whether the merchant gets any.
    pub fn has_merchant(&self) -> bool {
        self.0.merchant.is_some()
    }

    /// Sends what `notification` says to `recipient`, if there is anything to say.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the server has not taken it, as far as is known.
    pub(crate) async fn send(
        &self,
        db: &DatabaseConnection,
        recipient: Recipient,
        notification: &outbox::Model,
    ) -> Result<(), Failure> {
        let document = serde_json::from_str(&notification.document);
        let document: Document =
            document.map_err(|_| Failure::for_good("the document cannot be read"))?;
        let Some(mail) = self.compose(db, recipient, notification, &document).await? else {
            return Ok(());
        };
        failpoint::crash_at("mail_before_send");
        self.0.transport.send(&mail).await
    }

    async fn compose(
        &self,
        db: &DatabaseConnection,
        recipient: Recipient,
        notification: &outbox::Model,
        document: &Document,
    ) -> Result<Option<Message>, Failure> {
        let message_id = self.message_id(recipient, notification);
        let mail = match recipient {
            Recipient::Buyer => {
                let Some(kind) = document.buyer_kind() else {
                    return Ok(None);
                };
                let method = self.method(db, notification, kind).await;
                let method = method.map_err(|_| Failure::later("the database failed"))?;
                self.to_buyer(document, kind, method, message_id)
            }
            Recipient::Merchant => self.to_merchant(document, message_id),
        };
        mail.map(Some)
    }

    /// The same for every attempt: who gets a mail twice can tell.
    fn message_id(&self, recipient: Recipient, notification: &outbox::Model) -> String {
        let word = match recipient {
            Recipient::Buyer => "buyer",
            Recipient::Merchant => "merchant",
        };
        format!("<{}.{word}@{}>", notification.id, self.0.shop.host)
    }

    /// What the calendar is told: one that was never invited is not told of an end.
    async fn method(
        &self,
        db: &DatabaseConnection,
        notification: &outbox::Model,
        kind: MailKind,
    ) -> Result<Option<Method>, DbErr> {
        match kind {
            MailKind::Confirmed | MailKind::Moved => Ok(Some(Method::Request)),
            MailKind::Cancelled | MailKind::RefundPending | MailKind::SecondPayment => {
                let invited = outbox::Entity::find()
                    .filter(outbox::Column::CheckoutId.eq(notification.checkout_id))
                    .filter(outbox::Column::Sequence.lt(notification.sequence))
                    .filter(
                        outbox::Column::Kind.is_in([Kind::BookingConfirmed, Kind::BookingMoved]),
                    )
                    .count(db)
                    .await?;
                Ok((invited > 0).then_some(Method::Cancel))
            }
            MailKind::Refunded | MailKind::NeedsAttention => Ok(None),
        }
    }

    fn to_buyer(
        &self,
        document: &Document,
        kind: MailKind,
        method: Option<Method>,
        message_id: String,
    ) -> Result<Message, Failure> {
        let settings = &self.0;
        let words = settings
            .templates
            .words(document.checkout.locale.as_deref());
        let facts = Facts::new(document, kind, words, &settings.shop);
        let text = settings.templates.render("buyer.txt", words, &facts)?;
        let html = settings.templates.render("buyer.html", words, &facts)?;
        let mut alternatives = self.with_logo(
            MultiPart::alternative().singlepart(SinglePart::plain(text)),
            SinglePart::html(html),
        )?;
        let invitation = method
            .and_then(|it| calendar::entry(document, &facts, it, &settings.shop, &settings.from));
        if let Some((content_type, entry)) = &invitation {
            let part = SinglePart::builder().header(content_type.clone());
            alternatives = alternatives.singlepart(part.body(entry.clone()));
        }
        let mut parts = MultiPart::mixed().multipart(alternatives);
        if let Some((content_type, entry)) = invitation {
            let attachment = Attachment::new("booking.ics".to_owned());
            parts = parts.singlepart(attachment.body(entry, content_type));
        }
        let subject = format!("{}: {}", words.subject(kind), document.booking.reference);
        let to = address(&document.checkout.customer.email)?;
        let name = facts.customer_name.clone().filter(|it| !it.is_empty());
        self.envelope(Mailbox::new(name, to), subject, message_id)
            .multipart(parts)
            .map_err(|_| Failure::for_good("it cannot be written"))
    }

    /// Adds `html` and, if there is one, the logo that it shows: as a part of the mail, which is there
    /// wherever the shop's pages are.
    fn with_logo(&self, mail: MultiPart, html: SinglePart) -> Result<MultiPart, Failure> {
        let Some(logo) = &self.0.shop.logo else {
            return Ok(mail.singlepart(html));
        };
        let kind = logo.media_type.parse();
        let kind = kind.map_err(|_| Failure::for_good("the logo cannot be attached"))?;
        let logo = Attachment::new_inline("logo".to_owned()).body(logo.bytes.to_vec(), kind);
        Ok(mail.multipart(MultiPart::related().singlepart(html).singlepart(logo)))
    }

    fn to_merchant(&self, document: &Document, message_id: String) -> Result<Message, Failure> {
        let settings = &self.0;
        let merchant = settings.merchant.clone();
        let merchant = merchant.ok_or_else(|| Failure::later("MAIL_MERCHANT is not set"))?;
        let words = settings.templates.words(None);
        let facts = Facts::new(document, document.merchant_kind(), words, &settings.shop);
        let text = settings.templates.render("merchant.txt", words, &facts)?;
        let subject = format!("{} {}", document.r#type, document.booking.reference);
        self.envelope(merchant, subject, message_id)
            .singlepart(SinglePart::plain(text))
            .map_err(|_| Failure::for_good("it cannot be written"))
    }

    fn envelope(
        &self,
        to: Mailbox,
        subject: String,
        message_id: String,
    ) -> lettre::message::MessageBuilder {
        // Nobody's absence is answered to.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.0.from.clone())
            .to(to)
            .subject(subject)
            .message_id(Some(message_id))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
    }
}

fn address(text: &str) -> Result<Address, Failure> {
    text.parse()
        .map_err(|_| Failure::for_good("the address cannot be written to"))
}
