//! The rule by which KEDA scales workers, read from what is deployed, and played: real queue depths start and
//! stop real workers.

use std::{path::PathBuf, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use stripe_sim::Outcome;

use crate::{
    queue::{dead, waiting},
    service::Service,
    shop::{PATIENCE, Shop},
    stack::Stack,
};

/// One trigger: so many messages of a queue are worth one worker.
#[derive(Debug)]
struct Trigger {
    lane: String,
    value: u64,
}

/// What `deploy/kubernetes/keda/scaled-object.yaml` says.
#[derive(Debug)]
struct Rule {
    least: u64,
    most: u64,
    triggers: Vec<Trigger>,
}

impl Rule {
    fn read() -> Self {
        let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let path = tests.join("../../kubernetes/keda/scaled-object.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let values = |key: &str| -> Vec<String> {
            let key = format!("{key}: ");
            let lines = text.lines().filter_map(|it| it.trim().strip_prefix(&key));
            lines.map(|it| it.trim_matches('"').to_owned()).collect()
        };
        let one = |key: &str| values(key)[0].parse().unwrap();
        assert_eq!(values("mode"), ["QueueLength", "QueueLength"]);
        let queues = values("queueName").into_iter().zip(values("value"));
        Self {
            least: one("minReplicaCount"),
            most: one("maxReplicaCount"),
            triggers: queues
                .map(|(queue, value)| Trigger {
                    lane: queue.split('.').nth(1).unwrap().to_owned(),
                    value: value.parse().unwrap(),
                })
                .collect(),
        }
    }

    /// How many workers there should be: each trigger's average, and the larger of them.
    async fn wanted(&self, stack: &Stack) -> u64 {
        let mut wanted = self.least;
        for trigger in &self.triggers {
            // As KEDA asks by AMQP: what is ready.
            let ready = waiting(stack, &trigger.lane).await;
            wanted = wanted.max(ready.div_ceil(trigger.value));
        }
        wanted.min(self.most)
    }
}

/// An event of another integration, of which a wave costs no bookings.
fn another(event: &Value, number: usize) -> Value {
    let mut event = event.clone();
    event["id"] = json!(format!("evt_wave{number}"));
    let session = &mut event["data"]["object"];
    session["id"] = json!(format!("cs_test_wave{number}"));
    session["metadata"] = json!({});
    session["client_reference_id"] = json!(null);
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_come_with_a_wave_and_go_after_it() {
    let rule = Rule::read();
    let shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let slot = shop.slot(20).await;
    let mut variables = shop.variables();
    variables.insert("DATABASE_MAX_CONNECTIONS", "5".to_owned());
    let start = || Service::start("worker", &variables);
    assert_eq!(rule.wanted(&shop.stack).await, 1, "{rule:?}");

    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(shop.create(slot).await);
    }
    for session in &sessions[..10] {
        shop.pay(session, Outcome::Succeed).await;
    }
    let event = shop.stripe.events().pop().unwrap();
    let wave: Vec<_> = (0..7_000).map(|number| another(&event, number)).collect();
    for some in wave.chunks(500) {
        join_all(some.iter().map(|it| shop.publish(it))).await;
    }
    for session in &sessions[10..] {
        shop.pay(session, Outcome::Succeed).await;
    }

    let begin = std::time::Instant::now();
    let mut running = Vec::new();
    let mut most = 0;
    loop {
        let wanted = usize::try_from(rule.wanted(&shop.stack).await).unwrap();
        most = most.max(wanted);
        while running.len() < wanted {
            running.push(start());
        }
        if running.len() > wanted {
            let worker: Service = running.pop().unwrap();
            assert!(worker.terminate().await.success(), "it ends its jobs");
        }
        if wanted == 1 && running.len() == 1 && shop.bookings().await == 20 {
            break;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{wanted} wanted, {} run",
            running.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    assert_eq!(most, 4, "7,000 events and 20, at 2,000 each");
    assert_eq!(dead(&shop.stack).await, 0);
    for worker in running {
        assert!(worker.terminate().await.success());
    }
    shop.close().await;
}
