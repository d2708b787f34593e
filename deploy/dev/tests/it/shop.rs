//! A whole shop for a test: stand-in, ingress and workers in this process, on ports of
//! their own.

use std::time::{Duration, Instant};

use ingress::Ingress;
use reqwest::{Response, StatusCode};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::{
    clock::{self, Clock},
    config::Env,
    db::{booking, offering, payment, slot},
    queue::{ConsumerSource, Patience, Publisher},
    service::{admin, http_server},
    stripe::client::StripeClient,
};
use stripe_sim::{Outcome, StripeSim};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worker::Worker;

use crate::{books, stack::Stack};

pub const ENDPOINT_SECRET: &str = "whsec_test_secret";
/// For what has to come true; a machine that is busy with something else takes its time.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The services' variables, but for those of the stack.
pub fn variables(stripe_api_base: &str) -> Vec<(&'static str, String)> {
    vec![
        ("STRIPE_SECRET_KEY", "sk_test_of_the_tests".to_owned()),
        ("STRIPE_WEBHOOK_SECRET", ENDPOINT_SECRET.to_owned()),
        ("STRIPE_API_BASE", stripe_api_base.to_owned()),
        ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
    ]
}

/// A stand-in that posts nothing until it is told where.
pub async fn start_stripe(shutdown: CancellationToken) -> StripeSim {
    let config = stripe_sim::Config {
        listen_addr: ([127, 0, 0, 1], 0).into(),
        webhook_url: None,
        webhook_secret: ENDPOINT_SECRET.to_owned(),
        snapshot: None,
    };
    StripeSim::start(config, shutdown).await.unwrap()
}

pub struct Shop {
    pub url: String,
    pub stripe: StripeSim,
    pub http: reqwest::Client,
    pub stack: Stack,
    pub publisher: Publisher,
    stripe_client: StripeClient,
    pub worker_config: worker::config::Config,
    breakers: worker::outage::breaker::Breakers,
    workers: Vec<RunningWorker>,
    shutdown: CancellationToken,
}

struct RunningWorker {
    worker: Worker,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// A session a buyer has open.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
}

impl Shop {
    /// Open for business, with webhooks on and one worker.
    pub async fn open(stack: Stack) -> Self {
        let mut shop = Self::without_worker(stack).await;
        shop.start_worker();
        shop
    }

    pub async fn without_worker(stack: Stack) -> Self {
        let shutdown = CancellationToken::new();
        let stripe = start_stripe(shutdown.clone()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        stripe.set_webhook_url(Some(format!("{url}/api/payment/webhook")));
        let env: Env = variables(stripe.base_url())
            .into_iter()
            .chain(stack.variables.clone())
            .chain([("PUBLIC_URL", url.clone())])
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let config = ingress::config::Config::from_env(&env).unwrap();
        let worker_config = worker::config::Config::from_env(&env).unwrap();
        let stripe_client = StripeClient::new(&config.stripe).unwrap();
        let publisher = Publisher::open(&stack.queue, &stack.db, "test", Patience::Wait)
            .await
            .unwrap();
        let ingress = Ingress::new(
            config,
            stack.db.clone(),
            publisher.clone(),
            stripe_client.clone(),
            clock::system,
        );
        tokio::spawn(http_server::serve(
            listener,
            ingress::router(ingress),
            shutdown.clone(),
        ));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(40))
            .build()
            .unwrap();
        Self {
            url,
            stripe,
            http,
            stack,
            publisher,
            stripe_client,
            worker_config,
            breakers: worker::outage::breaker::Breakers::default(),
            workers: Vec::new(),
            shutdown,
        }
    }

    pub fn worker_context(&self) -> worker::Context {
        let (db, stripe) = (self.stack.db.clone(), self.stripe_client.clone());
        worker::Context {
            breakers: self.breakers.clone(),
            ..worker::Context::new(&self.worker_config, db, stripe, clock::system)
        }
    }

    pub fn start_worker(&mut self) {
        self.start_worker_at(clock::system);
    }

    /// A worker that believes it is another time.
    pub fn start_worker_at(&mut self, clock: Clock) {
        let source = ConsumerSource::new(&self.stack.queue, &self.publisher, "test");
        let worker = Worker::new(
            worker::Context {
                clock,
                ..self.worker_context()
            },
            self.publisher.clone(),
            source,
            self.worker_config.limits,
        );
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (worker, stop) = (worker.clone(), stop.clone());
            async move { worker.run(stop).await }
        });
        self.workers.push(RunningWorker {
            worker,
            stop,
            running,
        });
    }

    /// Waits until each worker says that messages of every lane reach it.
    pub async fn wait_until_ready(&self) {
        self.wait_for_readiness(StatusCode::OK).await;
    }

    /// Asks the workers for no more than a broker has sent them, and waits until they stop.
    /// What they have in hand they finish.
    pub async fn ask_workers_to_stop(&self) {
        for RunningWorker { stop, .. } in &self.workers {
            stop.cancel();
        }
        self.wait_for_readiness(StatusCode::SERVICE_UNAVAILABLE)
            .await;
    }

    async fn wait_for_readiness(&self, expected: StatusCode) {
        for RunningWorker { worker, .. } in &self.workers {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let readyz = format!("http://{}/readyz", listener.local_addr().unwrap());
            let probes = admin::router(worker.readiness());
            let done = self.shutdown.child_token();
            tokio::spawn(http_server::serve(listener, probes, done.clone()));
            eventually("the worker is ready, or not any more", async || {
                let answer = self.http.get(&readyz).send().await;
                answer.is_ok_and(|answer| answer.status() == expected)
            })
            .await;
            done.cancel();
        }
    }

    pub async fn stop_workers(&mut self) {
        for RunningWorker { stop, running, .. } in self.workers.drain(..) {
            stop.cancel();
            running.await.unwrap();
        }
    }

    /// Stops everything and checks the books: at the end of every test they must balance.
    pub async fn close(mut self) {
        self.stop_workers().await;
        books::assert_balance(&self.stack.db, &self.stripe.ledger()).await;
        self.shutdown.cancel();
    }

    /// A slot for tomorrow, at 49.00 EUR a seat.
    pub async fn slot(&self, capacity: i32) -> Uuid {
        let starts_at = clock::system().saturating_add(time::Duration::DAY);
        insert_slot(&self.stack, capacity, starts_at).await
    }

    /// A slot of the same offering, so many minutes later, with five seats.
    pub async fn slot_after(&self, slot: Uuid, minutes: i64) -> Uuid {
        let slot = slot::Entity::find_by_id(slot).one(&self.stack.db).await;
        let mut slot = slot.unwrap().unwrap();
        let later = time::Duration::minutes(minutes);
        slot.id = Uuid::now_v7();
        slot.starts_at = slot.starts_at.saturating_add(later);
        slot.ends_at = slot.ends_at.saturating_add(later);
        slot.capacity = 5;
        slot.seats_taken = 0;
        let id = slot.id;
        slot::Entity::insert(slot::ActiveModel::from(slot).reset_all())
            .exec_without_returning(&self.stack.db)
            .await
            .unwrap();
        id
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.http
            .post(format!("{}{path}", self.url))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// Seats held and a session open, or what the shop answered instead.
    pub async fn try_create(&self, slot: Uuid, quantity: i64) -> (StatusCode, Value) {
        let response = self
            .post("/api/create-checkout-session", &order(slot, quantity))
            .await;
        (response.status(), response.json().await.unwrap())
    }

    /// As a buyer's page does it: what is answered 503 is tried again.
    pub async fn create(&self, slot: Uuid) -> Session {
        let start = Instant::now();
        let (mut status, mut body) = self.try_create(slot, 1).await;
        while status == StatusCode::SERVICE_UNAVAILABLE && start.elapsed() < PATIENCE {
            (status, body) = self.try_create(slot, 1).await;
        }
        assert_eq!(status, StatusCode::CREATED, "{body}");
        Session {
            id: body["session_id"].as_str().unwrap().to_owned(),
        }
    }

    /// What a buyer does on Stripe's page.
    pub async fn pay(&self, session: &Session, outcome: Outcome) {
        self.stripe.pay(&session.id, outcome).await.unwrap();
    }

    /// What the buyer's page asks.
    pub async fn confirm(&self, session_id: &str, wait_seconds: u64) -> (StatusCode, Value) {
        let response = self
            .http
            .post(format!("{}/api/payment/confirm", self.url))
            .header("prefer", format!("wait={wait_seconds}"))
            .json(&json!({ "session_id": session_id }))
            .send()
            .await
            .unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// What confirm says in the end, however many requests have to wait for it.
    pub async fn told(&self, session_id: &str) -> (StatusCode, Value) {
        let start = Instant::now();
        loop {
            let answer = self.confirm(session_id, 10).await;
            if answer.0 != StatusCode::ACCEPTED {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "still {}", answer.1);
        }
    }

    pub async fn bookings(&self) -> u64 {
        booking::Entity::find().count(&self.stack.db).await.unwrap()
    }

    pub async fn payments(&self) -> u64 {
        payment::Entity::find().count(&self.stack.db).await.unwrap()
    }

    pub async fn seats_taken(&self, slot: Uuid) -> i32 {
        let slot = slot::Entity::find_by_id(slot)
            .one(&self.stack.db)
            .await
            .unwrap();
        slot.unwrap().seats_taken
    }

    /// Waits until so many are booked; more is a failure, now or at the end.
    pub async fn wait_for_bookings(&self, expected: u64) {
        eventually("all are booked", async || self.bookings().await >= expected).await;
        assert_eq!(self.bookings().await, expected);
    }
}

/// What a buyer orders.
pub fn order(slot: Uuid, quantity: i64) -> Value {
    json!({
        "slot_id": slot,
        "quantity": quantity,
        "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
    })
}

pub async fn insert_slot(stack: &Stack, capacity: i32, starts_at: time::OffsetDateTime) -> Uuid {
    let offering_id = Uuid::now_v7();
    let offering = offering::ActiveModel {
        id: Set(offering_id),
        name: Set("Harbour kayak tour".to_owned()),
        description: Set(String::new()),
        unit_amount_minor_units: Set(4900),
        currency: Set("eur".to_owned()),
    };
    offering::Entity::insert(offering)
        .exec_without_returning(&stack.db)
        .await
        .unwrap();
    let id = Uuid::now_v7();
    let slot = slot::ActiveModel {
        id: Set(id),
        offering_id: Set(offering_id),
        starts_at: Set(starts_at),
        ends_at: Set(starts_at.saturating_add(time::Duration::HOUR)),
        capacity: Set(capacity),
        seats_taken: Set(0),
    };
    slot::Entity::insert(slot)
        .exec_without_returning(&stack.db)
        .await
        .unwrap();
    id
}

/// Waits for `condition`, and fails if it does not come true in a minute.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
