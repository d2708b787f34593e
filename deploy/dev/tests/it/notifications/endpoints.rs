//! Endpoints: which URLs are refused, what happens to slow ones, and their secrets.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::Receiver;
use worker::notifications::AddressGuard;

use super::{add_endpoint, arrived, book, endpoint_of, no_waiting, say, without_networks};
use crate::{
    operations::worker,
    shop::{Shop, eventually},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_whatever_leads_there() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;

    for url in [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "http://127.0.0.1:1/x",
        "http://1.1.1.1/x",
        "https://user:pass@1.1.1.1/x",
        "ftp://1.1.1.1/x",
        "nothing",
    ] {
        let complaint = without_networks(&shop, &["endpoint", "add", url]).await;
        assert!(
            complaint.contains("this URL cannot be used"),
            "{url}: {complaint}"
        );
    }
    let guard = AddressGuard::public_or(&[]);
    assert!(!guard.allows([127, 0, 0, 1].into()));
    shop.close().await;
}

/// What was allowed when it was added, and is not any more; and one that leads elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_looked_at_again_before_each_post() {
    let mut shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let (receiver, elsewhere) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    let (id, _) = add_endpoint(&shop, &by_name, &[]).await;
    let allowed = shop.worker_config.webhooks.clone();
    shop.worker_config.webhooks = worker::config::webhooks(&testkit::env(&[].into())).unwrap();
    shop.start_worker();

    let slot = shop.slot(5).await;
    book(&shop, slot).await;
    eventually("it is refused", async || {
        let error = endpoint_of(&shop, &id).await.last_error;
        error.is_some_and(|it| it.contains("private address"))
    })
    .await;
    assert!(receiver.received().is_empty());

    shop.stop_workers().await;
    shop.worker_config.webhooks = allowed;
    receiver.redirect(&elsewhere.url);
    shop.start_worker();
    no_waiting(&shop).await;
    eventually("it is not followed", async || {
        let error = endpoint_of(&shop, &id).await.last_error;
        error.is_some_and(|it| it.contains("redirects are not followed"))
    })
    .await;
    assert!(elsewhere.received().is_empty());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_is_given_up_in_time_and_keeps_no_other_waiting() {
    let shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let (hanging, quick) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    hanging.hang();
    let (id, _) = add_endpoint(&shop, &hanging.url, &[]).await;
    add_endpoint(&shop, &quick.url, &[]).await;
    let slot = shop.slot(20).await;

    let begin = Instant::now();
    for _ in 0..5 {
        book(&shop, slot).await;
    }
    arrived(&quick, 5).await;
    let took = begin.elapsed();
    eventually("it is noted", async || {
        let error = endpoint_of(&shop, &id).await.last_error;
        error.is_some_and(|it| it.contains("no answer"))
    })
    .await;

    assert!(took < Duration::from_secs(14), "{took:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_what_it_answers() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let receiver = Receiver::start().await.unwrap();
    let (id, secret) = add_endpoint(&shop, &receiver.url, &[]).await;

    let good = say(&shop, &["endpoint", "test", &id]).await;
    receiver.answer(404);
    let bad = worker(&shop, &["endpoint", "test", &id]).await;
    let listed = say(&shop, &["endpoint", "list", "--json"]).await;
    let removed = say(&shop, &["endpoint", "remove", &id]).await;
    let gone = say(&shop, &["endpoint", "list"]).await;

    assert!(good.contains("answered 200"), "{good}");
    assert!(String::from_utf8_lossy(&bad.stderr).contains("answered 404"));
    assert!(!listed.contains(&secret), "a secret is shown once");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["secrets"], json!(1));
    assert!(removed.contains("removed") && gone.contains("there is no endpoint"));
    shop.close().await;
}
