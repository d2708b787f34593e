//! `worker doctor`, and the error of a service that cannot start.

use std::cell::RefCell;

use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::AMQPValue,
};
use sea_orm::{EntityTrait, ExprTrait, sea_query::Expr};
use serde_json::{Value, json as value};
use shared::{
    clock,
    config::QueueSettings,
    db::{checkout, job},
    message::Envelope,
    queue::{Lane, topology::Topology},
    traceparent::Traceparent,
};
use stripe_sim::{Faults, Outcome};
use testkit::{Role, as_role};

use super::{json, worker};
use crate::{
    queue::channel,
    service,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_healthy_shop_has_nothing_that_fails,
    what_is_wrong_is_named_with_its_remedy,
    messages_that_nobody_takes_are_a_failure,
    what_waits_for_an_operator_fails_doctor_and_not_audit,
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

    // The broker reports no consumers for a queue that is slow to answer.
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
        "reconcile has not run yet"
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

/// `audit` compares books, and only remarks on what waits. `doctor` answers whether all is well.
async fn what_waits_for_an_operator_fails_doctor_and_not_audit(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.wait_until_ready().await;
    let session = shop.create(shop.slot(1).await).await;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::AmountMinorUnits, Expr::value(5000))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
    shop.pay(&session, Outcome::Succeed).await;
    let (signature, body) = shop.stripe.sign(&value!("no event"));
    let poison = Envelope::stripe_event(
        "evt_poison",
        body.into(),
        &signature,
        clock::system(),
        &Traceparent::new(),
    );
    shop.publisher.publish(Lane::Events, &poison).await.unwrap();
    eventually("the booking and the dead letter wait", async || {
        let told = shop.told(&session.id).await.1;
        told["status"] == "needs_attention" && crate::queue::dead(&shop.stack).await == 1
    })
    .await;

    let audit = worker(&shop, &["audit", "--since", "1h"]).await;
    let text = String::from_utf8_lossy(&audit.stdout);
    assert!(audit.status.success(), "{text}");
    assert!(
        text.contains("waiting: 1 needs_attention booking, 1 dead letter; see worker doctor"),
        "{text}"
    );
    assert!(text.contains("no difference"), "{text}");
    let failed = async || {
        let doctor = worker(&shop, &["doctor", "--json"]).await;
        let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        let of = |check| status_of(&findings, check) == "failed";
        assert!(!doctor.status.success());
        (of("dead letters"), of("bookings"))
    };
    assert_eq!(failed().await, (true, true));
    worker(&shop, &["dead", "discard", "--all", "--why", "a test"]).await;
    assert_eq!(failed().await, (false, true));
    shop.close().await;
}

/// Each permission is tried by a request that changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn each_permission_that_the_key_lacks_is_named() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let named = async |denied: &[&str]| {
        shop.stripe.set_faults(Faults {
            denied: denied.iter().map(ToString::to_string).collect(),
            ..Faults::default()
        });
        let doctor = worker(&shop, &["doctor", "--json"]).await;
        let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        assert_eq!(status_of(&findings, "stripe"), "ok", "{findings}");
        let findings = findings.as_array().unwrap().iter();
        let failed = findings.filter(|it| it["check"] == "permissions" && it["status"] == "failed");
        let details = failed.map(|it| it["detail"].as_str().unwrap().to_owned());
        details.collect::<Vec<_>>()
    };

    assert_eq!(named(&[]).await, Vec::<String>::new());
    for (rak, name) in [
        ("rak_checkout_session_read", "Checkout Sessions: read"),
        ("rak_checkout_session_write", "Checkout Sessions: write"),
        ("rak_payment_intent_read", "PaymentIntents: read"),
        ("rak_charge_read", "Charges: read"),
        ("rak_refund_read", "Refunds: read"),
        ("rak_refund_write", "Refunds: write"),
        ("rak_dispute_read", "Disputes: read"),
        ("rak_event_read", "Events: read"),
    ] {
        assert_eq!(
            named(&[rak]).await,
            [format!("the key may not: {name} ({rak})")]
        );
    }
    let three = [
        "rak_payment_intent_read",
        "rak_refund_write",
        "rak_charge_read",
    ];
    assert_eq!(named(&three).await.len(), 3);
    assert!(shop.stripe.ledger().is_empty(), "doctor made a session");
    shop.close().await;
}

async fn messages_that_nobody_takes_are_a_failure(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let session = shop.create(shop.slot(1).await).await;
    shop.pay(&session, Outcome::Succeed).await;
    eventually("the webhook is on the queue", async || {
        // Backdated, because a message may wait a moment on the embedded queue.
        let a_while_ago = job::Entity::update_many().col_expr(
            job::Column::AvailableAtMs,
            Expr::col(job::Column::AvailableAtMs).sub(120_000_i64),
        );
        a_while_ago.exec(&shop.stack.patient_db).await.unwrap();
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
    // Arguments are seen by who may declare a queue, and not by who may only publish.
    let declares = as_role(&shop.variables(), Role::Operator);
    let ingress = service::run("ingress", &[], &declares).await;

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
    assert_eq!(ingress.status.code(), Some(2), "a restart would not help");
    let complaint = String::from_utf8_lossy(&ingress.stderr);
    assert!(complaint.contains("x-delivery-limit"), "{complaint}");
    assert!(complaint.contains("QUEUE_PREFIX"), "{complaint}");
    shop.close().await;
}
