//! Seats that buyers hold who are about to pay.

use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait};
use shared::{
    clock,
    db::{checkout, offering, slot},
};
use time::Duration;
use uuid::Uuid;

use crate::event::{AMOUNT_MINOR_UNITS, Names};

/// Rows of one statement; both engines bound the number of parameters.
const ROWS: usize = 1000;

/// Makes holds as ingress leaves them behind, without asking it for each.
#[derive(Debug)]
pub struct Holds {
    pub db: DatabaseConnection,
    offering_id: Uuid,
}

impl Holds {
    /// Puts something to sell into the catalogue.
    pub async fn new(db: DatabaseConnection) -> anyhow::Result<Self> {
        let offering_id = Uuid::now_v7();
        let row = offering::Model {
            id: offering_id,
            name: "Harbour kayak tour".to_owned(),
            description: String::new(),
            unit_amount_minor_units: AMOUNT_MINOR_UNITS,
            currency: "eur".to_owned(),
        };
        offering::Entity::insert(offering::ActiveModel::from(row).reset_all())
            .exec_without_returning(&db)
            .await?;
        Ok(Self { db, offering_id })
    }

    /// A slot of which some seats are taken.
    pub async fn slot(&self, capacity: i32, seats_taken: i32) -> anyhow::Result<Uuid> {
        let starts_at = clock::system().saturating_add(Duration::DAY);
        let row = slot::Model {
            id: Uuid::now_v7(),
            offering_id: self.offering_id,
            starts_at,
            ends_at: starts_at.saturating_add(Duration::HOUR),
            capacity,
            seats_taken,
        };
        let id = row.id;
        slot::Entity::insert(slot::ActiveModel::from(row).reset_all())
            .exec_without_returning(&self.db)
            .await?;
        Ok(id)
    }

    /// One seat for each of the first `buyers` of `run`.
    pub async fn make(&self, run: u32, buyers: u32) -> anyhow::Result<()> {
        let seats = i32::try_from(buyers)?;
        let slot_id = self.slot(seats, seats).await?;
        let now = clock::system();
        let hold = |buyer| {
            let names = Names::of(run, buyer);
            let row = checkout::Model {
                id: names.checkout,
                slot_id,
                quantity: 1,
                amount_minor_units: AMOUNT_MINOR_UNITS,
                currency: "eur".to_owned(),
                customer_name: "Ada Lovelace".to_owned(),
                customer_email: "ada@example.com".to_owned(),
                state: checkout::State::Open,
                seats_held: true,
                checkout_url: Some(format!("https://pay.example.com/{}", names.session)),
                session_id: Some(names.session),
                idempotency_key: None,
                request_hash: None,
                order_fingerprint: None,
                created_at: now,
                // Longer than any measurement, so that nobody sweeps them.
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
