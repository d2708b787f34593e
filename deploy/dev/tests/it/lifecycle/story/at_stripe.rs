//! A story happens: at Stripe, and with a hold here.

use sea_orm::{ActiveModelTrait, EntityTrait};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{
        self,
        checkout::{self, State},
        seats,
    },
};
use stripe_sim::{Outcome, StripeSim};
use uuid::Uuid;

use super::{End, Story, Style};
use crate::{
    lifecycle::{happened::Happened, open_checkout},
    shop::{Session, Shop},
};

impl Story {
    /// Makes the story happen at `stripe`, for a checkout of its own.
    pub async fn happen(&self, shop: &Shop, stripe: &StripeSim) -> Happened {
        let before = stripe.event_count();
        let (checkout_id, slot_id) = (Uuid::now_v7(), shop.slot(1).await);
        let session = Session {
            id: stripe
                .create_session(&format!(
                    "mode=payment&success_url=https://shop.example&metadata[checkout_id]={checkout_id}\
                     &payment_intent_data[metadata][checkout_id]={checkout_id}\
                     &line_items[0][quantity]=1&line_items[0][price_data][currency]=eur\
                     &line_items[0][price_data][unit_amount]={}\
                     &line_items[0][price_data][product_data][name]=Seat",
                    self.price
                ))
                .unwrap(),
        };
        self.hold(shop, checkout_id, slot_id, &session).await;
        let outcome = match self.end {
            End::StillOpen | End::Expired => None,
            End::Paid => Some(Outcome::Succeed),
            End::Pending | End::DelayedPaid | End::DelayedFailed => Some(Outcome::Delay),
        };
        if let Some(outcome) = outcome {
            stripe.pay(&session.id, outcome).await.unwrap();
        }
        match self.end {
            End::Expired => stripe.expire(&session.id).unwrap(),
            // A free session is complete at once, with any method.
            End::DelayedPaid | End::DelayedFailed if self.price > 0 => {
                let succeeded = self.end == End::DelayedPaid;
                stripe.settle(&session.id, succeeded).await.unwrap();
            }
            _ => {}
        }
        for refund in &self.refunds {
            let id = stripe.refund(&session.id, Some(refund.amount)).unwrap();
            if refund.fails {
                stripe.fail_refund(&id).unwrap();
            }
        }
        if let Some(dispute) = self.dispute {
            let id = stripe.dispute(&session.id, dispute.inquiry).unwrap();
            if dispute.amount != self.price {
                stripe.change_dispute(&id, dispute.amount).unwrap();
            }
            let verdicts = [dispute.verdict, dispute.end()];
            let verdicts = &verdicts[..if dispute.overturned { 2 } else { 1 }];
            for verdict in verdicts.iter().flatten() {
                stripe.close_dispute(&id, *verdict).unwrap();
            }
        }
        let mut events = stripe.events_after(before);
        if self.old_shape {
            bring_refunds_along(&mut events);
        }
        for (index, event) in events.iter_mut().enumerate() {
            let mixed = self.style == Style::Mixed && index % 2 == 0;
            if mixed || self.style == Style::Thin {
                *event = stripe_sim::thin(event);
            }
        }
        Happened {
            checkout_id,
            slot_id,
            session,
            events,
        }
    }

    async fn hold(&self, shop: &Shop, id: Uuid, slot_id: Uuid, session: &Session) {
        let now = clock::system();
        let mut checkout = checkout::Model {
            amount_minor_units: self.held,
            ..open_checkout(id, slot_id, session)
        };
        let row = checkout::ActiveModel::from(checkout.clone()).reset_all();
        // In one transaction: on a busy machine each write would wait for SQLite's lock anew.
        let tx = db::begin(&shop.stack.patient_db).await.unwrap();
        checkout::Entity::insert(row)
            .exec_without_returning(&tx)
            .await
            .unwrap();
        assert!(seats::take(&tx, &checkout, now).await.unwrap());
        if self.released {
            checkout::advance(&tx, &mut checkout, State::Expired)
                .await
                .unwrap();
            seats::free(&tx, &checkout).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}

/// Adds to each `charge.refunded` the refunds that existed when it was made.
fn bring_refunds_along(events: &mut [Value]) {
    let mut refunds = Vec::new();
    for event in events {
        let object = &mut event["data"]["object"];
        match object["object"].as_str() {
            Some("refund") => {
                refunds.retain(|it: &Value| it["id"] != object["id"]);
                refunds.push(object.clone());
            }
            Some("charge") => {
                object["refunds"] = json!({ "object": "list", "data": refunds, "has_more": false });
            }
            _ => {}
        }
    }
}
