//! A booking in a list: for a person, for programs, for a spreadsheet.

use std::fmt;

use sea_orm::{ActiveEnum, FromQueryResult};
use serde::Serialize;
use shared::{
    db::{booking::Status, checkout::State},
    line_item::LineItems,
};
use time::OffsetDateTime;
use utoipa::ToSchema;
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

/// A checkout, with its booking if there is one. Amounts are integers in the currency's minor unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowView {
    reference: Option<String>,
    /// confirmed, `refund_pending`, `needs_attention` or cancelled; null if it is not booked.
    status: Option<&'static str>,
    /// Why, as a code.
    reason: Option<String>,
    checkout_id: Uuid,
    /// open, `payment_pending`, paid, `payment_failed`, expired or abandoned.
    state: String,
    /// `cs_…`
    session_id: Option<String>,
    /// What the site calls it.
    client_reference: Option<String>,
    /// What is sold.
    what: String,
    slot_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    quantity: i32,
    customer: CustomerView,
    amount: i64,
    amount_refunded: Option<i64>,
    currency: String,
    /// The amounts as people write them.
    #[schema(example = "49.00 EUR, 10.00 EUR went back")]
    paid: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// What to type next.
    #[schema(example = "worker booking show K7MPQ2XA")]
    next: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct CustomerView {
    name: String,
    email: String,
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
            (None, _) => format!("not booked, {}", self.state.to_value()),
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

    /// For programs.
    pub fn view(&self) -> RowView {
        RowView {
            reference: self.reference.clone(),
            status: self.status.map(Status::as_str),
            reason: self.reason.clone(),
            checkout_id: self.checkout_id,
            state: self.state.to_value(),
            session_id: self.session_id.clone(),
            client_reference: self.client_reference.clone(),
            what: self.what(),
            slot_id: self.slot_id,
            starts_at: self.starts_at,
            quantity: self.quantity,
            customer: CustomerView {
                name: self.customer_name.clone(),
                email: self.customer_email.clone(),
            },
            amount: self.amount,
            amount_refunded: self.refunded,
            currency: self.currency.clone(),
            paid: self.paid(),
            created_at: self.created_at,
            next: self.next(),
        }
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
