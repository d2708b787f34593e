//! The story as a person reads it.

use std::fmt;

use time::{OffsetDateTime, macros::format_description};

use super::Story;

impl fmt::Display for Story {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkout = &self.checkout;
        writeln!(
            out,
            "{}, {}, {} seat(s)",
            checkout.offering,
            moment(checkout.starts_at),
            checkout.quantity
        )?;
        let session = checkout.session_id.as_deref().unwrap_or("no session");
        writeln!(out, "checkout  {}  {session}", checkout.id)?;
        let seats = if checkout.seats_held { "held" } else { "free" };
        writeln!(
            out,
            "          {}, seats {seats}, {} {} to pay, made {}, hold until {}",
            checkout.state,
            checkout.amount,
            checkout.currency,
            moment(checkout.created_at),
            moment(checkout.expires_at)
        )?;
        match &self.booking {
            Some(booking) => {
                let reason = booking.reason.as_deref();
                let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
                let (reference, status) = (&booking.reference, &booking.status);
                let at = moment(booking.created_at);
                writeln!(out, "booking   {reference}  {status}{reason}, made {at}")?;
            }
            None => writeln!(out, "booking   none")?,
        }
        match &self.payment {
            Some(payment) => {
                let intent = payment.intent_id.as_deref();
                writeln!(
                    out,
                    "payment   {}  {}, {} {}, of which {} went back",
                    intent.unwrap_or("nothing to pay"),
                    payment.status,
                    payment.amount,
                    payment.currency,
                    payment.amount_refunded
                )?;
            }
            None => writeln!(out, "payment   none")?,
        }
        for it in &self.refunds {
            let (at, id, status) = (moment(it.at), &it.id, &it.status);
            writeln!(
                out,
                "refund    {id}  {status}, {} {}, {at}",
                it.amount, it.currency
            )?;
        }
        for it in &self.disputes {
            let money = match (it.funds_withdrawn, it.funds_reinstated) {
                (true, false) => ", money withdrawn",
                (true, true) => ", money withdrawn and back",
                (false, _) => ", no money moved",
            };
            let (at, id, status) = (moment(it.at), &it.id, &it.status);
            writeln!(out, "dispute   {id}  {status} ({}){money}, {at}", it.reason)?;
        }
        for it in &self.outbox {
            let end = it.done_at.map_or_else(
                || "to be done".to_owned(),
                |at| format!("done {}", moment(at)),
            );
            let error = it.last_error.as_deref();
            let error = error.map_or(String::new(), |error| format!(", last error {error}"));
            let (kind, tries) = (&it.kind, it.attempts);
            writeln!(out, "promised  {kind}, {end}, {tries} tries{error}")?;
        }
        for it in &self.events {
            let (at, id, kind) = (moment(it.at), &it.id, &it.kind);
            writeln!(out, "{at}  {kind}  {id}  {}", it.outcome)?;
        }
        Ok(())
    }
}

fn moment(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let utc = time.to_offset(time::UtcOffset::UTC);
    utc.format(format).unwrap_or_default()
}
