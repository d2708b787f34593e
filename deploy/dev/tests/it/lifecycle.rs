//! What can happen to a payment after it was made, or instead.

mod disputed_refunds;
mod disputes;
mod happened;
pub mod histories;
mod holds;
mod interventions;
mod not_ours;
mod owed_refunds;
mod pairs;
mod refunds;
mod show;
mod story;
mod unfulfillable;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use shared::{
    clock,
    db::{
        booking,
        checkout::{self, State},
        payment,
    },
};
use stripe_sim::Outcome;
use testkit::PRICE;
use uuid::Uuid;
use worker::{Fulfillment, run_job};

use crate::{
    shop::{Session, Shop, undelivered},
    stack::Stack,
};

/// A shop whose messages the test carries itself: no webhook is delivered, no worker runs.
async fn quiet_shop(stack: Stack) -> Shop {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    shop
}

/// Events that the stand-in has made and `play` has not yet played, oldest first.
fn new_events(shop: &Shop, played: &mut usize) -> Vec<Value> {
    let events = shop.stripe.events_after(*played);
    *played += events.len();
    events
}

/// Runs every event that came since the last call, in order.
async fn play(shop: &Shop, played: &mut usize) -> Vec<Fulfillment> {
    let context = shop.worker_context();
    let mut outcomes = Vec::new();
    for event in new_events(shop, played) {
        outcomes.push(run_job(&context, &shop.message(&event)).await.unwrap());
    }
    outcomes
}

async fn checkout_of(shop: &Shop, session: &Session) -> checkout::Model {
    let by_session = checkout::Column::SessionId.eq(&session.id);
    let found = checkout::Entity::find().filter(by_session);
    found.one(&shop.stack.db).await.unwrap().unwrap()
}

async fn booking_of(shop: &Shop, session: &Session) -> booking::Model {
    let checkout = checkout_of(shop, session).await;
    let found = booking::Entity::find().filter(booking::Column::CheckoutId.eq(checkout.id));
    found.one(&shop.stack.db).await.unwrap().unwrap()
}

async fn payment_of(shop: &Shop, session: &Session) -> payment::Model {
    let found = payment::Entity::find().filter(payment::Column::SessionId.eq(&session.id));
    found.one(&shop.stack.db).await.unwrap().unwrap()
}

/// What the buyer is told.
async fn status(shop: &Shop, session: &Session) -> String {
    let (_, body) = shop.confirm(&session.id, 0).await;
    body["status"].as_str().unwrap().to_owned()
}

/// A session of one seat that is paid and booked.
async fn booked(shop: &Shop, slot: Uuid, played: &mut usize) -> Session {
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    assert_eq!(play(shop, played).await, [Fulfillment::Booked]);
    session
}

/// An open hold of one seat, as ingress leaves it behind; its seat is not taken yet.
fn open_checkout(id: Uuid, slot_id: Uuid, session: &Session) -> checkout::Model {
    let now = clock::system();
    checkout::Model {
        id,
        slot_id: Some(slot_id),
        quantity: 1,
        line_items: None,
        options: None,
        amount_minor_units: PRICE,
        currency: "eur".to_owned(),
        customer_name: "Ada Lovelace".to_owned(),
        customer_email: "ada@example.com".to_owned(),
        locale: None,
        state: State::Open,
        seats_held: false,
        session_id: Some(session.id.clone()),
        checkout_url: None,
        idempotency_key: None,
        request_hash: None,
        order_fingerprint: None,
        client_reference: None,
        metadata: None,
        client: None,
        created_at: now,
        expires_at: now.saturating_add(time::Duration::HOUR),
        confirm_enqueued_at: None,
        stripe_checked_at: None,
    }
}
