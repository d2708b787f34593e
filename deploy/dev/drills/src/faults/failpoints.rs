//! A crash at each named place in the code, again and again.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use bytes::Bytes;
use shared::{clock, message::Envelope, queue::Lane, service::failpoint, traceparent::Traceparent};
use stripe_sim::Faults;
use testkit::Supervised;
use tokio_util::sync::CancellationToken;

use crate::{
    buyer::Plan,
    environment::{Environment, everyday_faults},
    finish::finish_after_crashes,
    load::Load,
    report::Row,
    scale::Scale,
};

/// For the crashes at one place.
const PATIENCE: Duration = Duration::from_mins(3);

pub async fn crash_at_each(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let wanted = scale.of(2, 20);
    let mut crashes: usize = 0;
    let mut poisons: usize = 0;
    // Other buyers each time: an order with a key that was used stands for the old one.
    for (name, buyers) in failpoint::ALL.into_iter().zip(scale.seed..) {
        let at_ingress = ["hold", "webhook", "confirm", "publish"]
            .iter()
            .any(|part| name.starts_with(part));
        let services = if at_ingress {
            &environment.ingresses
        } else {
            &environment.workers
        };
        let seen = crash(environment, name, services, wanted, buyers, &mut poisons).await?;
        tracing::info!("{name}: {seen} crashes");
        crashes = crashes.saturating_add(seen);
    }
    finish_after_crashes(environment, scale, crashes, poisons).await
}

/// Has `services` crash at `name` until it was seen so often.
async fn crash(
    environment: &Environment,
    name: &str,
    services: &[Arc<Supervised>],
    wanted: usize,
    buyers: u64,
    poisons: &mut usize,
) -> anyhow::Result<usize> {
    let rare = ["retry", "refund", "dead"]
        .iter()
        .any(|part| name.starts_with(part));
    // Seldom enough that no message meets it on every try: that would be poison.
    let percent = if rare { 20 } else { 5 };
    let plan = format!("{name}={percent}%return");
    let before: usize = services.iter().map(|service| service.ends()).sum();
    for service in services {
        service.set("FAILPOINTS", Some(&plan));
        service.terminate(false).await?;
    }
    if name.starts_with("retry") {
        environment.stripe.set_faults(Faults {
            api_status: Some(500),
            api_status_percent: 60,
            ..everyday_faults()
        });
    }
    let load = Load::new(buyers, 0);
    let load = if name.starts_with("refund") {
        load.only(&[Plan::PayTooLate])
    } else {
        load
    };
    let enough = CancellationToken::new();
    let publisher = environment.publisher().await?;
    let watch = async {
        let start = std::time::Instant::now();
        let crashes = loop {
            let now: usize = services.iter().map(|service| service.ends()).sum();
            let crashes = now.saturating_sub(before);
            if crashes >= wanted || start.elapsed() > PATIENCE {
                break crashes;
            }
            if name.starts_with("dead") {
                *poisons = poisons.saturating_add(1);
                let id = format!("evt_unreadable_{poisons}");
                let body = Bytes::from_static(b"{");
                let (signature, now) = (environment.stripe.sign_bytes(&body), clock::system());
                let poison =
                    Envelope::stripe_event(&id, body, &signature, now, &Traceparent::new());
                publisher.publish(Lane::Events, &poison).await?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        enough.cancel();
        for service in services {
            service.set("FAILPOINTS", None);
            // It may crash at this very moment, which is as good.
            service.terminate(false).await?;
        }
        anyhow::Ok(crashes)
    };
    let (crashes, bought) = tokio::join!(watch, load.run(environment, &enough));
    bought?;
    let crashes = crashes?;
    environment.stripe.set_faults(everyday_faults());
    ensure!(crashes >= wanted, "{name} was come by {crashes} times only");
    Ok(crashes)
}
