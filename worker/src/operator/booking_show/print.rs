//! The story as a person reads it.

use std::fmt;

use serde_json::Value;

use crate::operator::{
    booking_show::{Story, story::Checkout},
    dead_letters::printable,
    words::{counted, moment, wrapped},
};

/// Where what belongs to a name in the margin stands.
const INDENT: usize = 10;

/// What the site gave along, by name in the margin.
fn site_data(checkout: &Checkout) -> Vec<(&'static str, String)> {
    let reference = checkout.client_reference.iter();
    let metadata = checkout.metadata.iter().filter_map(Value::as_object);
    let text =
        |(key, value): (&String, &Value)| format!("{key}  {}", value.as_str().unwrap_or_default());
    reference
        .map(|it| ("yours", it.clone()))
        .chain(metadata.flatten().map(|it| ("metadata", text(it))))
        .collect()
}

impl fmt::Display for Story {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, text: String| {
            writeln!(
                out,
                "{}",
                wrapped(&format!("{name:<INDENT$}{text}"), INDENT)
            )
        };
        let checkout = &self.checkout;
        let seats = counted(u64::try_from(checkout.quantity).unwrap_or_default(), "seat");
        let starts_at = moment(checkout.starts_at);
        row(
            "offering",
            format!("{}, {starts_at}, {seats}", checkout.offering),
        )?;
        row("checkout", checkout.id.to_string())?;
        let session = checkout.session_id.as_deref().unwrap_or("no session");
        row("", session.to_owned())?;
        for (name, text) in site_data(checkout) {
            row(name, printable(&text))?;
        }
        let held = if checkout.seats_held { "held" } else { "free" };
        row(
            "",
            format!(
                "{}, seats {held}, {} {} to pay, made {}, hold until {}",
                checkout.state,
                checkout.amount,
                checkout.currency,
                moment(checkout.created_at),
                moment(checkout.expires_at)
            ),
        )?;
        row(
            "booking",
            self.booking.as_ref().map_or("none".to_owned(), |booking| {
                let reason = booking.reason.as_deref();
                let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
                let (reference, status) = (&booking.reference, &booking.status);
                format!(
                    "{reference}  {status}{reason}, made {}",
                    moment(booking.created_at)
                )
            }),
        )?;
        row(
            "payment",
            self.payment.as_ref().map_or("none".to_owned(), |payment| {
                format!(
                    "{}  {}, {} {}, of which {} went back",
                    payment.intent_id.as_deref().unwrap_or("nothing to pay"),
                    payment.status,
                    payment.amount,
                    payment.currency,
                    payment.amount_refunded
                )
            }),
        )?;
        for it in &self.refunds {
            let (id, status, amount) = (&it.id, &it.status, it.amount);
            row(
                "refund",
                format!(
                    "{id}  {status}, {amount} {}, {}",
                    it.currency,
                    moment(it.at)
                ),
            )?;
        }
        for it in &self.disputes {
            let money = match (it.funds_withdrawn, it.funds_reinstated) {
                (true, false) => "money withdrawn",
                (true, true) => "money withdrawn and back",
                (false, _) => "no money moved",
            };
            let (id, status, reason) = (&it.id, &it.status, &it.reason);
            row(
                "dispute",
                format!("{id}  {status} ({reason}), {money}, {}", moment(it.at)),
            )?;
        }
        for it in &self.outbox {
            let end = it.done_at.map_or_else(
                || "to be done".to_owned(),
                |at| format!("done {}", moment(at)),
            );
            let error = it.last_error.as_deref();
            let error = error.map_or(String::new(), |error| format!(", last error {error}"));
            let failures = counted(u64::try_from(it.attempts).unwrap_or_default(), "failure");
            row("owed", format!("{}, {end}, {failures}{error}", it.kind))?;
        }
        for it in &self.events {
            row("event", format!("{}  {}", moment(it.at), it.kind))?;
            row("", format!("{}  {}", it.id, it.outcome))?;
        }
        Ok(())
    }
}
