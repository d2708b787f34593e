//! The story as a person reads it.

use std::fmt;

use sea_orm::ActiveEnum;
use serde_json::Value;
use shared::db::{checkout, intervention, owed_refund};

use crate::operator::{
    booking_show::{Story, others::Other, told::Told},
    dead_letters::printable,
    words::{counted, moment, money, wrapped, written},
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

fn decided(it: &intervention::Model, currency: &str) -> String {
    let detail = it.detail.as_deref().map_or(String::new(), |detail| {
        let amount = detail.strip_prefix("refund ");
        let amount = amount.and_then(|it| it.parse().ok());
        amount.map_or_else(
            || format!(", {detail}"),
            |amount| format!(", refund {}", written(amount, currency)),
        )
    });
    let (at, by) = (moment(it.created_at), printable(&it.decided_by));
    // Who is forgotten leaves no words behind.
    let why = Some(printable(&it.why)).filter(|it| !it.is_empty());
    let why = why.map_or(String::new(), |it| format!(": {it}"));
    format!("{at}  {}{detail}, by {by}{why}", it.kind)
}

fn owed(it: &owed_refund::Model, currency: &str) -> String {
    // What was refunded by hand meanwhile may have left nothing of it.
    let is_made = it.amount_minor_units.is_none() || it.refund_id.is_some();
    let end = it.done_at.map_or_else(
        || "to be done".to_owned(),
        |at| format!("{} {}", if is_made { "done" } else { "over" }, moment(at)),
    );
    let error = it.last_error.as_deref();
    let error = error.map_or(String::new(), |error| format!(", last error {error}"));
    let attempts = counted(it.attempts, "attempt");
    let part = it.amount_minor_units.map(|it| written(it, currency));
    let part = part.unwrap_or_else(|| "all that is left".to_owned());
    format!("refund of {part}, {end}, {attempts}{error}")
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
        for (name, text) in self.lines() {
            let row = format!("{name:<INDENT$}{text}");
            writeln!(out, "{}", wrapped(&row, INDENT))?;
        }
        Ok(())
    }
}

/// A text, by its name in the margin.
type Rows = Vec<(&'static str, String)>;

impl Story {
    /// All of it, each line with its name in the margin; one without belongs to the line before.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let rows = self.ordered().into_iter().chain(self.paid());
        rows.chain(self.later()).collect()
    }

    fn ordered(&self) -> Rows {
        let checkout = &self.record.checkout;
        let sold = printable(&self.offering);
        let place = self.starts_at.map(|starts_at| {
            let seats = counted(checkout.quantity, "seat");
            format!(", {}, {seats}", moment(starts_at))
        });
        let session = checkout.session_id.as_deref().unwrap_or("no session");
        let mut rows = vec![
            ("offering", sold + &place.unwrap_or_default()),
            ("checkout", checkout.id.to_string()),
            ("", session.to_owned()),
        ];
        let given = site_data(checkout).into_iter();
        rows.extend(given.map(|(name, text)| (name, printable(&text))));
        let seats = if checkout.seats_held { "held" } else { "free" };
        let hold = format!(
            "{}, seats {seats}, {} to pay, made {}, hold until {}",
            checkout.state.to_value(),
            written(checkout.amount_minor_units, &checkout.currency),
            moment(checkout.created_at),
            moment(checkout.expires_at)
        );
        rows.push(("", hold));
        rows
    }

    fn paid(&self) -> Rows {
        let (booking, payment) = (&self.record.booking, &self.record.payment);
        let booking = booking.as_ref().map_or("none".to_owned(), |booking| {
            let reason = booking.reason.as_deref();
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            let (reference, status) = (&booking.reference, booking.status.to_value());
            let at = moment(booking.created_at);
            format!("{reference}  {status}{reason}, made {at}")
        });
        let payment = payment.as_ref().map_or("none".to_owned(), |payment| {
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
                written(payment.amount_refunded_minor_units, &payment.currency)
            )
        });
        let mut rows = vec![("booking", booking), ("payment", payment)];
        for [id, state] in self.others.iter().map(Other::lines) {
            rows.extend([("also", id), ("", state)]);
        }
        rows
    }

    fn later(&self) -> Rows {
        let mut rows = Vec::new();
        for it in &self.record.refunds {
            let (id, status, at) = (&it.id, it.status.to_value(), moment(it.created_at));
            let amount = written(it.amount_minor_units, &it.currency);
            rows.push(("refund", format!("{id}  {status}, {amount}, {at}")));
        }
        for it in &self.record.disputes {
            let money = match (it.funds_withdrawn, it.funds_reinstated) {
                (true, false) => "money withdrawn",
                (true, true) => "money withdrawn and back",
                (false, _) => "no money moved",
            };
            let (id, status, reason) = (&it.id, it.status.to_value(), &it.reason);
            let at = moment(it.created_at);
            let text = format!("{id}  {status} ({reason}), {money}, {at}");
            rows.push(("dispute", text));
        }
        let currency = &self.record.checkout.currency;
        let owes = self.record.owed_refund.iter();
        rows.extend(owes.map(|it| ("owed", owed(it, currency))));
        for it in &self.events {
            rows.push(("event", format!("{}  {}", moment(it.processed_at), it.kind)));
            rows.push(("", format!("{}  {}", it.id, it.outcome)));
        }
        rows.extend(
            self.interventions
                .iter()
                .map(|it| ("decided", decided(it, currency))),
        );
        rows.extend(told(&self.told));
        rows
    }
}
