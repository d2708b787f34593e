//! Requests that wait for a session to get its final state.
//!
//! One task looks for all of them together: one query per tick, however many wait.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;
use shared::{clock::Clock, stripe::id::CheckoutSessionId};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::MissedTickBehavior,
};

use crate::confirm::{
    answer::PaymentStatus,
    checkout_view::{self, CheckoutView},
};

/// How often the database is asked, while a request waits.
const TICK: Duration = Duration::from_millis(20);
/// Requests that may wait at once; more are answered right away.
const MAX_WAITING: usize = 10_000;

type Waiters = HashMap<CheckoutSessionId, Vec<oneshot::Sender<CheckoutView>>>;

/// The way to the task. Clones lead to the same one.
#[derive(Clone)]
pub struct ConfirmWaiters {
    arrivals: mpsc::UnboundedSender<(CheckoutSessionId, oneshot::Sender<CheckoutView>)>,
    places: Arc<Semaphore>,
}

impl ConfirmWaiters {
    /// Starts the task. It ends when the last clone is dropped.
    pub fn start(db: DatabaseConnection, clock: Clock) -> Self {
        let (arrivals, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(db, clock, receiver));
        Self {
            arrivals,
            places: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }

    /// The checkout as soon as there is something to say about it, or `None` after `wait`.
    pub async fn wait_for(&self, id: &CheckoutSessionId, wait: Duration) -> Option<CheckoutView> {
        let _place = self.places.try_acquire().ok()?;
        let (answer, answered) = oneshot::channel();
        self.arrivals.send((id.clone(), answer)).ok()?;
        tokio::time::timeout(wait, answered).await.ok()?.ok()
    }
}

async fn run(
    db: DatabaseConnection,
    clock: Clock,
    mut arrivals: mpsc::UnboundedReceiver<(CheckoutSessionId, oneshot::Sender<CheckoutView>)>,
) {
    let mut waiters = Waiters::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            arrival = arrivals.recv() => {
                let Some((id, answer)) = arrival else { return };
                waiters.entry(id).or_default().push(answer);
            }
            _ = tick.tick(), if !waiters.is_empty() => {
                forget_the_gone(&mut waiters);
                answer_the_ready(&db, clock, &mut waiters).await;
            }
        }
    }
}

/// Clients that hung up or waited long enough.
fn forget_the_gone(waiters: &mut Waiters) {
    waiters.retain(|_, answers| {
        answers.retain(|answer| !answer.is_closed());
        !answers.is_empty()
    });
}

async fn answer_the_ready(db: &DatabaseConnection, clock: Clock, waiters: &mut Waiters) {
    if waiters.is_empty() {
        return;
    }
    let views = match checkout_view::read(db, waiters.keys()).await {
        Ok(views) => views,
        // They keep waiting, and answer "processing" at worst.
        Err(error) => {
            tracing::warn!(%error, "Cannot look for waiting sessions");
            tokio::time::sleep(Duration::from_millis(500)).await;
            return;
        }
    };
    let now = clock();
    for view in views
        .into_iter()
        .filter(|it| it.status(now) != PaymentStatus::Processing)
    {
        let Ok(id) = view.session_id.parse::<CheckoutSessionId>() else {
            continue;
        };
        for answer in waiters.remove(&id).unwrap_or_default() {
            // A client that hung up this instant does not need it.
            answer.send(view.clone()).ok();
        }
    }
}
