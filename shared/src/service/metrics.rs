//! What is counted: every metric of both services by name, in the format of Prometheus.
//!
//! Labels are words of our own, never ids, so that their number stays small.

use std::{sync::OnceLock, time::Duration};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use time::OffsetDateTime;

/// Bounds of the histograms, in seconds: a quick answer to a payment that took a day.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 600.0, 86_400.0,
];

/// What histograms collected is added up so often: otherwise it piles up until it is scraped.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A webhook request: `queued`, or why not.
const WEBHOOKS: &str = "bookonce_webhook_events_total";
const WEBHOOKS_REFUSED: &str = "bookonce_webhook_refused_total";
const WEBHOOK_SECRETS: &str = "bookonce_webhook_secret_total";
/// A confirm request, by the status word it was answered with.
const CONFIRMS: &str = "bookonce_confirm_requests_total";
const PUBLISHES: &str = "bookonce_publishes_total";
const PUBLISH_SECONDS: &str = "bookonce_publish_seconds";
const JOBS: &str = "bookonce_jobs_total";
const JOB_SECONDS: &str = "bookonce_job_seconds";
const JOB_AGE_SECONDS: &str = "bookonce_job_age_seconds";
const JOB_FAILURES: &str = "bookonce_job_failures_total";
const BREAKER_OPEN: &str = "bookonce_breaker_open";
const DEAD_LETTERS: &str = "bookonce_dead_letters";
const NOTIFICATIONS: &str = "bookonce_notifications_published_total";
const DELIVERIES: &str = "bookonce_deliveries_total";
const DELIVERY_AGE_SECONDS: &str = "bookonce_delivery_age_seconds";
const OUTBOX_WAITING: &str = "bookonce_outbox_waiting";
const OUTBOX_AGE_SECONDS: &str = "bookonce_outbox_oldest_seconds";
const DELIVERIES_WAITING: &str = "bookonce_deliveries_waiting";
const DELIVERIES_OLDEST: &str = "bookonce_deliveries_oldest_seconds";
const RECONCILE_ENQUEUED: &str = "bookonce_reconcile_enqueued_total";
const RECONCILE_SUCCESS: &str = "bookonce_reconcile_last_success_timestamp_seconds";

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
    describe_counter!(
        WEBHOOKS,
        "Webhook requests by outcome: queued, ignored or refused, and why"
    );
    describe_counter!(
        WEBHOOKS_REFUSED,
        "Webhook requests refused, by what they look like"
    );
    describe_counter!(
        WEBHOOK_SECRETS,
        "Events by the secret that proved them: its place in STRIPE_WEBHOOK_SECRET"
    );
    describe_counter!(
        CONFIRMS,
        "Confirm requests by the status they were answered with"
    );
    describe_counter!(PUBLISHES, "Messages published, by lane and outcome");
    describe_histogram!(PUBLISH_SECONDS, "Time until the queue confirmed a message");
    describe_counter!(
        JOBS,
        "Jobs done, by kind and outcome; not_ours_* left nothing behind"
    );
    describe_histogram!(JOB_SECONDS, "Time one attempt took");
    describe_histogram!(
        JOB_AGE_SECONDS,
        "Time from the message's first receipt to its end"
    );
    describe_counter!(
        JOB_FAILURES,
        "Attempts that failed, by code and by what follows"
    );
    describe_gauge!(
        BREAKER_OPEN,
        "1 while work that needs the dependency is not taken"
    );
    describe_gauge!(DEAD_LETTERS, "Dead letters that are open");
    describe_counter!(
        NOTIFICATIONS,
        "Notifications published on the exchange, by outcome"
    );
    describe_counter!(
        DELIVERIES,
        "Attempts to deliver a notification, by channel and outcome"
    );
    describe_histogram!(
        DELIVERY_AGE_SECONDS,
        "Time from the commit of what happened to its delivery"
    );
    describe_gauge!(OUTBOX_WAITING, "Notifications not handed on yet");
    describe_gauge!(OUTBOX_AGE_SECONDS, "Age of the oldest of them");
    describe_gauge!(
        DELIVERIES_WAITING,
        "Notifications that have not arrived at a destination yet"
    );
    describe_gauge!(DELIVERIES_OLDEST, "Age of the oldest of them");
    describe_counter!(RECONCILE_ENQUEUED, "What reconcile found missing, by kind");
    // An alert on what grows does not see a counter that begins with its first find.
    for what in ["session", "refund", "dispute", "event"] {
        counter!(RECONCILE_ENQUEUED, "what" => what).increment(0);
    }
    for outcome in [
        "ignored_connected_account",
        "ignored_other_mode",
        "ignored_unknown_form",
    ] {
        counter!(WEBHOOKS, "outcome" => outcome).increment(0);
    }
    counter!(JOB_FAILURES, "code" => "forged", "next" => "dead_letter").increment(0);
    describe_gauge!(RECONCILE_SUCCESS, "When reconcile last came to its end");
}

/// A webhook request was answered.
pub fn webhook(outcome: &'static str) {
    counter!(WEBHOOKS, "outcome" => outcome).increment(1);
}

/// A webhook request was refused.
///
/// - `cause`: what it looks like.
pub fn webhook_refused(cause: String) {
    counter!(WEBHOOKS_REFUSED, "cause" => cause).increment(1);
}

/// An event was proven by the secret at `position`, from 0.
pub fn webhook_secret(position: usize) {
    let place = position.saturating_add(1).to_string();
    counter!(WEBHOOK_SECRETS, "secret" => place).increment(1);
}

/// A confirm request was answered.
pub fn confirm(status: &'static str) {
    counter!(CONFIRMS, "status" => status).increment(1);
}

/// A message was published, or not.
pub fn publish(lane: &'static str, outcome: &'static str, took: Duration) {
    counter!(PUBLISHES, "lane" => lane, "outcome" => outcome).increment(1);
    histogram!(PUBLISH_SECONDS, "lane" => lane).record(took);
}

/// A job came to its end.
///
/// - `age`: since ingress took it in.
pub fn job_done(kind: &'static str, outcome: &'static str, took: Duration, age: Duration) {
    counter!(JOBS, "kind" => kind, "outcome" => outcome).increment(1);
    histogram!(JOB_SECONDS, "kind" => kind).record(took);
    histogram!(JOB_AGE_SECONDS, "kind" => kind).record(age);
}

/// An attempt failed.
///
/// - `next`: `retry`, `dead_letter`, or `outage` if the attempt is not charged.
pub fn job_failed(code: &'static str, next: &'static str) {
    counter!(JOB_FAILURES, "code" => code, "next" => next).increment(1);
}

/// Work that needs `dependency` is not taken any more, or again.
pub fn breaker(dependency: &'static str, open: bool) {
    gauge!(BREAKER_OPEN, "dependency" => dependency).set(f64::from(u8::from(open)));
}

/// So many messages are set aside.
pub fn dead_letters(open: u64) {
    gauge!(DEAD_LETTERS).set(as_float(i64::try_from(open).unwrap_or(i64::MAX)));
}

/// A notification was published on the exchange, or not.
pub fn notification_published(outcome: &'static str) {
    counter!(NOTIFICATIONS, "outcome" => outcome).increment(1);
}

/// A notification arrived.
///
/// - `channel`: what kind of destination it is.
/// - `age`: since what it tells of was committed.
pub fn delivered(channel: &'static str, age: time::Duration) {
    counter!(DELIVERIES, "channel" => channel, "outcome" => "delivered").increment(1);
    histogram!(DELIVERY_AGE_SECONDS, "channel" => channel).record(age.as_seconds_f64());
}

/// An attempt to deliver a notification failed.
///
/// - `next`: `retry` or `given_up`.
pub fn not_delivered(channel: &'static str, next: &'static str) {
    counter!(DELIVERIES, "channel" => channel, "outcome" => next).increment(1);
}

/// So much waits to be handed on, and the oldest of it for so long.
pub fn outbox_waiting(number: u64, oldest: time::Duration) {
    gauge!(OUTBOX_WAITING).set(as_float(i64::try_from(number).unwrap_or(i64::MAX)));
    gauge!(OUTBOX_AGE_SECONDS).set(oldest.as_seconds_f64());
}

/// So many deliveries wait, and the oldest for so long.
pub fn deliveries_waiting(number: u64, oldest: time::Duration) {
    gauge!(DELIVERIES_WAITING).set(as_float(i64::try_from(number).unwrap_or(i64::MAX)));
    gauge!(DELIVERIES_OLDEST).set(oldest.as_seconds_f64());
}

/// Reconcile found something missing and put it on the queue.
pub fn reconcile_enqueued(what: &'static str) {
    counter!(RECONCILE_ENQUEUED, "what" => what).increment(1);
}

/// Reconcile came to its end.
pub fn reconcile_succeeded(at: OffsetDateTime) {
    gauge!(RECONCILE_SUCCESS).set(as_float(at.unix_timestamp()));
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "Prometheus knows floats only, and these numbers fit"
)]
fn as_float(number: i64) -> f64 {
    number as f64
}
