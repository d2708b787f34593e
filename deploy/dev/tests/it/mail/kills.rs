//! SIGKILL of workers while they send: no booking is without its mail, and one that was on its way when
//! its worker died may come twice, by the same id.
//!
//! `TEST_KILLS=20 TEST_BOOKINGS_A_KILL=100` is what `deploy/test --long` asks for.

use testkit::MailServer;

use super::variables;
use crate::{
    deployment::Deployment,
    shop::eventually,
    stack::{Stack, on_each_stack, scale},
};

on_each_stack![no_booking_is_without_its_mail];

/// In the hands of one worker at once, for each of buyer and merchant.
const AT_ONCE: usize = 16;

async fn no_booking_is_without_its_mail(stack: Stack) {
    let kills = scale("TEST_KILLS", 6);
    let each = scale("TEST_BOOKINGS_A_KILL", 30);
    let bookings = kills * each;
    let server = MailServer::start().unwrap();
    let mut shop = Deployment::new(stack).await;
    shop.variables.extend(variables(&server));
    shop.variables.insert("PUBLIC_URL", shop.url.clone());
    let slot = shop.stack.slot(bookings.try_into().unwrap()).await;
    let ingress = shop.start_ingress().await;

    for _ in 0..kills {
        let worker = shop.start("worker");
        worker.wait_until_ready().await;
        shop.buy(slot, each.try_into().unwrap()).await;
        worker.kill();
    }
    let steady = shop.start("worker");
    shop.wait_for_bookings(bookings.into()).await;
    let mails = usize::try_from(2 * bookings).unwrap();
    eventually("each has its mails", async || {
        server.message_ids().unwrap().len() == mails
    })
    .await;

    let again = server.count().unwrap() - mails;
    let most = usize::try_from(kills).unwrap() * 2 * AT_ONCE;
    assert!(again <= most, "{again} came twice");
    assert!(steady.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}
