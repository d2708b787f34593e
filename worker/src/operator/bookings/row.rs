//! A booking in a list: for a person, for programs, for a spreadsheet.

use std::fmt;

use sea_orm::FromQueryResult;
use serde_json::{Value, json};
use shared::{
    db::{booking::Status, checkout::State},
    line_item::LineItems,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::operator::{
    dead_letters::printable,
    words::{moment, rfc3339, wrapped, written},
};

/// A checkout, with its booking if there is one.
#[derive(Debug, FromQueryResult)]
pub struct Row {
    pub checkout_id: Uuid,
    pub state: State,
    pub reference: Option<String>,
    pub status: Option<Status>,
    pub reason: Option<String>,
    pub quantity: i32,
    pub customer_name: String,
    pub customer_email: String,
    pub session_id: Option<String>,
    pub client_reference: Option<String>,
    pub offering: Option<String>,
    pub time_zone: Option<String>,
    pub line_items: Option<LineItems>,
    pub slot_id: Option<Uuid>,
    pub starts_at: Option<OffsetDateTime>,
    pub amount: i64,
    pub refunded: Option<i64>,
    pub currency: String,
    pub created_at: OffsetDateTime,
}

/// Names of the columns of a spreadsheet.
const COLUMNS: [&str; 14] = [
    "reference",
    "status",
    "reason",
    "what",
    "starts_at",
    "quantity",
    "name",
    "email",
    "amount",
    "refunded",
    "currency",
    "client_reference",
    "session_id",
    "created_at",
];

impl Row {
    /// What it is called on the command line.
    pub fn name(&self) -> String {
        let checkout = || self.checkout_id.to_string();
        self.reference.clone().unwrap_or_else(checkout)
    }

    fn what(&self) -> String {
        let sold = self.line_items.as_ref().map(LineItems::names);
        self.offering.clone().or(sold).unwrap_or_default()
    }

    fn standing(&self) -> String {
        match (self.status, &self.reason) {
            (Some(status), Some(reason)) => format!("{} ({reason})", status.as_str()),
            (Some(status), None) => status.as_str().to_owned(),
            (None, _) => format!("not booked, {}", sea_orm::ActiveEnum::to_value(&self.state)),
        }
    }

    /// What to type next.
    pub fn next(&self) -> String {
        let verb = match self.status {
            Some(Status::NeedsAttention) => "resolve",
            _ => "show",
        };
        let more = match self.status {
            Some(Status::NeedsAttention) => " --book|--refund|--end --why \"…\"",
            _ => "",
        };
        format!("worker booking {verb} {}{more}", self.name())
    }

    fn paid(&self) -> String {
        let money = |amount| written(amount, &self.currency);
        match self.refunded {
            Some(refunded) if refunded > 0 => {
                format!("{}, {} went back", money(self.amount), money(refunded))
            }
            _ => money(self.amount),
        }
    }

    /// For programs. Amounts are in minor units.
    pub fn json(&self) -> Value {
        json!({
            "reference": self.reference,
            "status": self.status.map(Status::as_str),
            "reason": self.reason,
            "checkout_id": self.checkout_id,
            "state": sea_orm::ActiveEnum::to_value(&self.state),
            "session_id": self.session_id,
            "client_reference": self.client_reference,
            "what": self.what(),
            "slot_id": self.slot_id,
            "starts_at": self.starts_at.map(rfc3339),
            "quantity": self.quantity,
            "customer": { "name": self.customer_name, "email": self.customer_email },
            "amount": self.amount,
            "amount_refunded": self.refunded,
            "currency": self.currency,
            "created_at": rfc3339(self.created_at),
            "next": self.next(),
        })
    }

    /// For a spreadsheet. Amounts are as people write them, times in UTC.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn csv(rows: &[Self]) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS)?;
        for row in rows {
            let money = |amount| written(amount, &row.currency);
            let text = |text: Option<&str>| cell(text.unwrap_or_default());
            writer.write_record([
                text(row.reference.as_deref()),
                text(row.status.map(Status::as_str)),
                text(row.reason.as_deref()),
                cell(&row.what()),
                row.starts_at.map(rfc3339).unwrap_or_default(),
                row.quantity.to_string(),
                cell(&row.customer_name),
                cell(&row.customer_email),
                money(row.amount),
                row.refunded.map(money).unwrap_or_default(),
                row.currency.to_uppercase(),
                text(row.client_reference.as_deref()),
                text(row.session_id.as_deref()),
                rfc3339(row.created_at),
            ])?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}

/// A buyer's name is text, also for a spreadsheet that takes some texts for formulas.
///
/// Source: <https://owasp.org/www-community/attacks/CSV_Injection>
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = self
            .starts_at
            .map_or(String::new(), |at| format!(", {}", moment(at)));
        let head = format!("{}  {}{when}", self.name(), self.standing());
        writeln!(out, "{}", wrapped(&head, 4))?;
        let who = printable(&self.customer_name);
        let what = format!(
            "    {} × {}, {}, {who}",
            self.quantity,
            printable(&self.what()),
            self.paid()
        );
        writeln!(out, "{}", wrapped(&what, 4))?;
        write!(out, "    {}", self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_formula() {
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(cell("Ada"), "Ada");
    }
}
