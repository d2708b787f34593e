//! Other queues, while it runs: old and new workers side by side.

use crate::{
    deployment::Deployment,
    service,
    stack::{Stack, delete_topology},
};
use shared::config::QueueSettings;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_the_way_to_other_queues() {
    let mut shop = Deployment::new(Stack::postgres_rabbitmq().await).await;
    let slot = shop.stack.slot(30).await;
    let old = shop.variables.clone();
    let ingress = shop.start_ingress().await;
    // On the old queues, and not taken yet.
    shop.buy(slot, 5).await;

    let prefix = format!("{}_new", old["QUEUE_PREFIX"]);
    shop.variables.insert("QUEUE_PREFIX", prefix.clone());
    let up = service::run("migrations", &["up"], &shop.variables).await;
    assert!(up.status.success(), "{up:?}");
    let new_worker = shop.start("worker");
    new_worker.wait_until_ready().await;
    assert!(ingress.terminate().await.success());
    let ingress = shop.start_ingress().await;
    shop.buy(slot, 5).await;
    shop.wait_for_bookings(5).await;
    let new = std::mem::replace(&mut shop.variables, old);
    let old_worker = shop.start("worker");

    shop.wait_for_bookings(10).await;
    assert!(old_worker.terminate().await.success());
    shop.variables = new;
    shop.buy(slot, 5).await;
    shop.wait_for_bookings(15).await;
    for service in [new_worker, ingress] {
        assert!(service.terminate().await.success());
    }
    let mut of_new = shop.stack.queue.clone();
    if let QueueSettings::RabbitMq { prefix: old, .. } = &mut of_new {
        *old = prefix;
    }
    delete_topology(&of_new).await;
    shop.close().await;
}
