//! Why a webhook was refused, which secret is still needed, and what a flood of bad signatures costs.

use reqwest::StatusCode;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use shared::{
    clock,
    config::EndpointSecrets,
    db::{
        refused_webhook::{self, Cause, KEPT},
        stripe_endpoint_secret,
    },
};
use testkit::ENDPOINT_SECRET;
use time::Duration;
use uuid::Uuid;

use crate::{
    operations::worker,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    what_a_refused_webhook_looks_like_is_said_by_doctor,
    a_secret_that_is_not_needed_any_more_is_safe_to_remove,
    only_the_latest_refusals_are_kept,
];

/// Of Stripe's, and of others.
const STRIPE: &str = "54.187.174.169";
const OTHERS: &str = "192.0.2.1";

/// A stack that trusts its proxy, so that each sender has an address.
fn behind_a_proxy(mut stack: Stack) -> Stack {
    let trusted = ("TRUSTED_PROXIES", "127.0.0.1".to_owned());
    stack.variables.extend([trusted]);
    stack
}

async fn post(shop: &Shop, from: &str, signature: Option<&str>, body: &str) -> reqwest::Response {
    let url = format!("{}/api/payment/webhook", shop.url);
    let mut request = shop.http.post(url).body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    let request = request.header("x-forwarded-for", from);
    request.send().await.unwrap()
}

/// As if another secret had signed now.
fn of_another_secret() -> String {
    let now = clock::system().unix_timestamp();
    format!("t={now},v1={}", "0".repeat(64))
}

async fn findings(shop: &Shop, check: &str) -> Vec<Value> {
    let doctor = worker(shop, &["doctor", "--json"]).await;
    let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).unwrap();
    let about = |it: &Value| it["check"] == check;
    findings.into_iter().filter(about).collect()
}

/// The one secret that has proved an event.
async fn proved(shop: &Shop) -> stripe_endpoint_secret::Model {
    let rows = async || {
        let all = stripe_endpoint_secret::Entity::find()
            .all(&shop.stack.db)
            .await;
        all.unwrap()
    };
    eventually("it is noted", async || !rows().await.is_empty()).await;
    let [row] = rows().await.try_into().unwrap();
    row
}

async fn refused(shop: &Shop) -> Vec<refused_webhook::Model> {
    let all = refused_webhook::Entity::find().all(&shop.stack.db).await;
    all.unwrap()
}

async fn what_a_refused_webhook_looks_like_is_said_by_doctor(stack: Stack) {
    let shop = Shop::open(behind_a_proxy(stack)).await;
    let (_, event) = shop.undelivered_payment().await;
    let mut live = event.clone();
    live["livemode"] = json!(true);
    let (signature, body) = shop.stripe.sign(&event);
    let (_, live) = shop.stripe.sign(&live);
    let bad = of_another_secret();

    for (signature, body) in [
        (Some(bad.as_str()), body.as_str()),
        (Some(&bad), &live),
        (Some(&signature), &event.to_string()),
        (None, &body),
        (None, "wp-login"),
    ] {
        let answer = post(&shop, STRIPE, signature, body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    eventually("they are noted", async || refused(&shop).await.len() == 5).await;

    let found = findings(&shop, "refused").await;
    let statuses = |found: &[Value]| {
        let mut statuses: Vec<_> = found
            .iter()
            .map(|it| it["status"].as_str().unwrap().to_owned())
            .collect();
        statuses.sort();
        statuses
    };
    assert_eq!(
        statuses(&found),
        ["failed", "failed", "failed", "failed", "ok"]
    );
    let of = |word: &str| {
        let finding = found
            .iter()
            .find(|it| it["remedy"].as_str().is_some_and(|it| it.contains(word)));
        finding.unwrap_or_else(|| panic!("nothing about {word}: {found:?}"))["detail"]
            .as_str()
            .unwrap()
    };
    let secret = of("secret of another endpoint");
    let bytes = format!("{} bytes", body.len());
    for expected in [
        "from 54.187.174.0/24",
        "failed: signature",
        &bytes,
        "signed ",
    ] {
        assert!(secret.contains(expected), "{expected}: {secret}");
    }
    assert!(of("the other mode").contains("failed: signature"));
    assert!(of("wrote the body anew").contains("failed: signature"));
    assert!(of("Stripe-Signature was taken").contains("failed: no_header"));
    // Nothing of what was sent is kept.
    let kept = format!("{:?}", refused(&shop).await);
    assert!(!kept.contains("ada@") && !kept.contains(STRIPE), "{kept}");

    // Once an authentic one has come, it is a remark.
    assert_eq!(shop.deliver(&event).await.0, StatusCode::OK);
    proved(&shop).await;
    let found = findings(&shop, "refused").await;
    let expected = ["ok", "warning", "warning", "warning", "warning"];
    assert_eq!(statuses(&found), expected);
    shop.close().await;
}

async fn a_secret_that_is_not_needed_any_more_is_safe_to_remove(mut stack: Stack) {
    let secrets = format!("whsec_new_secret,{ENDPOINT_SECRET}");
    stack.variables.insert("STRIPE_WEBHOOK_SECRET", secrets);
    let shop = Shop::open(stack).await;
    let env = testkit::env(&shop.variables());
    let secrets = EndpointSecrets::from_env(&env).unwrap();
    let [new, old]: [String; 2] = secrets
        .fingerprints()
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let (_, event) = shop.undelivered_payment().await;
    assert_eq!(shop.deliver(&event).await.0, StatusCode::OK);
    let mut row = proved(&shop).await;
    assert_eq!(row.fingerprint, old);
    shop.wait_for_bookings(1).await;
    let detail = async || {
        let [finding]: [Value; 1] = findings(&shop, "webhook secrets").await.try_into().unwrap();
        finding["detail"].as_str().unwrap().to_owned()
    };
    let before = detail().await;
    assert!(
        before.contains(&format!("1 (…{new}) has proved no event yet"))
            && before.contains(&format!("2 (…{old}) last needed"))
            && !before.contains("not needed"),
        "{before}"
    );

    // A message that it signed, and that would be forged without it.
    let mut poison = event;
    poison["id"] = json!("evt_poison");
    poison["data"] = json!(null);
    assert_eq!(shop.deliver(&poison).await.0, StatusCode::OK);
    eventually("it is set aside", async || {
        crate::queue::dead(&shop.stack).await == 1
    })
    .await;
    let now = clock::system();
    stripe_endpoint_secret::note_use(&shop.stack.db, new, now)
        .await
        .unwrap();
    row.last_used_at = now.saturating_sub(Duration::hours(25));
    row.into_active_model()
        .reset_all()
        .update(&shop.stack.db)
        .await
        .unwrap();
    let while_dead = detail().await;
    assert!(
        while_dead.ends_with("not needed since but by 1 dead letter: replay first"),
        "{while_dead}"
    );
    let discard = ["dead", "discard", "--all", "--why", "a test"];
    assert!(worker(&shop, &discard).await.status.success());
    let after = detail().await;
    assert!(after.ends_with("not needed since: safe to remove, if it was rolled"));
    shop.close().await;
}

async fn only_the_latest_refusals_are_kept(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let row = |bytes: u64, cause| refused_webhook::Model {
        id: Uuid::now_v7(),
        at: clock::system(),
        reason: "signature".to_owned(),
        cause,
        network: None,
        bytes: i32::try_from(bytes).ok(),
        signed_at: None,
    };
    let note = async |row| refused_webhook::note(&shop.stack.db, row).await.unwrap();
    note(row(1, Cause::OtherSecret)).await;
    for number in 0..KEPT + 5 {
        note(row(number, Cause::NotStripe)).await;
    }

    // What anyone can post does not push out the rest.
    let of = |rows: &[refused_webhook::Model], cause| {
        let of_cause = rows.iter().filter(|it| it.cause == cause);
        of_cause.filter_map(|it| it.bytes).collect::<Vec<_>>()
    };
    let kept = refused(&shop).await;
    assert_eq!(of(&kept, Cause::OtherSecret), [1]);
    let latest = of(&kept, Cause::NotStripe);
    assert_eq!(latest.len(), usize::try_from(KEPT).unwrap());
    assert_eq!(latest.iter().min(), Some(&5));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_signatures_leaves_few_notes_and_keeps_nothing_out() {
    let shop = Shop::open(behind_a_proxy(Stack::sqlite_embedded().await)).await;
    let (_, event) = shop.undelivered_payment().await;
    let (signature, body) = shop.stripe.sign(&event);
    let bad = of_another_secret();
    let flood = async |posts: usize| {
        let mut last = None;
        for _ in 0..posts {
            last = Some(post(&shop, OTHERS, Some("t=1"), "{}").await);
        }
        last.unwrap()
    };
    assert_eq!(flood(50).await.status(), StatusCode::BAD_REQUEST);

    // Stripe's own, from the very same address.
    let of_stripe = post(&shop, OTHERS, Some(&bad), &body).await;
    assert_eq!(of_stripe.status(), StatusCode::BAD_REQUEST);
    let authentic = post(&shop, OTHERS, Some(&signature), &body).await;
    assert_eq!(authentic.status(), StatusCode::OK);
    let limited = flood(100).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.headers().contains_key("retry-after"));
    let limited: Value = limited.json().await.unwrap();
    assert_eq!(limited["code"], "too_many_bad_signatures");
    let authentic = post(&shop, OTHERS, Some(&signature), &body).await;
    assert_eq!(authentic.status(), StatusCode::OK);
    // Of others, and of those who cannot be told from each other.
    for client in ["198.51.100.7", "unknown"] {
        let other = post(&shop, client, Some("t=1"), "{}").await;
        assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    }

    proved(&shop).await;
    let causes = async |cause| {
        let rows = refused(&shop).await.into_iter();
        rows.filter(|it| it.cause == cause).count()
    };
    eventually("it is noted", async || {
        causes(Cause::OtherSecret).await == 1
    })
    .await;
    assert!((1..20).contains(&causes(Cause::BodyChanged).await));
    shop.wait_for_bookings(1).await;
    shop.close().await;
}
