//! `worker reconcile`: finds in Stripe's books what never arrived.

use sea_orm::EntityTrait;
use serde_json::Value;
use shared::{
    clock,
    db::{dispute, payment, recurring_job},
};
use stripe_sim::{Faults, Outcome, Verdict};
use worker::reconcile::{Cursor, Part, Reconcile};

use super::{json, worker};
use crate::{
    books,
    shop::{Session, Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    whatever_never_arrived_is_found_once,
    a_run_goes_on_where_another_ended,
    refunds_and_disputes_that_never_arrived_are_found_once,
    a_refund_that_failed_is_found_with_its_payment,
    what_the_key_may_not_list_does_not_hide_the_rest,
];

const FOREIGN: &str = "mode=payment&success_url=https://other.example&line_items[0][quantity]=1\
    &line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=100\
    &line_items[0][price_data][product_data][name]=Hat";

pub async fn paid(shop: &Shop, count: i32) -> Vec<Session> {
    let slot = shop.slot(count).await;
    let mut sessions = Vec::new();
    for _ in 0..count {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        sessions.push(session);
    }
    sessions
}

async fn whatever_never_arrived_is_found_once(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let sessions = paid(&shop, 5).await;
    let slot = shop.slot(1).await;
    let expired = shop.create(slot).await;
    shop.stripe.expire(&expired.id).unwrap();
    let foreign = shop.stripe.create_session(FOREIGN).unwrap();
    shop.stripe.pay(&foreign, Outcome::Succeed).await.unwrap();

    let dry = json(
        &shop,
        &["reconcile", "--since", "1h", "--dry-run", "--json"],
    )
    .await;
    shop.stripe.set_faults(Faults {
        api_status: Some(429),
        api_status_percent: 40,
        ..undelivered()
    });
    let found = json(&shop, &["reconcile", "--since", "1h", "--json"]).await;
    shop.stripe.set_faults(undelivered());
    shop.start_worker();

    assert_eq!(found, dry);
    assert_eq!(found["sessions"], 7);
    assert_eq!(found["foreign_sessions"], 1);
    assert_eq!(found["missing_sessions"], 6);
    assert_eq!(found["missing_events"], 0, "the sessions said it all");
    shop.wait_for_bookings(5).await;
    eventually("the seat is free", async || {
        shop.seats_taken(slot).await == 0
    })
    .await;

    // A refund that no webhook and no listed event reports.
    shop.stripe.refund(&sessions[0].id, Some(1000)).unwrap();
    let refunded = async || {
        let rows = payment::Entity::find().all(&shop.stack.db).await.unwrap();
        let all: i64 = rows.iter().map(|row| row.amount_refunded_minor_units).sum();
        all
    };
    let context = shop.worker_context();
    let cursor = Cursor {
        started_at: clock::system(),
        sessions_since: clock::system() - time::Duration::HOUR,
        // As if Stripe had never made an event.
        events_since: clock::system() + time::Duration::HOUR,
        part: Part::FIRST,
    };
    let mut run = Reconcile::new(&context, Some(&shop.publisher), cursor);
    while run.next_page().await.unwrap() {}
    let report = run.report;
    assert_eq!(report.missing_sessions + report.missing_refunds, 1);
    eventually("the refund is known", async || refunded().await == 1000).await;
    eventually("nothing is missing any more", async || {
        let again = json(&shop, &["reconcile", "--since", "1h", "--json"]).await;
        let missing = ["sessions", "refunds", "disputes", "events"];
        missing
            .iter()
            .all(|what| again[format!("missing_{what}")] == 0)
    })
    .await;
    shop.stop_workers().await;
    // Not closed: the foreign session is in Stripe's books and none of ours.
    let mut ledger = shop.stripe.ledger();
    ledger.retain(|entry| entry.session_id != foreign);
    books::assert_balance(&shop.stack.db, &ledger).await;
}

async fn a_run_goes_on_where_another_ended(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.stripe.set_faults(undelivered());
    paid(&shop, 1).await;
    for _ in 0..150 {
        shop.stripe.create_session(FOREIGN).unwrap();
    }
    let context = shop.worker_context();
    let cursor = Cursor {
        started_at: clock::system(),
        sessions_since: time::OffsetDateTime::UNIX_EPOCH,
        events_since: time::OffsetDateTime::UNIX_EPOCH,
        part: Part::FIRST,
    };
    let mut first = Reconcile::new(&context, Some(&shop.publisher), cursor);
    assert!(first.next_page().await.unwrap());
    assert_eq!(
        first.report.missing_sessions, 0,
        "our session is on the next page"
    );

    let cursor = serde_json::to_string(&first.cursor).unwrap();
    let cursor = serde_json::from_str(&cursor).unwrap();
    let mut second = Reconcile::new(&context, Some(&shop.publisher), cursor);
    while second.next_page().await.unwrap() {}

    assert_eq!(first.report.sessions + second.report.sessions, 151);
    assert_eq!(second.report.missing_sessions, 1);
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

/// Stripe's books have them, if their events were lost after a 200 or never posted at all.
/// By then its charge says nothing of it any more, and we have not heard of the payment either.
async fn a_refund_that_failed_is_found_with_its_payment(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let session = paid(&shop, 1).await.pop().unwrap();
    let refund = shop.stripe.refund(&session.id, None).unwrap();
    shop.stripe.fail_refund(&refund).unwrap();

    json(&shop, &["reconcile", "--since", "1h", "--json"]).await;
    shop.start_worker();
    shop.wait_for_bookings(1).await;

    let audit = json(&shop, &["audit", "--since", "1h", "--json"]).await;
    assert_eq!(audit["refunds"], 1, "{audit}");
    shop.close().await;
}

async fn refunds_and_disputes_that_never_arrived_are_found_once(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let sessions = paid(&shop, 4).await;
    shop.start_worker();
    shop.wait_for_bookings(4).await;
    shop.stripe.set_faults(undelivered());
    let [refunded, failed, disputed, lost] = [0, 1, 2, 3].map(|index| sessions[index].id.as_str());
    shop.stripe.refund(refunded, Some(1000)).unwrap();
    let refund = shop.stripe.refund(failed, Some(1000)).unwrap();
    shop.stripe.fail_refund(&refund).unwrap();
    shop.stripe.dispute(disputed, false).unwrap();
    let dispute = shop.stripe.dispute(lost, false).unwrap();
    shop.stripe.close_dispute(&dispute, Verdict::Lost).unwrap();
    let differing = worker(&shop, &["audit", "--since", "1h", "--json"]).await;
    let found = json(&shop, &["reconcile", "--since", "1h", "--json"]).await;

    assert!(!differing.status.success());
    let audit: Value = serde_json::from_slice(&differing.stdout).unwrap();
    let kinds: Vec<_> = audit["differences"].as_array().unwrap().iter().collect();
    for what in ["refund_differs", "dispute_differs"] {
        let of_it = kinds.iter().filter(|it| it["what"] == what);
        assert_eq!(of_it.count(), 2, "{audit}");
    }
    // One of the refunds is found by the amount left of its session.
    let missing = |what: &str| found[format!("missing_{what}")].as_u64().unwrap();
    assert_eq!(missing("sessions") + missing("refunds"), 2, "{found}");
    assert_eq!(missing("disputes"), 2, "{found}");
    eventually("the books agree", async || {
        worker(&shop, &["audit", "--since", "1h"])
            .await
            .status
            .success()
    })
    .await;
    // A dispute that is closed long after it was opened is found by its event.
    shop.stripe.close_dispute(&dispute, Verdict::Won).unwrap();
    let context = shop.worker_context();
    let cursor = Cursor {
        started_at: clock::system(),
        sessions_since: clock::system() + time::Duration::HOUR,
        events_since: clock::system() - time::Duration::HOUR,
        part: Part::FIRST,
    };
    let before = dispute_status(&shop, &dispute).await;
    let mut run = Reconcile::new(&context, Some(&shop.publisher), cursor);
    while run.next_page().await.unwrap() {}
    assert_eq!(before, dispute::Status::Lost);
    assert_eq!(run.report.missing_events, 1, "{:?}", run.report);
    eventually("the verdict is known", async || {
        dispute_status(&shop, &dispute).await == dispute::Status::Won
    })
    .await;
    shop.close().await;
}

/// As after an update that needs more permissions than the old key has.
async fn what_the_key_may_not_list_does_not_hide_the_rest(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(Faults {
        denied: vec!["rak_dispute_read".to_owned()],
        ..undelivered()
    });
    paid(&shop, 1).await;
    let now = clock::system();
    recurring_job::take(&shop.stack.db, recurring_job::RECONCILE, now, now)
        .await
        .unwrap();

    let by_hand = worker(
        &shop,
        &["reconcile", "--since", "1h", "--dry-run", "--json"],
    )
    .await;
    shop.start_worker();

    assert!(!by_hand.status.success());
    let report: Value = serde_json::from_slice(&by_hand.stdout).unwrap();
    assert_eq!(report["missing_sessions"], 1);
    assert!(report["events"].as_u64().unwrap() > 0, "{report}");
    shop.wait_for_bookings(1).await;
    // The run did not succeed, and the next one begins with the first part.
    eventually("the run has ended", async || {
        let job = recurring_job::Entity::find_by_id("reconcile");
        let job = job.one(&shop.stack.db).await.unwrap().unwrap();
        let cursor: Option<Cursor> = job.cursor.and_then(|it| serde_json::from_str(&it).ok());
        let first = cursor.is_some_and(|it| matches!(it.part, Part::Sessions { after: None }));
        job.last_success_at.is_none() && first && job.due_at > clock::system()
    })
    .await;
    shop.close().await;
}

async fn dispute_status(shop: &Shop, id: &str) -> dispute::Status {
    let row = dispute::Entity::find_by_id(id).one(&shop.stack.db).await;
    row.unwrap().unwrap().status
}
