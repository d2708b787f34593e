//! Every metric by name, with what it says and the labels it has. `deploy/docs/metrics.md` is the same for
//! people.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// What is counted or measured.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name at Prometheus.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What its series are told apart by: words of our own, never ids, so that their number stays small.
    pub labels: &'static [&'static str],
    /// What it says.
    pub about: &'static str,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and begins anew with the process.
    Counter,
    /// As it is now.
    Gauge,
    /// How many there were up to each bound, in seconds.
    Histogram,
}

impl Kind {
    /// Prometheus's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            about,
        }
    }

    pub(super) fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.about),
            Kind::Gauge => describe_gauge!(self.name, self.about),
            Kind::Histogram => describe_histogram!(self.name, self.about),
        }
    }
}

/// Names them, and lists them all.
macro_rules! metrics {
    ($($place:ident = $kind:ident $name:literal [$($label:literal),*] $about:literal;)*) => {
        $(pub(super) const $place: Metric =
            Metric::new($name, Kind::$kind, &[$($label),*], $about);)*

        /// All of them, those of ingress first.
        pub const ALL: &[Metric] = &[$($place),*];
    };
}

metrics! {
    WEBHOOKS = Counter "bookonce_webhook_events_total" ["outcome"]
        "Webhook requests by outcome: queued, ignored or refused, and why";
    WEBHOOKS_REFUSED = Counter "bookonce_webhook_refused_total" ["cause"]
        "Webhook requests refused and looked into, by what they look like";
    WEBHOOK_SECRETS = Counter "bookonce_webhook_secret_total" ["secret"]
        "Events by the secret that proved them: its place in STRIPE_WEBHOOK_SECRET";
    CONNECTIONS = Gauge "bookonce_http_connections" []
        "Connections that are open, those of ADMIN_ADDR among them";
    CONNECTIONS_CLOSED = Counter "bookonce_http_connections_closed_total" ["reason"]
        "Connections closed for others, by reason";
    CONFIRMS = Counter "bookonce_confirm_requests_total" ["status"]
        "Confirm requests by the status they were answered with";
    PUBLISHES = Counter "bookonce_publishes_total" ["lane", "outcome"]
        "Messages published, by lane and outcome";
    PUBLISH_SECONDS = Histogram "bookonce_publish_seconds" ["lane"]
        "Time until the queue confirmed a message";
    PAID_TO_BOOKED = Histogram "bookonce_paid_to_booked_seconds" []
        "Time from the payment, which Stripe says in whole seconds, to the commit of the booking";
    JOBS = Counter "bookonce_jobs_total" ["kind", "outcome"]
        "Jobs done, by kind and outcome; not_ours_* left nothing behind";
    JOB_SECONDS = Histogram "bookonce_job_seconds" ["kind"]
        "Time one attempt took";
    JOB_AGE_SECONDS = Histogram "bookonce_job_age_seconds" ["kind"]
        "Time from the message's first receipt to its end";
    JOB_FAILURES = Counter "bookonce_job_failures_total" ["code", "next"]
        "Attempts that failed, by code and by what follows";
    QUEUE_READY = Gauge "bookonce_queue_messages_ready" ["queue"]
        "Messages that wait; those of retry for their next attempt. All workers say the same: take the max";
    QUEUE_UNACKED = Gauge "bookonce_queue_messages_unacked" ["queue"]
        "Messages that this worker has and has not answered: take the sum";
    QUEUE_OLDEST = Gauge "bookonce_queue_oldest_seconds" ["queue"]
        "Age of the oldest message of a queue that has not failed yet, as far as this worker sees: take the max";
    BREAKER_OPEN = Gauge "bookonce_breaker_open" ["dependency"]
        "1 while work that needs the dependency is not taken";
    DEAD_LETTERS = Gauge "bookonce_dead_letters" []
        "Dead letters that are open";
    NEEDS_ATTENTION = Gauge "bookonce_needs_attention" []
        "Payments that a person has to decide about";
    NOTIFICATIONS = Counter "bookonce_notifications_published_total" ["outcome"]
        "Notifications published on the exchange, by outcome";
    DELIVERIES = Counter "bookonce_deliveries_total" ["channel", "outcome"]
        "Attempts to deliver a notification, by channel and outcome";
    DELIVERY_AGE_SECONDS = Histogram "bookonce_delivery_age_seconds" ["channel"]
        "Time from the commit of what happened to its delivery";
    OUTBOX_WAITING = Gauge "bookonce_outbox_waiting" []
        "Notifications not handed on yet";
    OUTBOX_OLDEST = Gauge "bookonce_outbox_oldest_seconds" []
        "Age of the oldest of them";
    DELIVERIES_WAITING = Gauge "bookonce_deliveries_waiting" []
        "Notifications that have not arrived at a destination yet";
    DELIVERIES_OLDEST = Gauge "bookonce_deliveries_oldest_seconds" []
        "Age of the oldest of them";
    RECONCILE_ENQUEUED = Counter "bookonce_reconcile_enqueued_total" ["what"]
        "What reconcile found missing, by kind";
    RECONCILE_SUCCESS = Gauge "bookonce_reconcile_last_success_timestamp_seconds" []
        "When reconcile last came to its end";
    AUDIT_SUCCESS = Gauge "bookonce_audit_last_success_timestamp_seconds" []
        "When worker audit last found no difference";
}
