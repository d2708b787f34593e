//! What this process has written into the outbox and publishes itself. Its rows are written as taken already, so
//! that no relay takes them as well; if this process dies, one does once that is over.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shared::db::outbox;
use tokio::sync::Notify;

/// Waiting for those that are on their way, which may be as many. Beyond it the relay finds them, later.
const MOST: usize = 2000;

/// What this process has written and not published. Clones share it.
#[derive(Clone, Default)]
pub struct Fresh(Arc<Shared>);

/// Without the documents, which name people.
impl fmt::Debug for Fresh {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.place())
    }
}

#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    came: Notify,
}

#[derive(Default)]
enum Line {
    /// It may be a command, which ends as soon as it has written.
    #[default]
    Closed,
    /// There is no broker.
    NotNeeded,
    Open(Vec<outbox::Model>),
}

/// Whether this process publishes what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It does.
    Line,
    /// There is nothing to publish it on.
    NotNeeded,
    /// A relay does.
    Relay,
}

impl Fresh {
    /// For what is about to be written.
    pub fn place(&self) -> Place {
        match &*self.line() {
            Line::Open(waiting) if waiting.len() < MOST => Place::Line,
            Line::Open(_) | Line::Closed => Place::Relay,
            Line::NotNeeded => Place::NotNeeded,
        }
    }

    /// These were written. If the line was closed meanwhile, the relay finds them.
    pub fn add(&self, written: Vec<outbox::Model>) {
        if let (Line::Open(waiting), false) = (&mut *self.line(), written.is_empty()) {
            waiting.extend(written);
            self.0.came.notify_one();
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this process publishes what it writes.
    pub fn begin(&self, has_broker: bool) {
        *self.line() = if has_broker {
            Line::Open(Vec::new())
        } else {
            Line::NotNeeded
        };
    }

    /// Comes when there are some.
    pub async fn came(&self) {
        self.0.came.notified().await;
    }

    /// All of them.
    pub fn take(&self) -> Vec<outbox::Model> {
        match &mut *self.line() {
            Line::Open(waiting) => mem::take(waiting),
            Line::Closed | Line::NotNeeded => Vec::new(),
        }
    }

    /// The last of them: from now on others publish.
    pub fn close(&self) -> Vec<outbox::Model> {
        match mem::take(&mut *self.line()) {
            Line::Open(waiting) => waiting,
            Line::Closed | Line::NotNeeded => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        clock,
        db::outbox::{Kind, Model},
    };
    use uuid::Uuid;

    use super::*;

    fn written(number: usize) -> Vec<Model> {
        let now = clock::system();
        let one = |_| Model {
            id: Uuid::now_v7(),
            kind: Kind::BookingConfirmed,
            checkout_id: Uuid::now_v7(),
            sequence: 1,
            document: "{}".to_owned(),
            created_at: now,
            due_at: now,
            done_at: None,
            traceparent: None,
        };
        (0..number).map(one).collect()
    }

    #[test]
    fn what_is_too_much_is_left_to_the_relay() {
        let fresh = Fresh::default();
        assert_eq!(fresh.place(), Place::Relay, "a command ends before");

        fresh.begin(true);
        fresh.add(written(MOST - 1));
        assert_eq!(fresh.place(), Place::Line);
        fresh.add(written(1));
        assert_eq!(fresh.place(), Place::Relay);

        assert_eq!(fresh.take().len(), MOST);
        assert_eq!(fresh.place(), Place::Line);
    }

    #[test]
    fn without_a_broker_nothing_waits() {
        let fresh = Fresh::default();
        fresh.begin(false);
        assert_eq!(fresh.place(), Place::NotNeeded);

        fresh.add(written(1));
        assert!(fresh.take().is_empty());
    }

    #[test]
    fn at_the_end_the_last_come_out_and_no_more_come_in() {
        let fresh = Fresh::default();
        fresh.begin(true);
        fresh.add(written(3));

        assert_eq!(fresh.close().len(), 3);
        fresh.add(written(1));
        assert_eq!(fresh.place(), Place::Relay);
        assert!(fresh.close().is_empty());
    }
}
