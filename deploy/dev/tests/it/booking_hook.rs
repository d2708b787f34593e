//! `BOOKING_HOOK` and `DATABASE_SCHEMA`: the site's own table, written in our transaction.

mod refunds;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use shared::queue::Lane;
use stripe_sim::Outcome;
use testkit::{SITE, order};
use worker::run_job;

use crate::{
    operations::worker,
    queue::waiting,
    shop::{Session, Shop, eventually, undelivered},
    stack::Stack,
};

async fn site() -> Stack {
    let stack = Stack::postgres_within_a_site().await;
    assert_eq!(stack.variables["DATABASE_SCHEMA"], "bookonce");
    stack
}

async fn execute(shop: &Shop, sql: &str) {
    let executed = shop.stack.patient_db.execute_unprepared(sql).await;
    executed.unwrap();
}

/// The site's rows, as one JSON array, by its own order id.
async fn rows(shop: &Shop) -> Vec<Value> {
    let sql = "SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY order_id), '[]') AS rows \
               FROM public.bookings b";
    let query = Statement::from_string(DbBackend::Postgres, sql);
    let row = shop.stack.patient_db.query_one_raw(query).await.unwrap();
    let rows: Value = row.unwrap().try_get("", "rows").unwrap();
    rows.as_array().unwrap().clone()
}

/// An order of the site's, paid. Its event is not delivered.
async fn paid(shop: &Shop, client_reference: &str) -> Session {
    let mut order = order(shop.slot(5).await, 1);
    order["client_reference"] = json!(client_reference);
    order["metadata"] = json!({ "user_id": "42" });
    let answer = shop.post("/api/create-checkout-session", &order).await;
    let answer: Value = answer.json().await.unwrap();
    let id = answer["session_id"].as_str().unwrap().to_owned();
    let session = Session { id };
    shop.pay(&session, Outcome::Succeed).await;
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sites_row_follows_each_change_of_a_booking() {
    let shop = Shop::open(site().await).await;
    let session = paid(&shop, "order-1042").await;
    shop.told(&session.id).await;

    let confirmed = rows(&shop).await;
    shop.stripe.refund(&session.id, None).unwrap();
    eventually("the booking is cancelled", async || {
        shop.confirm(&session.id, 0).await.1["status"] == "refunded"
    })
    .await;
    let cancelled = rows(&shop).await;

    assert_eq!(confirmed.len(), 1);
    let document = &confirmed[0]["document"];
    assert_eq!(document["version"], 1);
    assert_eq!(document["type"], "booking.confirmed");
    assert_eq!(document["booking"]["previous_status"], Value::Null);
    assert_eq!(document["checkout"]["session_id"], json!(session.id));
    assert_eq!(document["checkout"]["client_reference"], "order-1042");
    assert_eq!(document["checkout"]["metadata"], json!({ "user_id": "42" }));
    assert_eq!(document["payment"]["amount_total"], 4900);
    assert_eq!(document["slot"]["offering"]["name"], "Harbour kayak tour");
    assert_eq!(cancelled[0]["status"], "cancelled");
    let document = &cancelled[0]["document"];
    assert_eq!(document["type"], "booking.cancelled");
    assert_eq!(document["booking"]["previous_status"], "confirmed");
    assert_eq!(document["payment"]["amount_refunded"], 4900);
    assert_eq!(cancelled[0]["changes"], 2, "once for each change");
    execute(
        &shop,
        "DO $$ BEGIN ASSERT (SELECT count(*) FROM public.booking) = 0; END $$",
    )
    .await;
    shop.close().await;
}

/// One transaction has all of them first.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_function_refuses_is_written_nowhere_and_holds_up_no_other() {
    let mut shop = Shop::without_worker(site().await).await;
    shop.stripe.set_faults(undelivered());
    for number in 0..9 {
        paid(&shop, &format!("order-{number}")).await;
    }
    let refused = paid(&shop, "refused").await;
    for event in shop.stripe.events() {
        shop.publish(&event).await;
    }

    shop.start_worker();
    shop.wait_for_bookings(9).await;
    eventually("the refused one waits for its next attempt", async || {
        waiting(&shop.stack, "retry.10s").await == 1
    })
    .await;
    assert_eq!(rows(&shop).await.len(), 9);
    assert_eq!(shop.payments().await, 9);
    let mend = SITE.split("CREATE FUNCTION").nth(1).unwrap();
    let mend = mend.replace("= 'refused'", "= 'nothing'");
    execute(&shop, &format!("CREATE OR REPLACE FUNCTION{mend}")).await;

    shop.wait_for_bookings(10).await;
    assert_eq!(rows(&shop).await[9]["order_id"], "refused");
    assert_eq!(shop.told(&refused.id).await.1["status"], "confirmed");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_refuses_for_a_day_is_dead_lettered_with_its_words() {
    let mut shop = Shop::without_worker(site().await).await;
    shop.stripe.set_faults(undelivered());
    paid(&shop, "refused").await;
    let event = shop.stripe.events().pop().unwrap();
    let mut last = shop.message(&event);
    last.attempt = 99;
    shop.publisher.publish(Lane::Events, &last).await.unwrap();

    shop.start_worker();
    eventually("it is dead-lettered", async || {
        crate::queue::dead(&shop.stack).await == 1
    })
    .await;

    let letters = worker(&shop, &["dead", "list", "--json"]).await;
    let letters: Value = serde_json::from_slice(&letters.stdout).unwrap();
    assert_eq!(letters[0]["reason"], "hook_failed");
    assert_eq!(letters[0]["detail"], "SH001: room 7 is closed");
    shop.stop_workers().await;
    execute(&shop, "DROP FUNCTION public.on_booking").await;
    execute(
        &shop,
        "CREATE FUNCTION public.on_booking(jsonb) RETURNS void LANGUAGE sql AS ''",
    )
    .await;
    shop.start_worker();
    worker(&shop, &["dead", "replay", "--all", "--why", "opened"]).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

/// What a constraint leaves to the commit, no end, what reads like an outage or like a lock of ours, and
/// no function.
#[tokio::test(flavor = "multi_thread")]
async fn it_fails_alone_however_it_fails() {
    let mut shop = Shop::without_worker(site().await).await;
    shop.stripe.set_faults(undelivered());
    for (sql, code) in [
        (
            "ALTER TABLE public.bookings ADD FOREIGN KEY (order_id) \
             REFERENCES public.bookings (reference) DEFERRABLE INITIALLY DEFERRED",
            "23503",
        ),
        (
            "CREATE OR REPLACE FUNCTION public.on_booking(document jsonb) RETURNS void \
             LANGUAGE sql AS 'SELECT pg_sleep(60)'",
            "57014",
        ),
        (
            "CREATE OR REPLACE FUNCTION public.on_booking(document jsonb) RETURNS void \
             LANGUAGE plpgsql AS 'BEGIN PERFORM lastval(); END'",
            "55000",
        ),
        (
            "CREATE OR REPLACE FUNCTION public.on_booking(document jsonb) RETURNS void \
             LANGUAGE plpgsql AS 'BEGIN RAISE lock_not_available; END'",
            "55P03",
        ),
        ("DROP FUNCTION public.on_booking", "42883"),
    ] {
        execute(&shop, sql).await;
        paid(&shop, "order-1").await;
        let event = shop.stripe.events().pop().unwrap();
        let context = shop.worker_context();

        let error = run_job(&context, &shop.message(&event)).await;

        let error = error.unwrap_err();
        assert_eq!(error.code().as_str(), "hook_failed");
        let detail = error.detail().unwrap();
        assert!(detail.starts_with(code), "{detail}");
        assert_eq!((shop.bookings().await, shop.payments().await), (0, 0));
    }
    execute(
        &shop,
        "CREATE FUNCTION public.on_booking(jsonb) RETURNS void LANGUAGE sql AS ''",
    )
    .await;
    for event in shop.stripe.events() {
        shop.publish(&event).await;
    }
    shop.start_worker();
    shop.wait_for_bookings(5).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_whether_it_can_be_called() {
    let shop = Shop::without_worker(site().await).await;
    let finding = async || {
        let doctor = worker(&shop, &["doctor", "--json"]).await;
        let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        let mut findings = findings.as_array().unwrap().iter();
        let finding = findings.find(|it| it["check"] == "booking hook").unwrap();
        format!("{} {}", finding["status"], finding["detail"])
    };

    let good = finding().await;
    execute(&shop, "DROP FUNCTION public.on_booking").await;
    let missing = finding().await;
    let other = "CREATE FUNCTION public.on_booking(jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1'";
    execute(&shop, other).await;
    let answers = finding().await;

    execute(&shop, "DROP FUNCTION public.on_booking").await;
    let forbidden = "CREATE FUNCTION public.on_booking(jsonb) RETURNS void LANGUAGE sql AS ''; \
         REVOKE EXECUTE ON FUNCTION public.on_booking FROM PUBLIC";
    execute(&shop, forbidden).await;
    let not_allowed = as_another_role(&shop).await;

    assert!(good.starts_with(r#""ok""#), "{good}");
    assert!(
        not_allowed.contains("the role in DATABASE_URL may not call"),
        "{not_allowed}"
    );
    assert!(
        missing.contains("failed") && missing.contains("there is no"),
        "{missing}"
    );
    assert!(
        answers.contains("failed") && answers.contains("returns integer"),
        "{answers}"
    );
    shop.close().await;
}

/// What doctor says to one who owns none of it.
async fn as_another_role(shop: &Shop) -> String {
    let role = format!("guest_{}", uuid::Uuid::now_v7().simple());
    let create = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA bookonce TO {role}; \
         GRANT SELECT ON ALL TABLES IN SCHEMA bookonce TO {role}"
    );
    execute(shop, &create).await;
    let url = &shop.stack.admin["DATABASE_URL"];
    let server = url.rsplit(['@', '/']).nth(1).unwrap();
    let database = url.rsplit('/').next().unwrap();
    let url = format!("postgres://{role}:guest@{server}/{database}");
    let mut doctor = crate::operations::command(shop, &["doctor", "--json"]);
    doctor.env("DATABASE_URL", url);
    let doctor = tokio::task::spawn_blocking(move || doctor.output().unwrap());
    let output = doctor.await.unwrap();
    execute(shop, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    String::from_utf8(output.stdout).unwrap()
}
