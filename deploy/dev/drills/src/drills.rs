//! The drills: what each breaks, and on what it is played.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use futures_util::future::LocalBoxFuture;
use testkit::Servers;

use crate::{
    environment::{Environment, Plan},
    faults::{failpoints, losses, network, poison, processes, servers},
    report::Row,
    scale::Scale,
};

/// One drill.
pub struct Drill {
    pub name: &'static str,
    pub about: &'static str,
    plan: Plan,
    play: for<'a> fn(&'a mut Environment, Scale) -> LocalBoxFuture<'a, anyhow::Result<Row>>,
}

const fn workers(workers: usize) -> Plan {
    Plan {
        workers,
        ingresses: 1,
        event_queues: 1,
        proxied: false,
        site: false,
    }
}

const PROXIED: Plan = Plan {
    proxied: true,
    ..workers(2)
};

const SCALED: Plan = Plan {
    ingresses: 2,
    event_queues: 2,
    ..workers(4)
};

const WITHIN_A_SITE: Plan = Plan {
    site: true,
    ..workers(4)
};

/// All of them, in the order in which they are played.
pub const DRILLS: [Drill; 14] = [
    Drill {
        name: "kill-workers",
        about: "SIGKILL of workers at random",
        plan: workers(4),
        play: |environment, scale| Box::pin(processes::kill_workers(environment, scale)),
    },
    Drill {
        name: "site-table",
        about: "the same, with a site's own table in the transaction",
        plan: WITHIN_A_SITE,
        play: |environment, scale| Box::pin(processes::kill_workers(environment, scale)),
    },
    Drill {
        name: "two-tabs",
        about: "the same, where every buyer has two tabs open",
        plan: workers(4),
        play: |environment, scale| Box::pin(processes::kill_workers_of_tabs(environment, scale)),
    },
    Drill {
        name: "kill-ingress",
        about: "SIGKILL of ingress, under a sender that retries",
        plan: workers(2),
        play: |environment, scale| Box::pin(processes::kill_ingress(environment, scale)),
    },
    Drill {
        name: "scaled",
        about: "SIGKILL of ingresses and workers, two and four, on two queues of events",
        plan: SCALED,
        play: |environment, scale| Box::pin(processes::kill_all(environment, scale)),
    },
    Drill {
        name: "kill-broker",
        about: "SIGKILL of RabbitMQ, and its start",
        plan: workers(2),
        play: |environment, scale| Box::pin(servers::kill_broker(environment, scale)),
    },
    Drill {
        name: "kill-database",
        about: "SIGKILL of PostgreSQL, and a long outage",
        plan: workers(2),
        play: |environment, scale| Box::pin(servers::kill_database(environment, scale)),
    },
    Drill {
        name: "frozen-broker",
        about: "RabbitMQ stopped in its tracks, or out of memory",
        plan: workers(2),
        play: |environment, scale| Box::pin(servers::freeze_broker(environment, scale)),
    },
    Drill {
        name: "network",
        about: "latency, resets and black holes between all of them",
        plan: PROXIED,
        play: |environment, scale| Box::pin(network::break_it(environment, scale)),
    },
    Drill {
        name: "failpoints",
        about: "a crash at each named place in the code",
        plan: workers(2),
        play: |environment, scale| Box::pin(failpoints::crash_at_each(environment, scale)),
    },
    Drill {
        name: "rolling-restart",
        about: "SIGTERM of one worker after the other",
        plan: workers(2),
        play: |environment, scale| Box::pin(processes::restart_workers(environment, scale)),
    },
    Drill {
        name: "losses",
        about: "events never delivered, messages deleted; one reconcile",
        plan: workers(2),
        play: |environment, scale| Box::pin(losses::lose_events(environment, scale)),
    },
    Drill {
        name: "poison",
        about: "messages that cannot be read or kill their worker",
        // More than one message can kill.
        plan: workers(6),
        play: |environment, scale| Box::pin(poison::publish_poison(environment, scale)),
    },
    Drill {
        name: "embedded",
        about: "SIGKILL of the shop that is one process",
        plan: workers(0),
        play: |environment, scale| Box::pin(processes::kill_shop(environment, scale)),
    },
];

impl Drill {
    pub fn named(name: &str) -> anyhow::Result<&'static Self> {
        let drill = DRILLS.iter().find(|drill| drill.name == name);
        drill.with_context(|| format!("no drill is called {name}; see deploy/chaos list"))
    }

    /// Starts what it is played on, plays it, and waits until the books agree.
    pub async fn play(
        &self,
        servers: Arc<Servers>,
        folder: &Path,
        scale: Scale,
    ) -> anyhow::Result<Row> {
        let mut environment = Environment::start(servers, folder, self.name, self.plan).await?;
        (self.play)(&mut environment, scale).await
    }
}
