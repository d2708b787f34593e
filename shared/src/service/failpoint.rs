//! Places where a drill crashes the process, to show that nothing is lost there.
//!
//! Without the feature `failpoints`, which no release has, [`crash_at`] does nothing and is
//! compiled away. With it, `FAILPOINTS=name=50%return;…` makes the process abort at `name`
//! every second time it comes by.

use crate::config::Env;

/// Every place, in the order of the flow.
pub const ALL: [&str; 26] = [
    "hold_before_commit",
    "hold_after_commit",
    "hold_after_session",
    "webhook_before_publish",
    "publish_before_confirm",
    "webhook_after_publish",
    "confirm_before_publish",
    "confirm_after_publish",
    "job_after_begin",
    "job_after_lock",
    "job_after_record",
    "job_after_settle",
    "job_before_commit",
    "job_after_commit",
    "job_after_ack",
    "retry_before_republish",
    "retry_after_republish",
    "refund_before_call",
    "refund_after_call",
    "dead_letter_after_commit",
    "notify_before_publish",
    "notify_after_publish",
    "delivery_after_take",
    "mail_before_send",
    "delivery_before_done",
    "delivery_after_done",
];

/// Aborts the process, if a drill asked for it.
#[cfg(feature = "failpoints")]
pub fn crash_at(name: &str) {
    fail::fail_point!(name, |_| std::process::abort());
}

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn crash_at(_name: &str) {}

/// Messages whose id begins so abort the worker that runs them.
pub const ABORTING_MESSAGE: &str = "evt_drill_abort";

/// Aborts the process, if the message is one that a drill made for that.
pub fn crash_by_message(message_id: Option<&str>) {
    let aborts = |id: &str| id.starts_with(ABORTING_MESSAGE);
    if cfg!(feature = "failpoints") && message_id.is_some_and(aborts) {
        std::process::abort();
    }
}

/// Takes up what `FAILPOINTS` asks for.
#[cfg(feature = "failpoints")]
pub fn arm(env: &Env) {
    let wanted = env.get("FAILPOINTS").unwrap_or_default();
    for (name, actions) in wanted.split(';').filter_map(|pair| pair.split_once('=')) {
        if let Err(error) = fail::cfg(name.trim(), actions) {
            tracing::error!(error, name, "FAILPOINTS cannot be understood");
        }
    }
}

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
pub fn arm(_env: &Env) {}
