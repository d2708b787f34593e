//! The story as a person reads it.

use std::fmt;

use sea_orm::ActiveEnum;
use serde_json::Value;
use shared::db::{checkout, owed_refund};

use crate::operator::{
    booking_show::{Story, others::Other, told::Told},
    dead_letters::printable,
    words::{counted, moment, money, wrapped},
};

/// Where what belongs to a name in the margin stands.
const INDENT: usize = 10;

/// What the site gave along, by name in the margin.
fn site_data(checkout: &checkout::Model) -> Vec<(&'static str, String)> {
    let fields = |name: &'static str, object: &Option<Value>| {
        let fields = object.as_ref().and_then(Value::as_object);
        let fields = fields.into_iter().flatten().map(move |(key, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name, format!("{key}  {text}"))
        });
        fields.collect::<Vec<_>>()
    };
    let reference = checkout.client_reference.iter();
    reference
        .map(|it| ("yours", it.clone()))
        .chain(fields("metadata", &checkout.metadata))
        .chain(fields("option", &checkout.options))
        .collect()
}

fn owed(it: &owed_refund::Model) -> String {
    let end = it.done_at.map_or_else(
        || "to be done".to_owned(),
        |at| format!("done {}", moment(at)),
    );
    let error = it.last_error.as_deref();
    let error = error.map_or(String::new(), |error| format!(", last error {error}"));
    let attempts = counted(it.attempts, "attempt");
    format!("refund, {end}, {attempts}{error}")
}

/// What others were told, by name in the margin.
fn told(told: &[Told]) -> impl Iterator<Item = (&'static str, String)> {
    told.iter().flat_map(|it| {
        let deliveries = it.deliveries.iter().map(|it| ("", it.to_string()));
        std::iter::once(("told", it.to_string())).chain(deliveries)
    })
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
        let record = &self.record;
        let (checkout, booking, payment) = (&record.checkout, &record.booking, &record.payment);
        let sold = printable(&self.offering);
        let place = self.starts_at.map(|starts_at| {
            let seats = counted(checkout.quantity, "seat");
            format!(", {}, {seats}", moment(starts_at))
        });
        row("offering", sold + &place.unwrap_or_default())?;
        row("checkout", checkout.id.to_string())?;
        row(
            "",
            checkout
                .session_id
                .clone()
                .unwrap_or_else(|| "no session".to_owned()),
        )?;
        for (name, text) in site_data(checkout) {
            row(name, printable(&text))?;
        }
        let held = if checkout.seats_held { "held" } else { "free" };
        row(
            "",
            format!(
                "{}, seats {held}, {} {} to pay, made {}, hold until {}",
                checkout.state.to_value(),
                checkout.amount_minor_units,
                checkout.currency,
                moment(checkout.created_at),
                moment(checkout.expires_at)
            ),
        )?;
        row(
            "booking",
            booking.as_ref().map_or("none".to_owned(), |booking| {
                let reason = booking.reason.as_deref();
                let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
                let (reference, status) = (&booking.reference, booking.status.to_value());
                format!(
                    "{reference}  {status}{reason}, made {}",
                    moment(booking.created_at)
                )
            }),
        )?;
        row(
            "payment",
            payment.as_ref().map_or("none".to_owned(), |payment| {
                let intent = payment.payment_intent_id.as_deref();
                format!(
                    "{}  {}, {}, of which {} went back",
                    intent.unwrap_or("nothing to pay"),
                    payment.status.to_value(),
                    money(
                        (payment.amount_subtotal(), payment.amount_minor_units),
                        payment.total_details(),
                        &payment.currency
                    ),
                    payment.amount_refunded_minor_units
                )
            }),
        )?;
        for [id, state] in self.others.iter().map(Other::lines) {
            row("also", id)?;
            row("", state)?;
        }
        for it in &record.refunds {
            let (id, status, amount) = (&it.id, it.status.to_value(), it.amount_minor_units);
            let (currency, at) = (&it.currency, moment(it.created_at));
            let text = format!("{id}  {status}, {amount} {currency}, {at}");
            row("refund", text)?;
        }
        for it in &record.disputes {
            let money = match (it.funds_withdrawn, it.funds_reinstated) {
                (true, false) => "money withdrawn",
                (true, true) => "money withdrawn and back",
                (false, _) => "no money moved",
            };
            let (id, status, reason) = (&it.id, it.status.to_value(), &it.reason);
            let at = moment(it.created_at);
            let text = format!("{id}  {status} ({reason}), {money}, {at}");
            row("dispute", text)?;
        }
        if let Some(it) = &record.owed_refund {
            row("owed", owed(it))?;
        }
        for it in &self.events {
            row("event", format!("{}  {}", moment(it.processed_at), it.kind))?;
            row("", format!("{}  {}", it.id, it.outcome))?;
        }
        for (name, text) in told(&self.told) {
            row(name, text)?;
        }
        Ok(())
    }
}
