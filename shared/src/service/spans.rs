//! The spans of a trace, from the click or the webhook over the queue to the commit and who is told. They
//! are made only while traces are sent; the trace's id travels in any case, for the logs.
//!
//! Names and attributes are OpenTelemetry's.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/>

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use tracing::{Span, field::Empty, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{service::sampler, traceparent::Traceparent};

/// Of these spans, which no filter of the log has to know.
pub(super) const TARGET: &str = "bookonce::spans";

/// The queue, as OpenTelemetry calls it.
pub const RABBITMQ: &str = "rabbitmq";
/// The queue in the database, which OpenTelemetry has no word for.
pub const EMBEDDED: &str = "bookonce";

/// Something is looked into that no request asked for.
pub fn look(what: &str) -> Span {
    part_of(
        None,
        || trace_span!(target: TARGET, "look", otel.name = format!("look into {what}")),
    )
}

/// A request is answered.
///
/// - `route`: its path without what is in it.
pub fn request(method: &str, route: &str, caller: Option<&Traceparent>) -> Span {
    if !sampler::should_sample(caller) {
        return Span::none();
    }
    let span = trace_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    );
    under(span, caller)
}

/// What comes of a request goes on from here.
pub fn trace_of(span: &Span, caller: Option<Traceparent>) -> Traceparent {
    let of_caller = |caller: Traceparent| {
        if sampler::is_on() {
            caller.unsampled()
        } else {
            caller
        }
    };
    let here = context(span).or_else(|| caller.map(of_caller));
    here.unwrap_or_default()
}

/// The request was answered with `status`.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        failed(span);
    }
}

/// A message is given to the queue.
///
/// - `system`: [`RABBITMQ`] or [`EMBEDDED`].
/// - `destination`: lane, or type of the notification.
pub fn send(system: &str, destination: &str, id: Option<&str>, parent: Option<&str>) -> Span {
    of_message(("send", "producer"), (system, destination), id, parent)
}

/// A message is worked on, until it is answered.
pub fn process(system: &str, destination: &str, id: Option<&str>, parent: Option<&str>) -> Span {
    of_message(("process", "consumer"), (system, destination), id, parent)
}

fn of_message(
    (operation, kind): (&str, &str),
    (system, destination): (&str, &str),
    id: Option<&str>,
    parent: Option<&str>,
) -> Span {
    part_of(parent, || {
        trace_span!(
            target: TARGET,
            "message",
            otel.name = format!("{operation} {destination}"),
            otel.kind = kind,
            messaging.system = system,
            messaging.operation.name = operation,
            messaging.operation.type = operation,
            messaging.destination.name = destination,
            messaging.message.id = id,
            otel.status_code = Empty,
        )
    })
}

/// What a message led to is written, in a transaction that may be that of others as well.
pub fn commit(parent: Option<&str>) -> Span {
    part_of(parent, || trace_span!(target: TARGET, "commit"))
}

/// A notification is delivered.
///
/// - `channel`: by mail, or as a webhook.
pub fn deliver(channel: &str, id: &str, parent: Option<&str>) -> Span {
    part_of(parent, || {
        trace_span!(
            target: TARGET,
            "deliver",
            otel.name = format!("deliver {channel}"),
            otel.kind = "client",
            messaging.message.id = id,
            otel.status_code = Empty,
        )
    })
}

/// What `span` is about did not work.
pub fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// What comes of `span` goes on from here; `None` if no span was made.
pub fn context(span: &Span) -> Option<Traceparent> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let of = span.span_context();
    Traceparent::of(
        u128::from_be_bytes(of.trace_id().to_bytes()),
        u64::from_be_bytes(of.span_id().to_bytes()),
        of.is_sampled(),
    )
}

/// None is made if the trace is not sampled.
fn part_of(parent: Option<&str>, make: impl FnOnce() -> Span) -> Span {
    let parent = parent.and_then(Traceparent::parse);
    let is_sampled = match &parent {
        Some(parent) => parent.is_sampled(),
        None => sampler::should_sample(None),
    };
    if is_sampled {
        under(make(), parent.as_ref())
    } else {
        Span::none()
    }
}

fn under(span: Span, parent: Option<&Traceparent>) -> Span {
    if !span.is_disabled()
        && let Some((trace, parent, flags)) = parent.map(Traceparent::parts)
    {
        let remote = SpanContext::new(
            trace.into(),
            parent.into(),
            opentelemetry::TraceFlags::new(flags),
            true,
            TraceState::default(),
        );
        let context = opentelemetry::Context::new().with_remote_span_context(remote);
        // It is new, so it has no other yet.
        let _ = span.set_parent(context);
    }
    span
}
