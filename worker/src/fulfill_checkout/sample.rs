//! Records for the tests of [`apply`](super::apply) and [`decide`](super::decide).

use shared::db::{
    booking::{self, Status},
    checkout::{self, State},
    dispute, owed_refund, payment, refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::CheckoutRecord;

pub const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
pub const PRICE: i64 = 4900;

/// One seat for 49.00 EUR, paid.
pub fn paid() -> CheckoutRecord {
    let mut record = unpaid(State::Paid);
    record.payment = Some(payment::Model {
        id: Uuid::nil(),
        checkout_id: Uuid::nil(),
        session_id: "cs_test_1".to_owned(),
        payment_intent_id: Some("pi_1".to_owned()),
        amount_minor_units: PRICE,
        amount_subtotal_minor_units: Some(PRICE),
        amount_discount_minor_units: 0,
        amount_tax_minor_units: 0,
        amount_shipping_minor_units: 0,
        amount_refunded_minor_units: 0,
        currency: "eur".to_owned(),
        status: payment::Status::Paid,
        dispute_status: None,
        created_at: NOW,
    });
    record
}

/// The same, as far as `state` says.
pub fn unpaid(state: State) -> CheckoutRecord {
    CheckoutRecord::new(checkout::Model {
        id: Uuid::nil(),
        slot_id: Some(Uuid::nil()),
        quantity: 1,
        line_items: None,
        options: None,
        amount_minor_units: PRICE,
        currency: "eur".to_owned(),
        customer_name: String::new(),
        customer_email: String::new(),
        locale: None,
        state,
        seats_held: true,
        session_id: Some("cs_test_1".to_owned()),
        checkout_url: None,
        idempotency_key: None,
        request_hash: None,
        order_fingerprint: None,
        client_reference: None,
        metadata: None,
        client: None,
        created_at: NOW,
        expires_at: NOW,
        confirm_enqueued_at: None,
        stripe_checked_at: None,
    })
}

impl CheckoutRecord {
    pub fn amount(mut self, amount: i64) -> Self {
        let payment = self.payment.as_mut().unwrap();
        payment.amount_minor_units = amount;
        payment.amount_subtotal_minor_units = Some(amount);
        self
    }

    pub fn offering_discounts(mut self) -> Self {
        self.checkout.options = Some(serde_json::json!({ "allow_promotion_codes": true }));
        self
    }

    pub fn less(mut self, discount: i64) -> Self {
        let payment = self.payment.as_mut().unwrap();
        payment.amount_discount_minor_units = discount;
        payment.amount_minor_units = payment.amount_minor_units.saturating_sub(discount);
        self
    }

    pub fn currency(mut self, currency: &str) -> Self {
        self.payment.as_mut().unwrap().currency = currency.to_owned();
        self
    }

    pub fn without_seats(mut self) -> Self {
        self.checkout.seats_held = false;
        self
    }

    pub fn booked(mut self, status: Status, reason: Option<&str>) -> Self {
        self.booking = Some(booking::Model {
            id: Uuid::nil(),
            checkout_id: Uuid::nil(),
            slot_id: Some(Uuid::nil()),
            quantity: 1,
            reference: String::new(),
            status,
            reason: reason.map(str::to_owned),
            created_at: NOW,
        });
        self
    }

    pub fn refund(mut self, status: refund::Status, amount: i64) -> Self {
        self.refunds.push(refund::Model {
            id: format!("re_{}", self.refunds.len()),
            checkout_id: Uuid::nil(),
            amount_minor_units: amount,
            currency: "eur".to_owned(),
            status,
            created_at: NOW,
            updated_at: NOW,
        });
        self
    }

    pub fn disputed(mut self, status: dispute::Status, amount: i64) -> Self {
        self.disputes.push(dispute::Model {
            id: format!("du_{}", self.disputes.len()),
            checkout_id: Uuid::nil(),
            amount_minor_units: amount,
            currency: "eur".to_owned(),
            reason: String::new(),
            status,
            funds_withdrawn: true,
            funds_reinstated: false,
            created_at: NOW,
            updated_at: NOW,
        });
        self
    }

    /// A part, which is made by this refund.
    pub fn owing_part(mut self, refund_id: &str) -> Self {
        self = self.owing(true);
        let owed = self.owed_refund.as_mut().unwrap();
        owed.amount_minor_units = Some(900);
        owed.refund_id = Some(refund_id.to_owned());
        self
    }

    pub fn owing(mut self, done: bool) -> Self {
        self.owed_refund = Some(owed_refund::Model {
            done_at: done.then_some(NOW),
            ..owed_refund::Model::new(Uuid::nil(), NOW)
        });
        self
    }
}
