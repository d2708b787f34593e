//! What operators do, and what the services do without them when something is down.

mod audit;
mod create_endpoint;
mod dead;
mod doctor;
mod gauges;
mod metrics;
mod outages;
mod queue_change;
mod reconcile;
mod reconcile_schedule;
mod restore;
mod shutdown;
mod stuck_retries;
mod terminal;
mod traces;
mod watching;

use std::process::{Command, Output};

use serde_json::Value;

use crate::{
    service::{self, Service},
    shop::Shop,
};

/// `worker …` as an operator of this shop would type it.
pub fn command(shop: &Shop, arguments: &[&str]) -> Command {
    let mut command = service::program("worker", arguments, &shop.variables());
    command.env("USER", "ada");
    command
}

pub async fn worker(shop: &Shop, arguments: &[&str]) -> Output {
    let mut command = command(shop, arguments);
    // The stand-in that it talks to runs on this runtime.
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// A worker that is a process of its own.
fn start_worker(shop: &Shop) -> Service {
    Service::start("worker", &shop.variables())
}

/// What it prints for programs, when it ends well.
async fn json(shop: &Shop, arguments: &[&str]) -> Value {
    let output = worker(shop, arguments).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}
