//! What is counted and measured in both services, in the format of Prometheus.

mod list;

use std::{sync::OnceLock, time::Duration};

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use time::OffsetDateTime;

pub use self::list::{ALL, Kind, Metric};
use self::list::{
    AUDIT_SUCCESS, BREAKER_OPEN, CONFIRMS, CONNECTIONS, CONNECTIONS_CLOSED, DEAD_LETTERS,
    DELIVERIES, DELIVERIES_OLDEST, DELIVERIES_WAITING, DELIVERY_AGE_SECONDS, JOB_AGE_SECONDS,
    JOB_FAILURES, JOB_SECONDS, JOBS, NEEDS_ATTENTION, NOTIFICATIONS, OUTBOX_OLDEST, OUTBOX_WAITING,
    PAID_TO_BOOKED, PUBLISH_SECONDS, PUBLISHES, QUEUE_OLDEST, QUEUE_READY, QUEUE_UNACKED,
    RECONCILE_ENQUEUED, RECONCILE_SUCCESS, WEBHOOK_SECRETS, WEBHOOKS, WEBHOOKS_REFUSED,
};
use crate::clock::elapsed;

/// Bounds of the histograms, in seconds: a quick answer to a payment that took a day.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 600.0, 86_400.0,
];

/// What histograms collected is added up so often: otherwise it piles up until it is scraped.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Everything counted so far, as text for Prometheus.
///
/// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>
pub fn render() -> String {
    recorder().map_or_else(String::new, PrometheusHandle::render)
}

/// Starts counting, once per process; what was counted before is lost. Inside a tokio runtime.
pub fn start() {
    if let Some(recorder) = recorder() {
        tokio::spawn(async {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                recorder.run_upkeep();
            }
        });
    }
}

fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(&SECONDS).ok()?;
            let handle = builder.install_recorder().ok()?;
            describe();
            Some(handle)
        })
        .as_ref()
}

fn describe() {
    ALL.iter().for_each(Metric::describe);
    // An alert on what grows does not see a counter that begins with its first find.
    for what in ["session", "refund", "dispute", "event"] {
        counter!(RECONCILE_ENQUEUED.name, "what" => what).increment(0);
    }
    for outcome in [
        "ignored_connected_account",
        "ignored_other_mode",
        "ignored_unknown_form",
        "queue_unavailable",
        "signature_verification_failed",
    ] {
        counter!(WEBHOOKS.name, "outcome" => outcome).increment(0);
    }
    counter!(JOB_FAILURES.name, "code" => "forged", "next" => "dead_letter").increment(0);
}

/// So many more connections are open, or fewer.
pub(crate) fn connections(more: f64) {
    gauge!(CONNECTIONS.name).increment(more);
}

/// A connection was closed for others.
pub(crate) fn connection_closed(reason: &'static str) {
    counter!(CONNECTIONS_CLOSED.name, "reason" => reason).increment(1);
}

/// A webhook request was answered.
pub fn webhook(outcome: &'static str) {
    counter!(WEBHOOKS.name, "outcome" => outcome).increment(1);
}

/// A webhook request was refused.
///
/// - `cause`: what it looks like.
pub fn webhook_refused(cause: String) {
    counter!(WEBHOOKS_REFUSED.name, "cause" => cause).increment(1);
}

/// An event was proven by the secret at `position`, from 0.
pub fn webhook_secret(position: usize) {
    let place = position.saturating_add(1).to_string();
    counter!(WEBHOOK_SECRETS.name, "secret" => place).increment(1);
}

/// A confirm request was answered.
pub fn confirm(status: &'static str) {
    counter!(CONFIRMS.name, "status" => status).increment(1);
}

/// A message was published, or not.
pub fn publish(lane: &'static str, outcome: &'static str, took: Duration) {
    counter!(PUBLISHES.name, "lane" => lane, "outcome" => outcome).increment(1);
    histogram!(PUBLISH_SECONDS.name, "lane" => lane).record(took);
}

/// A job came to its end.
///
/// - `age`: since ingress took it in.
pub fn job_done(kind: &'static str, outcome: &'static str, took: Duration, age: Duration) {
    counter!(JOBS.name, "kind" => kind, "outcome" => outcome).increment(1);
    histogram!(JOB_SECONDS.name, "kind" => kind).record(took);
    histogram!(JOB_AGE_SECONDS.name, "kind" => kind).record(age);
}

/// An attempt failed.
///
/// - `next`: `retry`, `dead_letter`, or `outage` if the attempt is not charged.
pub fn job_failed(code: &'static str, next: &'static str) {
    counter!(JOB_FAILURES.name, "code" => code, "next" => next).increment(1);
}

/// A payment is a booking now.
///
/// - `paid_at`: in whole seconds, as Stripe says it.
pub fn booked(paid_at: OffsetDateTime, now: OffsetDateTime) {
    // Stripe's clock may be ahead of ours.
    let took = elapsed(paid_at, now).max(time::Duration::ZERO);
    histogram!(PAID_TO_BOOKED.name).record(took.as_seconds_f64());
}

/// What is in a queue.
///
/// - `ready`: messages that wait in it.
pub fn queue_ready(queue: &'static str, ready: u64) {
    gauge!(QUEUE_READY.name, "queue" => queue).set(of_count(ready));
}

/// What this process has of a queue, and for how long the oldest message of the queue has waited.
pub fn queue_taken(queue: &'static str, unacked: u64, oldest: time::Duration) {
    gauge!(QUEUE_UNACKED.name, "queue" => queue).set(of_count(unacked));
    gauge!(QUEUE_OLDEST.name, "queue" => queue).set(oldest.as_seconds_f64());
}

/// Work that needs `dependency` is not taken any more, or again.
pub fn breaker(dependency: &'static str, open: bool) {
    gauge!(BREAKER_OPEN.name, "dependency" => dependency).set(f64::from(u8::from(open)));
}

/// So many messages are set aside.
pub fn dead_letters(open: u64) {
    gauge!(DEAD_LETTERS.name).set(of_count(open));
}

/// So many payments wait for a person.
pub fn needs_attention(bookings: u64) {
    gauge!(NEEDS_ATTENTION.name).set(of_count(bookings));
}

/// A notification was published on the exchange, or not.
pub fn notification_published(outcome: &'static str) {
    counter!(NOTIFICATIONS.name, "outcome" => outcome).increment(1);
}

/// A notification arrived.
///
/// - `channel`: what kind of destination it is.
/// - `age`: since what it tells of was committed.
pub fn delivered(channel: &'static str, age: time::Duration) {
    counter!(DELIVERIES.name, "channel" => channel, "outcome" => "delivered").increment(1);
    histogram!(DELIVERY_AGE_SECONDS.name, "channel" => channel).record(age.as_seconds_f64());
}

/// An attempt to deliver a notification failed.
///
/// - `next`: `retry` or `given_up`.
pub fn not_delivered(channel: &'static str, next: &'static str) {
    counter!(DELIVERIES.name, "channel" => channel, "outcome" => next).increment(1);
}

/// So much waits to be handed on, and the oldest of it for so long.
pub fn outbox_waiting(number: u64, oldest: time::Duration) {
    gauge!(OUTBOX_WAITING.name).set(of_count(number));
    gauge!(OUTBOX_OLDEST.name).set(oldest.as_seconds_f64());
}

/// So many deliveries wait, and the oldest for so long.
pub fn deliveries_waiting(number: u64, oldest: time::Duration) {
    gauge!(DELIVERIES_WAITING.name).set(of_count(number));
    gauge!(DELIVERIES_OLDEST.name).set(oldest.as_seconds_f64());
}

/// Reconcile found something missing and put it on the queue.
pub fn reconcile_enqueued(what: &'static str) {
    counter!(RECONCILE_ENQUEUED.name, "what" => what).increment(1);
}

/// Reconcile came to its end.
pub fn reconcile_succeeded(at: OffsetDateTime) {
    gauge!(RECONCILE_SUCCESS.name).set(as_float(at.unix_timestamp()));
}

/// An audit last found no difference.
pub fn audit_succeeded(at: OffsetDateTime) {
    gauge!(AUDIT_SUCCESS.name).set(as_float(at.unix_timestamp()));
}

fn of_count(number: u64) -> f64 {
    as_float(i64::try_from(number).unwrap_or(i64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "Prometheus knows floats only, and these numbers fit"
)]
fn as_float(number: i64) -> f64 {
    number as f64
}
