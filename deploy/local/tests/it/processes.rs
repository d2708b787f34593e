//! The services as processes: started, stopped and killed as an operator would.

use std::{
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
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
    shop::{eventually, insert_slot, order, start_stripe, variables},
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

    /// Asks it to stop, and tells how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        signal("TERM", self.0.id());
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "it ignores SIGTERM"
            );
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
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "{} booked",
                count().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        books::assert_balance(&self.stack.db, &self.stripe.ledger()).await;
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
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
        let worker = shop.start_worker();
        // It has to be up to be stopped in an orderly way.
        tokio::time::sleep(Duration::from_secs(1)).await;
        shop.buy(slot, 10).await;
        assert!(
            worker.terminate().success(),
            "SIGTERM ends with exit code 0"
        );
    }

    shop.wait_for_bookings(70).await;
    assert!(steady.terminate().success());
    assert!(ingress.terminate().success());
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
}

fn tomorrow() -> time::OffsetDateTime {
    shared::clock::system().saturating_add(time::Duration::DAY)
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_whether_a_service_lives_and_what_it_lacks() {
    let shop = Deployment::new(Stack::postgres_rabbitmq().await).await;
    let probe = async |port: u16, path: &str| {
        let answer = shop.http.get(format!("http://127.0.0.1:{port}{path}"));
        let answer = answer.send().await.ok()?;
        Some((answer.status(), answer.text().await.unwrap()))
    };
    let ports = [free_port(), free_port()];
    let mut running = Vec::new();
    for (service, port) in ["ingress", "worker"].into_iter().zip(ports) {
        let mut variables = shop.variables.clone();
        variables.retain(|(name, _)| *name != "ADMIN_ADDR");
        variables.push(("ADMIN_ADDR", format!("127.0.0.1:{port}")));
        running.push(Process::start(service, &variables));
        eventually("it is ready", async || {
            matches!(probe(port, "/readyz").await, Some((StatusCode::OK, _)))
        })
        .await;
        let (status, _) = probe(port, "/livez").await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }

    shop.stack.take_the_database_away().await;

    for port in ports {
        eventually("it says what it lacks", async || {
            let (status, body) = probe(port, "/readyz").await.unwrap();
            status == StatusCode::SERVICE_UNAVAILABLE && body.contains(r#""database":"failed""#)
        })
        .await;
        let (status, _) = probe(port, "/livez").await.unwrap();
        assert_eq!(status, StatusCode::OK, "a restart would not bring it back");
    }
}
