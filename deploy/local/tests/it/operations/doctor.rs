//! `worker doctor`, and what a service says that cannot start.

use std::cell::RefCell;

use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::AMQPValue,
};
use sea_orm::{EntityTrait, ExprTrait, sea_query::Expr};
use serde_json::Value;
use shared::{db::job, queue::topology::Topology, settings::QueueSettings};
use stripe_sim::{Faults, Outcome};

use super::{json, worker};
use crate::{
    processes::clean_command,
    queue::channel,
    shop::{Shop, eventually, variables},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_healthy_shop_has_nothing_that_fails,
    what_is_wrong_is_named_with_its_remedy,
    messages_that_nobody_takes_are_a_failure,
];

fn status_of<'a>(findings: &'a Value, check: &str) -> &'a str {
    let findings = findings.as_array().unwrap();
    let finding = findings.iter().find(|it| it["check"] == check);
    finding.unwrap_or_else(|| panic!("nothing about {check}"))["status"]
        .as_str()
        .unwrap()
}

fn all_are_ok(findings: &Value, check: &str) -> bool {
    let findings = findings.as_array().unwrap().iter();
    let mut found = findings.filter(|it| it["check"] == check).peekable();
    found.peek().is_some() && found.all(|it| it["status"] == "ok")
}

async fn a_healthy_shop_has_nothing_that_fails(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.wait_until_ready().await;

    // Of a queue that is slow to answer, a broker says that it has no consumers.
    let findings = RefCell::new(Value::Null);
    eventually("all queues have consumers", async || {
        let found = json(&shop, &["doctor", "--json"]).await;
        let have = all_are_ok(&found, "queue");
        *findings.borrow_mut() = found;
        have
    })
    .await;

    let findings = findings.into_inner();
    for check in [
        "configuration",
        "database",
        "stripe",
        "webhook endpoint",
        "refunds",
    ] {
        assert_eq!(status_of(&findings, check), "ok", "{findings}");
    }
    assert_eq!(
        status_of(&findings, "reconcile"),
        "warning",
        "it has not run yet"
    );
    shop.close().await;
}

async fn what_is_wrong_is_named_with_its_remedy(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_webhook_url(None);
    let without_endpoint = worker(&shop, &["doctor", "--json"]).await;
    shop.stripe.set_faults(Faults {
        api_status: Some(401),
        ..Faults::default()
    });
    let without_key = worker(&shop, &["doctor"]).await;

    assert!(!without_endpoint.status.success());
    let findings: Value = serde_json::from_slice(&without_endpoint.stdout).unwrap();
    assert_eq!(status_of(&findings, "webhook endpoint"), "failed");
    assert_eq!(status_of(&findings, "stripe"), "ok");
    assert!(!without_key.status.success());
    let text = String::from_utf8_lossy(&without_key.stdout);
    assert!(
        text.contains("FAILED   stripe") && text.contains("STRIPE_SECRET_KEY"),
        "{text}"
    );
    shop.close().await;
}

async fn messages_that_nobody_takes_are_a_failure(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let session = shop.create(shop.slot(1).await).await;
    shop.pay(&session, Outcome::Succeed).await;
    eventually("the webhook is on the queue", async || {
        // What is on the embedded queue may wait a moment.
        let a_while_ago = job::Entity::update_many().col_expr(
            job::Column::AvailableAtMs,
            Expr::col(job::Column::AvailableAtMs).sub(120_000_i64),
        );
        a_while_ago.exec(&shop.stack.db).await.unwrap();
        let doctor = worker(&shop, &["doctor", "--json"]).await;
        let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        let waits = |finding: &Value| {
            let remedy = finding["remedy"].as_str().unwrap_or_default();
            finding["check"] == "queue"
                && finding["status"] == "failed"
                && remedy.starts_with("start a worker")
        };
        !doctor.status.success() && findings.as_array().unwrap().iter().any(waits)
    })
    .await;
    shop.start_worker();
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_reported_with_the_difference() {
    let shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let QueueSettings::RabbitMq { prefix, .. } = &shop.stack.queue else {
        panic!("no broker")
    };
    let queue = format!("{prefix}.events.v1");
    let broker = channel(&shop.stack).await;
    broker
        .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let queues = Topology::new(prefix).queues();
    let as_it_should_be = queues.into_iter().find(|(name, _)| *name == queue);
    let (_, mut arguments) = as_it_should_be.unwrap();
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(7));
    broker
        .queue_declare(
            queue.as_str().into(),
            QueueDeclareOptions::durable(),
            arguments,
        )
        .await
        .unwrap();

    let doctor = worker(&shop, &["doctor", "--json"]).await;
    let variables = variables(shop.stripe.base_url());
    let variables: Vec<_> = variables
        .into_iter()
        .chain(shop.stack.variables.clone())
        .collect();
    let ingress = tokio::task::spawn_blocking(move || {
        clean_command("ingress").envs(variables).output().unwrap()
    });
    let ingress = ingress.await.unwrap();

    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let bad = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["status"] == "failed" && it["detail"].as_str().unwrap().contains(&queue));
    let detail = bad.unwrap()["detail"].as_str().unwrap();
    assert!(
        detail.contains("x-delivery-limit") && detail.contains('7'),
        "{detail}"
    );
    assert_eq!(
        ingress.status.code(),
        Some(2),
        "no reason to start it again"
    );
    let complaint = String::from_utf8_lossy(&ingress.stderr);
    assert!(complaint.contains("x-delivery-limit"), "{complaint}");
    assert!(complaint.contains("QUEUE_PREFIX"), "{complaint}");
    shop.close().await;
}
