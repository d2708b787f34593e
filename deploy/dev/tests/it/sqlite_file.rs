//! The file of a shop in one process: its few connections, and what an earlier release wrote.

use sea_orm::ConnectionTrait;
use shared::db;
use stripe_sim::Outcome;

use crate::{shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn long_reads_keep_no_buyer_waiting() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(1).await;
    let mut reads = Vec::new();
    for _ in 0..2 * shop.stack.database.max_connections {
        let read = db::begin_long_read(&shop.stack.db).await.unwrap();
        let all = read.execute_unprepared("SELECT * FROM slot").await;
        all.unwrap();
        reads.push(read);
    }

    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let (_, told) = shop.told(&session.id).await;

    assert_eq!(told["status"], "confirmed", "{told}");
    drop(reads);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_an_earlier_release_is_done() {
    let mut shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(1).await;
    shop.stop_workers().await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;

    let as_before = "UPDATE job SET lease = NULL";
    let changed = shop.stack.db.execute_unprepared(as_before).await.unwrap();
    shop.start_worker();
    let (_, told) = shop.told(&session.id).await;

    assert_eq!(changed.rows_affected(), 1);
    assert_eq!(told["status"], "confirmed", "{told}");
    shop.close().await;
}
