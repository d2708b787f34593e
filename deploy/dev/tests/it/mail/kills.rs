//! SIGKILL of workers while they send: no booking is without its mail, and one that was on its way when
//! its worker died may come twice, by the same id.

use std::collections::HashMap;

use testkit::MailServer;

use super::variables;
use crate::{
    deployment::Deployment,
    shop::eventually,
    stack::{Stack, on_each_stack},
};

on_each_stack![no_booking_is_without_its_mail];

const KILLS: usize = 6;
/// In the hands of one worker at once, for each of buyer and merchant.
const AT_ONCE: usize = 16;

async fn no_booking_is_without_its_mail(stack: Stack) {
    let server = MailServer::start().unwrap();
    let mut shop = Deployment::new(stack).await;
    shop.variables.extend(variables(&server));
    shop.variables.insert("PUBLIC_URL", shop.url.clone());
    let slot = shop.stack.slot(100).await;
    let ingress = shop.start_ingress().await;

    for _ in 0..KILLS {
        let worker = shop.start("worker");
        worker.wait_until_ready().await;
        shop.buy(slot, 10).await;
        worker.kill();
    }
    let steady = shop.start("worker");
    shop.wait_for_bookings(60).await;
    let by_id = || {
        let mut by_id: HashMap<String, usize> = HashMap::new();
        for mail in server.mails().unwrap() {
            *by_id.entry(mail["message_id"].to_string()).or_default() += 1;
        }
        by_id
    };
    eventually("each has its mails", async || by_id().len() == 120).await;

    let again: usize = by_id().values().map(|times| times - 1).sum();
    assert!(again <= KILLS * 2 * AT_ONCE, "{again} came twice");
    assert!(steady.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}
