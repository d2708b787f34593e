//! What support does: find a booking, end it, move it, decide about a payment; once, told, and with who
//! and why.

mod buyers_calendar;
mod buyers_link;
mod buyers_page;
mod decisions;
mod finding;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use shared::db::{booking, checkout, outbox, payment, slot};
use stripe_sim::Outcome;
use uuid::Uuid;

use crate::{
    operations::worker,
    shop::{Session, Shop},
};

/// What a command says; `Err` is its complaint.
async fn say(shop: &Shop, arguments: &[&str]) -> Result<String, String> {
    let output = worker(shop, arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

async fn book(shop: &Shop, slot: Uuid) -> (Session, String) {
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let (_, told) = shop.told(&session.id).await;
    assert_eq!(told["status"], "confirmed", "{told}");
    let reference = told["booking"]["reference"].as_str().unwrap().to_owned();
    (session, reference)
}

async fn booking_of(shop: &Shop, reference: &str) -> booking::Model {
    let found = booking::Entity::find().filter(booking::Column::Reference.eq(reference));
    found.one(&shop.stack.db).await.unwrap().unwrap()
}

async fn payment_of(shop: &Shop, reference: &str) -> payment::Model {
    let booking = booking_of(shop, reference).await;
    let found = payment::Entity::find().filter(payment::Column::CheckoutId.eq(booking.checkout_id));
    found.one(&shop.stack.db).await.unwrap().unwrap()
}

async fn checkout_of(shop: &Shop, reference: &str) -> checkout::Model {
    let id = booking_of(shop, reference).await.checkout_id;
    let found = checkout::Entity::find_by_id(id).one(&shop.stack.db).await;
    found.unwrap().unwrap()
}

async fn slot_of(shop: &Shop, id: Uuid) -> slot::Model {
    let found = slot::Entity::find_by_id(id).one(&shop.stack.db).await;
    found.unwrap().unwrap()
}

/// What was told of it, in order.
async fn told(shop: &Shop, reference: &str) -> Vec<Value> {
    let id = booking_of(shop, reference).await.checkout_id;
    let mut rows = outbox::Entity::find()
        .filter(outbox::Column::CheckoutId.eq(id))
        .all(&shop.stack.db)
        .await
        .unwrap();
    rows.sort_by_key(|it| it.sequence);
    let documents = rows.iter();
    documents
        .map(|it| serde_json::from_str(&it.document).unwrap())
        .collect()
}

fn types(told: &[Value]) -> Vec<&str> {
    told.iter().map(|it| it["type"].as_str().unwrap()).collect()
}
