//! The example site in Rust, as a process.

use std::{process::Command, time::Duration};

use reqwest::StatusCode;
use stripe_sim::Outcome;
use testkit::{Process, binary, free_port};

use crate::{
    shop::{Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

const KEY: &str = "the-key-of-the-example-site-0123456789";

on_each_stack![a_site_in_rust_sells_and_says_where_the_payment_stands];

async fn a_site_in_rust_sells_and_says_where_the_payment_stands(mut stack: Stack) {
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    stack.variables.insert("SITE_API_KEYS", KEY.to_owned());
    let origin = format!("http://{address}");
    stack.variables.insert("RETURN_ORIGINS", origin.clone());
    let shop = Shop::open(stack).await;
    let mut site = Command::new(binary("rust-site").unwrap());
    site.env("SITE_ADDR", &address)
        .env("BOOKONCE_URL", &shop.url)
        .env("BOOKONCE_API_KEY", KEY);
    let _site = Process::start(&mut site).unwrap();
    let answers = async || shop.http.get(&origin).send().await.is_ok();
    eventually("the site serves", answers).await;
    shop.stripe.set_faults(undelivered());
    let buy = async || {
        let sold = shop
            .http
            .post(format!("{origin}/buy"))
            .send()
            .await
            .unwrap();
        assert_eq!(sold.status(), StatusCode::SEE_OTHER);
        let page = sold.headers()["location"].to_str().unwrap();
        page.rsplit('/').next().unwrap().to_owned()
    };
    let done = async |session: &str| {
        let back = format!("{origin}/done?session_id={session}");
        let answer = shop.http.get(back).timeout(Duration::from_mins(1));
        let answer = answer.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };

    let (paid, unpaid) = (buy().await, buy().await);
    shop.stripe.pay(&paid, Outcome::Succeed).await.unwrap();
    shop.stripe.expire(&unpaid).unwrap();

    let (_, words) = done(&paid).await;
    assert!(words.starts_with("Your gift card is "), "{words}");
    assert_eq!(done(&unpaid).await.1, "Nothing was paid.");
    assert_eq!(done("cs_test_unknown1234").await.0, StatusCode::NOT_FOUND);
    shop.close().await;
}
