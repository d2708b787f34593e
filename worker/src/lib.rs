//! The worker. It takes messages off the queue and is the only writer of bookings and
//! payments.
//!
//! A message is a hint; the row is the truth. Everything may arrive twice, late or in
//! another order, and two workers may hold the same session at once.

mod admin_token;
pub(crate) mod catalogue;
pub mod config;
mod console;
mod consumer;
mod context;
mod failure_code;
mod fulfill_checkout;
mod job_error;
mod jobs;
pub mod mail;
mod maintenance;
pub mod notifications;
pub mod operator;
pub mod outage;
pub mod reconcile;
mod retry_policy;
mod service;

pub use self::{
    admin_token::AdminToken,
    config::OnUnfulfillable,
    consumer::lane_limits::LaneLimits,
    context::Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        intervene::Refusal,
        intervention::{Intervention, Kind as Decision, Share, Wish},
        outcome::{Fulfillment, NotOurs},
    },
    job_error::JobError,
    jobs::{read as read_job, run as run_job},
    maintenance::{refund_payments::refund_payments, retention::erase, sweep_holds::sweep_holds},
    service::Worker,
};
