//! The message as AMQP carries it: properties and headers, both ways.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};

use crate::{db::outbox, message::Envelope, stripe::signature};

/// Names of the headers; part of the contract.
mod header {
    pub const SCHEMA: &str = "bookonce-schema";
    pub const ATTEMPT: &str = "bookonce-attempt";
    pub const RECEIVED_AT_MS: &str = "bookonce-received-at-ms";
    pub const SOURCE: &str = "bookonce-source";
    pub const LAST_ERROR: &str = "bookonce-last-error";
    pub const LAST_ERROR_DETAIL: &str = "bookonce-last-error-detail";
    pub const TRACEPARENT: &str = "traceparent";
    pub const SIGNATURE: &str = "bookonce-signature";
    /// The broker's own: where a message died before, the last time first.
    pub const DEATHS: &str = "x-death";
}

/// No text of ours is longer, but for the signature. A copy of the message, as for a retry, has to
/// fit the frame that is asked for, whatever came with the original.
const LONGEST_TEXT: usize = 255;
/// What ingress takes, eight times over. Of a larger body its beginning is kept: it is none of ours.
const LARGEST_BODY: usize = 2 * 1024 * 1024;

/// What the broker calls a message that it handed out too often.
const DELIVERY_LIMIT: &str = "delivery_limit";

/// What goes with the body of `message`.
pub(in crate::queue) fn properties(message: &Envelope, app_id: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut number = |name: &str, value: Option<i64>| {
        if let Some(value) = value {
            headers.insert(name.into(), AMQPValue::LongLongInt(value));
        }
    };
    number(header::SCHEMA, message.schema);
    number(header::ATTEMPT, Some(message.attempt));
    number(header::RECEIVED_AT_MS, message.received_at_ms);
    let mut text = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            headers.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
        }
    };
    text(header::SOURCE, &message.source);
    text(header::LAST_ERROR, &message.last_error);
    text(header::LAST_ERROR_DETAIL, &message.last_error_detail);
    text(header::TRACEPARENT, &message.traceparent);
    text(header::SIGNATURE, &message.signature);

    let mut properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_app_id(app_id.into())
        .with_headers(headers);
    if let Some(id) = &message.message_id {
        properties = properties.with_message_id(id.as_str().into());
    }
    if let Some(kind) = &message.kind {
        properties = properties.with_type(kind.as_str().into());
    }
    if let Some(received_at_ms) = message.received_at_ms {
        // AMQP counts this one in seconds.
        let seconds = u64::try_from(received_at_ms.div_euclid(1000)).unwrap_or_default();
        properties = properties.with_timestamp(seconds);
    }
    properties
}

/// What goes with the document of `notification`.
pub(in crate::queue) fn of_notification(
    notification: &outbox::Model,
    traceparent: Option<&str>,
    app_id: &str,
) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = traceparent {
        let text = AMQPValue::LongString(traceparent.into());
        headers.insert(header::TRACEPARENT.into(), text);
    }
    let seconds = notification.created_at.unix_timestamp();
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_app_id(app_id.into())
        .with_message_id(notification.id.to_string().into())
        .with_type(notification.kind.as_str().into())
        .with_timestamp(u64::try_from(seconds).unwrap_or_default())
        .with_headers(headers)
}

/// The message of `delivery`, as far as it is one.
pub(in crate::queue) fn envelope(delivery: &Delivery) -> Envelope {
    let properties = &delivery.properties;
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let value = |name: &str| headers.and_then(|headers| headers.get(name));
    let number = |name| value(name).and_then(integer);
    let text = |name| value(name).and_then(string);
    let killed_its_worker =
        value(header::DEATHS).and_then(last_death) == Some(DELIVERY_LIMIT.into());
    Envelope {
        message_id: properties.message_id().as_ref().map(storable),
        kind: properties.kind().as_ref().map(storable),
        schema: number(header::SCHEMA),
        attempt: number(header::ATTEMPT).unwrap_or_default(),
        received_at_ms: number(header::RECEIVED_AT_MS),
        source: text(header::SOURCE),
        last_error: if killed_its_worker {
            Some(DELIVERY_LIMIT.to_owned())
        } else {
            text(header::LAST_ERROR)
        },
        last_error_detail: text(header::LAST_ERROR_DETAIL),
        traceparent: text(header::TRACEPARENT),
        signature: value(header::SIGNATURE)
            .and_then(whole_string)
            .filter(|it| it.len() <= signature::MAX_HEADER_BYTES),
        body: body(&delivery.data),
    }
}

/// Why the broker itself last dead-lettered the message.
///
/// Source: <https://www.rabbitmq.com/docs/dlx#effects>
fn last_death(deaths: &AMQPValue) -> Option<String> {
    let AMQPValue::FieldArray(deaths) = deaths else {
        return None;
    };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else {
        return None;
    };
    last.inner().get("reason").and_then(string)
}

/// Other clients write the same number in another width.
fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

fn string(value: &AMQPValue) -> Option<String> {
    whole_string(value).map(|text| text.chars().take(LONGEST_TEXT).collect())
}

fn whole_string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(storable(text)),
        AMQPValue::ShortString(text) => Some(storable(text)),
        _ => None,
    }
}

/// PostgreSQL's texts hold no NUL, and ours need none.
pub(in crate::queue) fn storable(text: &impl ToString) -> String {
    text.to_string().replace('\0', "")
}

fn body(data: &[u8]) -> Bytes {
    let length = data.len().min(LARGEST_BODY);
    Bytes::copy_from_slice(data.get(..length).unwrap_or(data))
}
