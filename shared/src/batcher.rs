//! Batches concurrent calls: items that arrive while a batch runs form the next one. No timer, so an
//! idle caller pays no latency.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

/// A handle on the task that runs batches. Clones lead to the same one.
#[derive(Clone)]
pub struct Batcher<I, O> {
    arrivals: mpsc::UnboundedSender<Arrival<I, O>>,
}

struct Arrival<I, O> {
    item: I,
    outcome: oneshot::Sender<O>,
}

/// How large batches are, and how many run.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Items of one run.
    pub most: usize,
    /// Runs at once.
    pub runs: usize,
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Starts the task, inside a tokio runtime. It ends when the last clone is dropped.
    ///
    /// - `run`: does what it is given, and returns the outcome of each in the same order; or
    ///   nothing at all, if it failed.
    pub fn start<F, R>(bounds: BatchLimits, run: F) -> Self
    where
        F: Fn(Vec<I>) -> R + Send + 'static,
        R: Future<Output = Vec<O>> + Send + 'static,
    {
        let (sender, mut arrivals) = mpsc::unbounded_channel::<Arrival<I, O>>();
        let turns = Arc::new(Semaphore::new(bounds.runs));
        tokio::spawn(async move {
            // First the turn, then the items: those that arrive until then come along.
            while let Ok(turn) = turns.clone().acquire_owned().await {
                let mut some = Vec::new();
                if arrivals.recv_many(&mut some, bounds.most).await == 0 {
                    return;
                }
                let (items, heard): (Vec<_>, Vec<_>) =
                    some.into_iter().map(|it| (it.item, it.outcome)).unzip();
                let outcomes = run(items);
                tokio::spawn(async move {
                    let outcomes = outcomes.await;
                    drop(turn);
                    for (outcome, heard) in outcomes.into_iter().zip(heard) {
                        heard.send(outcome).ok();
                    }
                });
            }
        });
        Self { arrivals: sender }
    }

    /// The outcome of `item`, or `None` if the run it was in failed. A caller who hangs up does
    /// not keep the item, or the others of its run, from being done.
    pub async fn submit(&self, item: I) -> Option<O> {
        let (outcome, heard) = oneshot::channel();
        self.arrivals.send(Arrival { item, outcome }).ok()?;
        heard.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn what_has_arrived_is_done_together() {
        let runs: Arc<Mutex<Vec<Vec<i32>>>> = Arc::default();
        let seen = runs.clone();
        let together = Batcher::start(BatchLimits { most: 3, runs: 1 }, move |items: Vec<i32>| {
            seen.lock().unwrap().push(items.clone());
            async move { items.into_iter().map(|item| item * 10).collect() }
        });

        let outcomes = join_all((1..=5).map(|item| together.submit(item))).await;

        assert_eq!(outcomes, [10, 20, 30, 40, 50].map(Some));
        assert_eq!(*runs.lock().unwrap(), [vec![1, 2, 3], vec![4, 5]]);
    }

    #[tokio::test]
    async fn a_run_that_fails_has_no_outcome() {
        let bounds = BatchLimits { most: 9, runs: 1 };
        let together = Batcher::<i32, ()>::start(bounds, |_| async { Vec::new() });

        assert_eq!(together.submit(1).await, None);
        assert_eq!(together.submit(2).await, None, "and the next one is begun");
    }

    #[tokio::test]
    async fn a_run_that_panics_is_not_the_last() {
        let bounds = BatchLimits { most: 9, runs: 1 };
        let together = Batcher::start(bounds, |items: Vec<i32>| async move {
            assert_ne!(items, [1], "as the test wants it");
            items
        });

        assert_eq!(together.submit(1).await, None);
        assert_eq!(together.submit(2).await, Some(2));
    }
}
