//! The example consumers, run as a site would run them; and the documents by their schema.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver as Lines, channel},
    time::Duration,
};

use lapin::options::QueueDeleteOptions;
use sea_orm::EntityTrait;
use serde_json::Value;
use shared::{
    config::{Env, QueueSettings},
    db::outbox,
};
use testkit::binary;

use super::book;
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, connect},
};

/// A consumer, which is killed when the test ends, and the lines it prints.
struct Consumer(Child, Lines<String>);

impl Consumer {
    fn start(mut command: Command, shop: &Shop) -> Self {
        let variables = &shop.stack.admin;
        let mut child = command
            .env("AMQP_URL", &variables["AMQP_URL"])
            .env("QUEUE_PREFIX", &variables["QUEUE_PREFIX"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        Self(child, lines)
    }

    fn next(&self) -> String {
        self.1.recv_timeout(Duration::from_mins(1)).unwrap()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn in_node() -> Command {
    let env = Env::from_process();
    let modules = env.required("TEST_NODE_MODULES", "run the tests with deploy/test");
    let mut command = Command::new("node");
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/notifications/consumer.js"
        ))
        .env("NODE_PATH", modules.unwrap());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_in_node_and_one_in_rust_are_told_each_once() {
    let shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let QueueSettings::RabbitMq { uri, prefix, .. } = shop.stack.queue.clone() else {
        unreachable!("it has a broker");
    };
    let queues = ["node", "rust"].map(|it| format!("{prefix}.site.{it}"));
    let in_rust = Command::new(binary("notified").unwrap());
    let consumers = [in_node(), in_rust].map(|it| Consumer::start(it, &shop));
    let channel = connect(&uri).await.unwrap().create_channel().await.unwrap();
    eventually("both consume", async || {
        for queue in &queues {
            let passive = lapin::options::QueueDeclareOptions {
                passive: true,
                ..Default::default()
            };
            let connection = connect(&uri).await.unwrap();
            let own = connection.create_channel().await.unwrap();
            let declared = own.queue_declare(
                queue.as_str().into(),
                passive,
                lapin::types::FieldTable::default(),
            );
            if !declared.await.is_ok_and(|it| it.consumer_count() == 1) {
                return false;
            }
        }
        true
    })
    .await;

    let slot = shop.slot(5).await;
    let session = book(&shop, slot).await;
    shop.stripe.refund(&session.id, None).unwrap();

    let rows = async || {
        let mut rows = outbox::Entity::find().all(&shop.stack.db).await.unwrap();
        rows.sort_by_key(|it| it.sequence);
        rows
    };
    eventually("it is written down", async || rows().await.len() == 3).await;
    for consumer in &consumers {
        for row in rows()
            .await
            .iter()
            .filter(|it| it.kind.as_str().starts_with("booking."))
        {
            let document: Value = serde_json::from_str(&row.document).unwrap();
            let reference = document["booking"]["reference"].as_str().unwrap();
            let expected = format!("{} {} {reference}", row.id, row.kind.as_str());
            assert_eq!(tokio::task::block_in_place(|| consumer.next()), expected);
        }
    }
    drop(consumers);
    for queue in queues {
        let delete = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
        delete.await.unwrap();
    }
    shop.close().await;
}

const BY_SCHEMA: &str = r"
import json, sys
import jsonschema_rs
schema = json.load(open(sys.argv[1]))
# A field that the schema does not describe is an error, too.
def strict(it):
    if isinstance(it, dict):
        if 'properties' in it:
            it.setdefault('additionalProperties', False)
        for value in it.values():
            strict(value)
    elif isinstance(it, list):
        for value in it:
            strict(value)
strict(schema)
validator = jsonschema_rs.validator_for(schema)
documents = json.loads(sys.stdin.read())
print(json.dumps([error.message for it in documents for error in validator.iter_errors(it)]))
";

/// What a schema says of `documents`.
fn by_schema(documents: &[Value]) -> Value {
    use std::io::Write;
    let env = Env::from_process();
    let python = env.required("TEST_PYTHON", "run the tests with deploy/test");
    let mut process = Command::new(python.unwrap())
        .args(["-c", BY_SCHEMA])
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/notification.schema.json"
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(documents).unwrap();
    process.stdin.take().unwrap().write_all(&input).unwrap();
    let output = process.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_what_their_schema_says() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let session = book(&shop, slot).await;
    shop.stripe.dispute(&session.id, false).unwrap();
    let other = book(&shop, slot).await;
    shop.stripe.refund(&other.id, Some(100)).unwrap();
    shop.stripe.refund(&other.id, None).unwrap();
    let rows = async || outbox::Entity::find().all(&shop.stack.db).await.unwrap();
    // What arrives together is told together.
    eventually("all of it is written down", async || {
        let kinds: Vec<_> = rows().await.iter().map(|it| it.kind).collect();
        [
            outbox::Kind::PaymentDisputed,
            outbox::Kind::BookingCancelled,
        ]
        .iter()
        .all(|it| kinds.contains(it))
    })
    .await;

    let documents: Vec<Value> = rows()
        .await
        .iter()
        .map(|it| serde_json::from_str(&it.document).unwrap())
        .collect();
    let mut changed = documents[0].clone();
    changed["booking"]["surprise"] = true.into();

    assert_eq!(by_schema(&documents), serde_json::json!([]));
    assert_ne!(by_schema(&[changed]), serde_json::json!([]));
    shop.close().await;
}
