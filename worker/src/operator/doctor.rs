//! Is everything in place? Each thing looked at, and what to do if it is not.

mod booking_hook;
mod catalogue;
mod clients;
pub mod command;
mod create_endpoint;
mod database;
mod finding;
mod notifications;
mod stripe;
mod webhooks;

pub use self::finding::{Finding, Status};

use shared::{
    db,
    queue::{InspectedQueue, Inspection, OpenError, inspect},
};

use crate::{
    config::Config,
    operator::doctor::finding::{START_A_WORKER, chain},
};

/// Looks at everything the services need. Repairs nothing, but makes queues that are missing,
/// as any start of a service does.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("configuration", "every variable can be used")];
    match db::connect(&config.database).await {
        Ok(db) => {
            let schema = format!("answers; the newest migration is {}", db::SCHEMA);
            findings.push(Finding::ok("database", schema));
            findings.extend(database::examine(&db).await);
            findings.extend(webhooks::examine(&db, &config.endpoint_secrets).await);
            findings.extend(notifications::examine(&db, config.mailer.is_some()).await);
            findings.extend(catalogue::examine(&db).await);
            findings.push(clients::examine(&db).await);
            if let Some(hook) = &config.booking_hook {
                findings.push(booking_hook::examine(&db, hook).await);
            }
        }
        Err(error) => findings.push(Finding::failed(
            "database",
            chain(&error),
            "see DATABASE_URL; migrations up brings the tables up to date",
        )),
    }
    findings.extend(queues(config).await);
    findings.extend(stripe::examine(config).await);
    findings
}

async fn queues(config: &Config) -> Vec<Finding> {
    match inspect(&config.queue).await {
        Ok(Inspection::Embedded) => vec![Finding::ok("queue", "embedded, in the database")],
        Ok(Inspection::RabbitMq { topology, queues }) => {
            let mut findings = vec![match topology {
                Ok(()) => Finding::ok("broker", "answers, and has our exchanges and bindings"),
                Err(problem) => queue_problem("exchanges", &problem),
            }];
            findings.extend(queues.into_iter().map(examine_queue));
            findings
        }
        Err(error) => vec![Finding::failed("broker", chain(&error), "see AMQP_URL")],
    }
}

/// Seen on RabbitMQ 3.10.
const STUCK: &str = "someone may have published an x-death header that the broker cannot read, which stops this on the whole node. \
                     Delete the queue that the broker's log names, restart the broker, run migrations up, and worker reconcile \
                     --since 72h, which finds at Stripe what waited in it";

fn examine_queue(queue: InspectedQueue) -> Finding {
    let name = queue.name;
    let found = match queue.use_of_it {
        Ok(found) => found,
        Err(problem) => return queue_problem(&name, &problem),
    };
    if let Some(number) = queue.left_by {
        let ready = found.messages;
        let detail =
            format!("{name} has {ready} ready, for workers with EVENT_QUEUES={number} or more");
        return if found.consumers > 0 {
            Finding::warning("queue", detail, "leave them until it is empty")
        } else {
            Finding::failed("queue", detail, "run such a worker until it is empty")
        };
    }
    let how = if found.arguments_checked {
        "as it should be"
    } else {
        "there, with arguments that this user may not see"
    };
    if queue.moves_on == Some(false) {
        let detail = format!("{name}: what has waited its time does not leave it");
        return Finding::failed("queue", detail, STUCK);
    }
    let tried = match queue.moves_on {
        None if !queue.is_lane => ", whether messages leave it was not tried",
        _ => "",
    };
    let detail = format!("{name} {how}, {} ready{tried}", found.messages);
    if found.consumers > 0 || !queue.is_lane {
        return Finding::ok("queue", detail);
    }
    let detail = format!("{detail}, no consumer");
    if found.messages > 0 {
        Finding::failed("queue", detail, START_A_WORKER)
    } else {
        Finding::warning("queue", detail, START_A_WORKER)
    }
}

fn queue_problem(name: &str, problem: &OpenError) -> Finding {
    let remedy = match problem {
        OpenError::OtherArguments(_) => {
            "drain and delete it, so that it is made anew, or choose another QUEUE_PREFIX"
        }
        OpenError::Missing(_) => {
            "is QUEUE_PREFIX right? Else run migrations up with AMQP_URL of a user who may declare"
        }
        OpenError::NoPlugin(_) => {
            "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange, on every node"
        }
        OpenError::TimedOut(_) | OpenError::Broker(_) => "is the broker healthy? Try again",
    };
    Finding::failed("queue", format!("{name}: {}", chain(problem)), remedy)
}
