//! SIGKILL of workers while they tell: nothing is missing, and nothing is told by two ids.

use std::collections::BTreeMap;

use sea_orm::EntityTrait;
use shared::db::outbox;
use testkit::Receiver;

use crate::{
    deployment::Deployment,
    service,
    shop::eventually,
    stack::{Stack, on_each_stack},
};

on_each_stack![whoever_dies_while_telling_it_is_told];

async fn whoever_dies_while_telling_it_is_told(stack: Stack) {
    let shop = Deployment::new(stack).await;
    let receiver = Receiver::start().await.unwrap();
    let add = ["endpoint", "add", &receiver.url];
    let mut add = service::program("worker", &add, &shop.variables);
    let added = tokio::task::spawn_blocking(move || add.output().unwrap());
    assert!(added.await.unwrap().status.success());
    let slot = shop.stack.slot(100).await;
    let ingress = shop.start_ingress().await;

    for _ in 0..6 {
        let worker = shop.start("worker");
        worker.wait_until_ready().await;
        shop.buy(slot, 10).await;
        worker.kill();
    }
    let steady = shop.start("worker");
    shop.wait_for_bookings(60).await;
    // What the dead had in their hands is taken up when their lease is over.
    eventually("all are told", async || {
        let mut ids: Vec<_> = receiver.received().into_iter().map(|it| it.id).collect();
        ids.sort();
        ids.dedup();
        ids.len() == 60
    })
    .await;

    let rows = outbox::Entity::find().all(&shop.stack.db).await.unwrap();
    let written: BTreeMap<String, String> = rows
        .into_iter()
        .map(|it| (it.id.to_string(), it.document))
        .collect();
    assert_eq!(written.len(), 60);
    for it in receiver.received() {
        assert_eq!(written[&it.id], it.body);
    }
    assert!(steady.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}
