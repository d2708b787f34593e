//! Messages and events that the test itself carries, in the place of Stripe and ingress.

use reqwest::StatusCode;
use serde_json::Value;
use shared::{
    clock, message::Envelope, queue::Lane, stripe::id::CheckoutSessionId, traceparent::Traceparent,
};
use stripe_sim::{Faults, Outcome};

use super::{Session, Shop};

/// Stripe makes its events and posts none.
pub fn undelivered() -> Faults {
    Faults {
        deliver_webhooks: false,
        ..Faults::default()
    }
}

impl Shop {
    /// A session that was just paid, and its event, which only the test delivers.
    pub async fn undelivered_payment(&self) -> (Session, Value) {
        self.stripe.set_faults(undelivered());
        let slot = self.slot(5).await;
        let session = self.create(slot).await;
        self.pay(&session, Outcome::Succeed).await;
        let event = self.stripe.events().pop().unwrap();
        (session, event)
    }

    /// `event` as ingress queues it.
    pub fn message(&self, event: &Value) -> Envelope {
        let (signature, body) = self.stripe.sign(event);
        let (id, now) = (event["id"].as_str().unwrap(), clock::system());
        Envelope::stripe_event(id, body.into(), &signature, now, &Traceparent::new())
    }

    /// Puts `event` on the queue, past ingress.
    pub async fn publish(&self, event: &Value) {
        let message = self.message(event);
        let published = self.publisher.publish(Lane::Events, &message).await;
        published.unwrap();
    }

    pub async fn deliver(&self, event: &Value) -> (StatusCode, Value) {
        let (signature, body) = self.stripe.sign(event);
        self.deliver_raw(&signature, body.into_bytes()).await
    }

    pub async fn deliver_raw(&self, signature: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}/api/payment/webhook", self.url));
        let request = request.header("stripe-signature", signature).body(body);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }
}

impl Session {
    /// The job that confirm publishes about it.
    pub fn confirm_job(&self) -> Envelope {
        let id: CheckoutSessionId = self.id.parse().unwrap();
        Envelope::checkout_confirm(&id, clock::system(), &Traceparent::new())
    }
}
