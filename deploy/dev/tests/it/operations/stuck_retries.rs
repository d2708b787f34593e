//! A message that the broker cannot move, and what waits behind it.

use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;
use shared::queue::{RetryTier, topology::Topology};
use testkit::Broker;

use super::worker;
use crate::{
    queue::{channel, prefix},
    shop::{Shop, eventually},
    stack::Stack,
};

async fn doctor(shop: &Shop) -> Value {
    let output = worker(shop, &["doctor", "--json"]).await;
    serde_json::from_slice(&output.stdout).unwrap()
}

/// RabbitMQ 3.10 takes the header for its own when the message has waited its time, and cannot read it. No count of
/// messages says so.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_sees_that_retries_do_not_come_back() {
    let folder = testkit::folder("bookonce-stuck").unwrap();
    let broker = Broker::start(folder.path().join("rabbitmq")).unwrap();
    let shop = Shop::open(Stack::postgres_with_broker(&broker).await).await;
    let topology = Topology::new(prefix(&shop.stack));
    let statuses = async || {
        let findings = doctor(&shop).await;
        let findings = findings.as_array().unwrap().iter();
        let of_retries = findings.filter(|it| {
            let detail = it["detail"].as_str().unwrap();
            it["check"] == "queue" && detail.contains(".retry.")
        });
        let statuses = of_retries.map(|it| it["status"].as_str().unwrap().to_owned());
        statuses.collect::<Vec<_>>()
    };
    assert_eq!(statuses().await, ["ok"; RetryTier::ALL.len()]);

    let mut headers = FieldTable::default();
    let nonsense = AMQPValue::LongString("nonsense".into());
    headers.insert(
        "x-death".into(),
        AMQPValue::FieldArray(vec![nonsense].into()),
    );
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_expiration("1".into());
    channel(&shop.stack)
        .await
        .basic_publish(
            topology.retry_exchange(RetryTier::ALL[0]).into(),
            "events".into(),
            BasicPublishOptions::default(),
            b"{}",
            properties,
        )
        .await
        .unwrap();

    // One is enough for all queues of a node.
    eventually("no retry comes back", async || {
        statuses().await == ["failed"; RetryTier::ALL.len()]
    })
    .await;
    let findings = doctor(&shop).await;
    let failed = |it: &&Value| it["status"] == "failed";
    let failed: Vec<_> = findings.as_array().unwrap().iter().filter(failed).collect();
    assert!(
        failed[0]["remedy"].as_str().unwrap().contains("x-death"),
        "{failed:?}"
    );
    shop.close().await;
}
