//! What came of a decision, or would: for a person, and for programs.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    fulfill_checkout::{intervene::Refusal, intervention::Kind},
    operator::{booking_show::Story, bookings::Decided, words::written},
};

/// What came of a decision about a booking, or would.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// What it is called.
    name: String,
    /// cancel, move, book, refund or end.
    decided: &'static str,
    /// Only looked at: nothing is changed.
    dry_run: bool,
    /// Whether it is carried out now; it may have been before.
    done: bool,
    /// What goes back, in the currency's minor unit.
    refund: i64,
    currency: String,
    #[serde(skip)]
    kind: Kind,
    #[serde(skip)]
    before: Option<Refusal>,
}

impl Report {
    pub fn new(story: &Story, kind: Kind, decided: Decided, dry_run: bool) -> Self {
        let (refund, before) = match decided {
            Decided::Done { refund } => (refund, None),
            Decided::Before(refusal) => (0, Some(refusal)),
        };
        Self {
            name: story.name(),
            decided: kind.as_str(),
            dry_run,
            done: before.is_none() && !dry_run,
            refund,
            currency: story.record.checkout.currency.clone(),
            kind,
            before,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if let Some(refusal) = &self.before {
            return write!(out, "{name}: nothing to do, {refusal}");
        }
        let word = match self.kind {
            Kind::Cancel { .. } => "cancelled, its seats free",
            Kind::Move { .. } => "moved",
            Kind::Book => "booked",
            Kind::GiveBack => "given back, its seats free",
            Kind::End => "ended, its seats free",
        };
        let would = if self.dry_run { "would be" } else { "is" };
        write!(out, "{name} {would} {word}")?;
        if self.refund > 0 {
            let money = written(self.refund, &self.currency);
            let goes = if self.dry_run { "would go" } else { "goes" };
            write!(
                out,
                "\n{money} {goes} back; a worker does it, and worker booking show says when"
            )?;
        }
        Ok(())
    }
}
