//! A story that has happened at Stripe: its messages, and the state they lead to here.

use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use shared::{
    db::{booking, checkout, dispute, payment, slot},
    message::Envelope,
};
use uuid::Uuid;
use worker::run_job;

use crate::shop::{Session, Shop};

/// The state of one checkout, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Truth {
    pub state: String,
    pub booking: Option<String>,
    /// Amount paid, and amount refunded.
    pub paid: Option<(i64, i64)>,
    pub dispute: Option<String>,
    pub seat: bool,
}

/// A story that has happened at Stripe.
pub struct Happened {
    pub checkout_id: Uuid,
    pub slot_id: Uuid,
    pub session: Session,
    pub events: Vec<Value>,
}

impl Happened {
    /// Messages of the story's events.
    pub fn messages(&self, shop: &Shop) -> Vec<Envelope> {
        self.events
            .iter()
            .map(|event| shop.message(event))
            .collect()
    }

    pub fn confirm_job(&self) -> Envelope {
        self.session.confirm_job()
    }

    pub async fn tell(&self, context: &worker::Context, messages: &[Envelope]) {
        for message in messages {
            run_job(context, message).await.unwrap();
        }
    }

    /// State of the checkout in the database now.
    pub async fn truth(&self, shop: &Shop) -> Truth {
        let db = &shop.stack.db;
        let checkout = checkout::Entity::find_by_id(self.checkout_id).one(db).await;
        let checkout = checkout.unwrap().unwrap();
        let payment = payment::Entity::find()
            .filter(payment::Column::CheckoutId.eq(self.checkout_id))
            .one(db)
            .await
            .unwrap();
        let bookings = booking::Entity::find()
            .filter(booking::Column::CheckoutId.eq(self.checkout_id))
            .all(db)
            .await
            .unwrap();
        assert!(bookings.len() <= 1);
        let slot = slot::Entity::find_by_id(self.slot_id)
            .one(db)
            .await
            .unwrap();
        assert_eq!(slot.unwrap().seats_taken, i32::from(checkout.seats_held));
        Truth {
            state: checkout.state.to_value(),
            booking: bookings.first().map(|row| row.status.to_value()),
            paid: payment
                .as_ref()
                .map(|row| (row.amount_minor_units, row.amount_refunded_minor_units)),
            dispute: payment
                .and_then(|row| row.dispute_status)
                .map(|status: dispute::Status| status.to_value()),
            seat: checkout.seats_held,
        }
    }
}
