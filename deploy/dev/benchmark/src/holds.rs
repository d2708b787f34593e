//! Holds of buyers who are about to pay.

use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait};
use shared::{clock, db::checkout};
use testkit::{PRICE, insert_offering, insert_slot, tomorrow};
use time::Duration;
use uuid::Uuid;

use crate::event::Names;

/// Rows of one statement; both engines bound the number of parameters.
const ROWS: usize = 1000;

/// Writes the rows of holds as ingress would, without a request for each.
#[derive(Debug)]
pub struct Holds {
    pub db: DatabaseConnection,
    offering_id: Uuid,
}

impl Holds {
    /// Adds an offering to the catalogue.
    pub async fn new(db: DatabaseConnection) -> anyhow::Result<Self> {
        let offering_id = insert_offering(&db).await?;
        Ok(Self { db, offering_id })
    }

    /// Adds a slot of which some seats are taken. Returns its id.
    pub async fn slot(&self, capacity: i32, seats_taken: i32) -> anyhow::Result<Uuid> {
        let seats = (capacity, seats_taken);
        insert_slot(&self.db, self.offering_id, tomorrow(), seats).await
    }

    /// Holds one seat for each of the first `buyers` of `run`.
    pub async fn make(&self, run: u32, buyers: u32) -> anyhow::Result<()> {
        let seats = i32::try_from(buyers)?;
        let slot_id = self.slot(seats, seats).await?;
        let now = clock::system();
        let hold = |buyer| {
            let names = Names::of(run, buyer);
            let row = checkout::Model {
                id: names.checkout,
                slot_id: Some(slot_id),
                quantity: 1,
                line_items: None,
                options: None,
                amount_minor_units: PRICE,
                currency: "eur".to_owned(),
                customer_name: "Ada Lovelace".to_owned(),
                customer_email: "ada@example.com".to_owned(),
                locale: None,
                state: checkout::State::Open,
                seats_held: true,
                checkout_url: Some(format!("https://pay.example.com/{}", names.session)),
                session_id: Some(names.session),
                idempotency_key: None,
                request_hash: None,
                order_fingerprint: None,
                client_reference: None,
                metadata: None,
                client: None,
                created_at: now,
                // Longer than any measurement, so that the worker's sweep leaves it alone.
                expires_at: now.saturating_add(Duration::DAY),
                confirm_enqueued_at: None,
                stripe_checked_at: None,
            };
            checkout::ActiveModel::from(row).reset_all()
        };
        for first in (0..buyers).step_by(ROWS) {
            let last = buyers.min(first + u32::try_from(ROWS)?);
            checkout::Entity::insert_many((first..last).map(hold))
                .exec_without_returning(&self.db)
                .await?;
        }
        Ok(())
    }
}
