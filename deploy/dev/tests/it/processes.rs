//! The services as processes: started, stopped and killed as an operator would.

use std::{
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::Value;
use shared::db::booking;
use stripe_sim::{Outcome, StripeSim};
use tokio_util::sync::CancellationToken;

use crate::{
    books,
    private_broker::PrivateBroker,
    shop::{PATIENCE, eventually, insert_slot, order, start_stripe, variables},
    stack::{Stack, on_each_stack, signal},
};

on_each_stack![
    workers_may_be_killed_and_stopped_at_any_time,
    payments_survive_a_restart_of_every_process,
];

/// The binary `name`, beside the one that runs this test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{} is missing; run cargo build --workspace",
        path.display()
    );
    path
}

/// `name` with an environment that is the test's alone: a developer's own `DATABASE_URL` must
/// not lead it anywhere.
pub fn clean_command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear();
    command
}

/// A service that is killed when the test ends.
pub struct Process(Child);

impl Process {
    pub fn start(name: &str, variables: &[(&str, String)]) -> Self {
        let mut command = clean_command(name);
        for (variable, value) in variables {
            command.env(variable, value);
        }
        command.env("RUST_LOG", "warn");
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Whether SIGTERM would reach it: by Linux's list of the signals it catches.
    fn hears_signals(&self) -> bool {
        const SIGTERM: u64 = 1 << 14;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let caught = status.lines().find_map(|it| it.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        caught & SIGTERM != 0
    }

    /// Asks it to stop once it hears signals, and tells how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        let start = Instant::now();
        while !self.hears_signals() && self.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it never hears signals");
            std::thread::sleep(Duration::from_millis(5));
        }
        signal("TERM", self.0.id());
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it ignores SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A service with its probes.
pub struct Probed {
    pub process: Process,
    admin: String,
}

impl Probed {
    /// - `variables`: all but where its probes listen.
    pub fn start(name: &str, variables: &[(&'static str, String)]) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let mut variables = variables.to_vec();
        variables.retain(|(variable, _)| *variable != "ADMIN_ADDR");
        variables.push(("ADMIN_ADDR", admin.clone()));
        let process = Process::start(name, &variables);
        Self { process, admin }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// What it answers, if it does.
    pub async fn get(&self, path: &str) -> Option<(StatusCode, String)> {
        let answer = reqwest::get(self.url(path)).await.ok()?;
        Some((answer.status(), answer.text().await.ok()?))
    }

    pub async fn is_ready(&self) -> bool {
        matches!(self.get("/readyz").await, Some((StatusCode::OK, _)))
    }

    pub async fn wait_until_ready(&self) {
        eventually("it is ready", async || self.is_ready().await).await;
    }
}

/// A shop whose services are processes.
struct Deployment {
    stack: Stack,
    stripe: StripeSim,
    url: String,
    variables: Vec<(&'static str, String)>,
    http: reqwest::Client,
}

impl Deployment {
    async fn new(stack: Stack) -> Self {
        let stripe = start_stripe(CancellationToken::new()).await;
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        stripe.set_webhook_url(Some(format!("{url}/api/payment/webhook")));
        let mut variables = variables(stripe.base_url());
        variables.retain(|(name, _)| *name != "LISTEN_ADDR");
        variables.push(("LISTEN_ADDR", format!("127.0.0.1:{port}")));
        variables.extend(stack.variables.clone());
        Self {
            stack,
            stripe,
            url,
            variables,
            http: reqwest::Client::new(),
        }
    }

    async fn start_ingress(&self) -> Process {
        let ingress = Process::start("ingress", &self.variables);
        eventually("ingress serves", async || {
            self.http
                .get(format!("{}/api/offerings", self.url))
                .send()
                .await
                .is_ok()
        })
        .await;
        ingress
    }

    fn start_worker(&self) -> Process {
        Process::start("worker", &self.variables)
    }

    async fn buy(&self, slot: uuid::Uuid, count: usize) {
        for _ in 0..count {
            let request = self
                .http
                .post(format!("{}/api/create-checkout-session", self.url));
            let response = request.json(&order(slot, 1)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::CREATED);
            let session: Value = response.json().await.unwrap();
            let id = session["session_id"].as_str().unwrap();
            self.stripe.pay(id, Outcome::Succeed).await.unwrap();
        }
    }

    async fn wait_for_bookings(&self, expected: u64) {
        let count = async || booking::Entity::find().count(&self.stack.db).await.unwrap();
        // A killed worker of the embedded queue holds its messages until their lease ends.
        let start = Instant::now();
        while count().await < expected {
            assert!(start.elapsed() < 2 * PATIENCE, "{} booked", count().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Checks the books, after the last process has ended.
    async fn close(self) {
        books::assert_balance(&self.stack.db, &self.stripe.ledger()).await;
    }
}

/// A port for a process that is about to start. None of those from 32768 on: the kernel gives
/// them to sockets that ask for no port in particular, perhaps before the process listens.
fn free_port() -> u16 {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() + COUNTER.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + number % 10_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

async fn workers_may_be_killed_and_stopped_at_any_time(stack: Stack) {
    let shop = Deployment::new(stack).await;
    let slot = insert_slot(&shop.stack, 200, tomorrow()).await;
    let ingress = shop.start_ingress().await;
    let steady = shop.start_worker();

    for _ in 0..5 {
        let worker = shop.start_worker();
        shop.buy(slot, 10).await;
        worker.kill();
    }
    for _ in 0..2 {
        let worker = Probed::start("worker", &shop.variables);
        // It has to be up to be stopped in an orderly way.
        worker.wait_until_ready().await;
        shop.buy(slot, 10).await;
        assert!(
            worker.process.terminate().success(),
            "SIGTERM ends with exit code 0"
        );
    }

    shop.wait_for_bookings(70).await;
    assert!(steady.terminate().success());
    assert!(ingress.terminate().success());
    shop.close().await;
}

async fn payments_survive_a_restart_of_every_process(stack: Stack) {
    let shop = Deployment::new(stack).await;
    let slot = insert_slot(&shop.stack, 50, tomorrow()).await;
    let ingress = shop.start_ingress().await;
    let workers = [shop.start_worker(), shop.start_worker()];
    for worker in workers {
        worker.kill();
    }

    shop.buy(slot, 50).await;
    ingress.kill();
    let ingress = shop.start_ingress().await;
    let workers = [shop.start_worker(), shop.start_worker()];

    shop.wait_for_bookings(50).await;
    for process in workers.into_iter().chain([ingress]) {
        assert!(process.terminate().success());
    }
    shop.close().await;
}

fn tomorrow() -> time::OffsetDateTime {
    shared::clock::system().saturating_add(time::Duration::DAY)
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_whether_a_service_lives_and_what_it_lacks() {
    let shop = Deployment::new(Stack::postgres_rabbitmq().await).await;
    let services = ["ingress", "worker"].map(|name| Probed::start(name, &shop.variables));
    for service in &services {
        service.wait_until_ready().await;
        let (status, _) = service.get("/livez").await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }

    shop.stack.take_the_database_away().await;

    for service in &services {
        eventually("it says what it lacks", async || {
            let (status, body) = service.get("/readyz").await.unwrap();
            status == StatusCode::SERVICE_UNAVAILABLE && body.contains(r#""database":"failed""#)
        })
        .await;
        let (status, _) = service.get("/livez").await.unwrap();
        assert_eq!(status, StatusCode::OK, "a restart would not bring it back");
    }
    // The books are gone with the database, and nothing is in them.
}

/// Whatever is down when they start: they start, say so, and come up when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn services_start_before_what_they_need() {
    let broker = PrivateBroker::start();
    let mut shop = Deployment::new(Stack::postgres_with_broker(&broker.url).await).await;
    let slot = insert_slot(&shop.stack, 5, tomorrow()).await;
    broker.kill();
    shop.stack.take_the_database_away().await;

    for name in ["ingress", "worker"] {
        let service = Probed::start(name, &shop.variables);
        eventually("it lives", async || service.get("/livez").await.is_some()).await;
        let (status, body) = service.get("/readyz").await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(body.contains(r#""database":"failed""#), "{body}");
        assert!(body.contains(r#""queue":"failed""#), "{body}");
        assert!(
            service.process.terminate().success(),
            "{name} is no failure"
        );
    }
    let services = ["ingress", "worker"].map(|name| Probed::start(name, &shop.variables));
    for service in &services {
        eventually("it lives", async || service.get("/livez").await.is_some()).await;
    }
    broker.start_again();
    let [ingress, worker] = &services;
    // Webhooks need the broker alone.
    let event = serde_json::json!({
        "id": "evt_early", "object": "event", "type": "checkout.session.completed",
        "livemode": false, "data": { "object": { "id": "cs_test_ofSomebodyElse" } },
    });
    let (signature, body) = shop.stripe.sign(&event);
    eventually("a webhook is taken", async || {
        let request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        let request = request.header("stripe-signature", &signature);
        let answer = request.body(body.clone()).send().await;
        answer.is_ok_and(|it| it.status().is_success())
    })
    .await;
    assert!(!ingress.is_ready().await);
    shop.stack.give_the_database_back().await;
    for service in [ingress, worker] {
        service.wait_until_ready().await;
    }

    shop.buy(slot, 5).await;
    shop.wait_for_bookings(5).await;
    for service in services {
        assert!(service.process.terminate().success());
    }
    shop.close().await;
}

/// Asked to stop at any moment of its start, a service ends with exit code 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_while_it_starts_has_not_failed() {
    let shop = Deployment::new(Stack::postgres_rabbitmq().await).await;
    for name in ["ingress", "worker"] {
        for milliseconds in [0, 30, 120] {
            let service = Process::start(name, &shop.variables);
            eventually("it hears signals", async || service.hears_signals()).await;
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            assert!(
                service.terminate().success(),
                "{name} after {milliseconds} ms"
            );
        }
    }
    shop.close().await;
}
