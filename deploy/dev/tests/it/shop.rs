//! A whole shop for a test: stand-in, ingress and workers in this process, on ports of
//! their own.

mod buyer;
mod events;

use std::time::{Duration, Instant};

use ingress::Ingress;
use reqwest::StatusCode;
use sea_orm::DatabaseConnection;
use shared::{
    clock::{self, Clock},
    config::QueueSettings,
    db,
    queue::{ConsumerSource, Patience, Publisher},
    service::{admin, connections::Connections, http_server},
    stripe::client::StripeClient,
};
use stripe_sim::StripeSim;
use testkit::{Role, Variables, as_role, start_stripe};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worker::Worker;

pub use self::{buyer::Session, events::undelivered};
use crate::{books, stack::Stack};

/// For what has to come true; a machine that is busy with something else takes its time.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct Shop {
    pub url: String,
    pub stripe: StripeSim,
    pub http: reqwest::Client,
    pub stack: Stack,
    /// The workers'.
    pub publisher: Publisher,
    queue_of_workers: QueueSettings,
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

impl Shop {
    /// Open for business, with webhooks on and one worker.
    pub async fn open(stack: Stack) -> Self {
        let mut shop = Self::without_worker(stack).await;
        shop.start_worker();
        shop
    }

    pub async fn without_worker(stack: Stack) -> Self {
        let shutdown = CancellationToken::new();
        let stripe = start_stripe(shutdown.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        stripe.set_webhook_url(Some(format!("{url}/api/payment/webhook")));
        let mut variables = service_variables(&stripe, &stack);
        variables.insert("PUBLIC_URL", url.clone());
        let env_of = |role| testkit::env(&as_role(&variables, role));
        let config = ingress::config::Config::from_env(&env_of(Role::Ingress)).unwrap();
        let worker_config = worker::config::Config::from_env(&env_of(Role::Worker)).unwrap();
        let stripe_client = StripeClient::new(&config.stripe).unwrap();
        let queue_of_workers = worker_config.queue.clone();
        let publisher = publisher(&queue_of_workers, &stack.worker_db).await;
        let (ingress_db, ingress_publisher) = if stack.has_roles() {
            let db = db::connect(&config.database).await.unwrap();
            let publisher = self::publisher(&config.queue, &db).await;
            (db, publisher)
        } else {
            (stack.db.clone(), publisher.clone())
        };
        let ingress = Ingress::new(
            config,
            ingress_db,
            ingress_publisher,
            stripe_client.clone(),
            clock::system,
        );
        let connections = ingress.connections.clone();
        tokio::spawn(http_server::serve(
            listener,
            ingress::router(ingress).unwrap(),
            connections,
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
            queue_of_workers,
            stripe_client,
            worker_config,
            breakers: worker::outage::breaker::Breakers::default(),
            workers: Vec::new(),
            shutdown,
        }
    }

    /// What a service of this shop is started with, as a process [of a role](testkit::as_role).
    pub fn variables(&self) -> Variables {
        service_variables(&self.stripe, &self.stack)
    }

    pub fn worker_context(&self) -> worker::Context {
        let (db, stripe) = (self.stack.worker_db.clone(), self.stripe_client.clone());
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
        let source = ConsumerSource::new(&self.queue_of_workers, &self.publisher, "test");
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
    /// Running jobs are finished.
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
            tokio::spawn(http_server::serve(
                listener,
                probes,
                Connections::of_admin(),
                done.clone(),
            ));
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
        self.stack.slot(capacity).await
    }
}

async fn publisher(queue: &QueueSettings, db: &DatabaseConnection) -> Publisher {
    let open = Publisher::open(queue, db, "test", Patience::Wait);
    open.await.unwrap()
}

fn service_variables(stripe: &StripeSim, stack: &Stack) -> Variables {
    let mut variables = testkit::variables(stripe, ([127, 0, 0, 1], 0).into());
    variables.extend(stack.variables.clone());
    variables
}

/// Waits for `condition`, and fails if it does not come true in a minute.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
