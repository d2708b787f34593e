//! The words of one language, and how it writes times and money.

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;
use shared::money::{self, Marks};
use time::OffsetDateTime;

use crate::mail::document::MailKind;

/// A language: a file of words.
#[derive(Debug, Clone)]
pub struct Words {
    /// As templates see it.
    pub all: Value,
    forms: Forms,
}

/// What is not only shown.
#[derive(Debug, Clone, Deserialize)]
struct Forms {
    language: String,
    weekdays: [String; 7],
    months: [String; 12],
    date: String,
    time_range: String,
    #[serde(default)]
    clock: Clock,
    decimal_mark: String,
    thousands_mark: String,
    labels: Labels,
    kinds: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Clock {
    #[default]
    #[serde(rename = "24h")]
    Whole,
    #[serde(rename = "12h")]
    Halves,
}

#[derive(Debug, Clone, Deserialize)]
struct Labels {
    seats_one: String,
    seats_other: String,
}

impl Words {
    /// Reads a file of words.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let all: Value = serde_json::from_str(json)?;
        let forms = Forms::deserialize(&all)?;
        Ok(Self { all, forms })
    }

    /// Two or three letters.
    pub fn language(&self) -> &str {
        &self.forms.language
    }

    /// What a mail is called.
    pub fn subject(&self, kind: MailKind) -> &str {
        let kind = self.forms.kinds.get(kind.as_str());
        let subject = kind
            .and_then(|it| it.get("subject"))
            .and_then(Value::as_str);
        subject.unwrap_or_default()
    }

    /// How many.
    pub fn seats(&self, quantity: i32) -> String {
        if quantity == 1 {
            return self.forms.labels.seats_one.clone();
        }
        let other = &self.forms.labels.seats_other;
        other.replace("{n}", &quantity.to_string())
    }

    /// With the marks of the language.
    pub fn money(&self, minor_units: i64, currency: &str) -> String {
        let marks = Marks {
            decimal: &self.forms.decimal_mark,
            thousands: &self.forms.thousands_mark,
        };
        money::written(minor_units, currency, marks)
    }

    /// From when until when, on the clocks of `zone`, which is named; UTC without one.
    pub fn when(
        &self,
        starts_at: OffsetDateTime,
        ends_at: OffsetDateTime,
        zone: Option<&str>,
    ) -> String {
        let zone = zone
            .and_then(|name| TimeZone::get(name).ok())
            .unwrap_or(TimeZone::UTC);
        let name = zone.iana_name().unwrap_or("UTC").replace('_', " ");
        let there = |at: OffsetDateTime| {
            let at = Timestamp::from_second(at.unix_timestamp()).unwrap_or_default();
            at.to_zoned_datetime(zone.clone())
        };
        let (start, end) = (there(starts_at), there(ends_at));
        let day = self.date(&start);
        let last = if start.date() == end.date() {
            self.time(&end)
        } else {
            format!("{}, {}", self.date(&end), self.time(&end))
        };
        let range = self
            .forms
            .time_range
            .replace("{start}", &self.time(&start))
            .replace("{end}", &last)
            .replace("{zone}", &name);
        format!("{day}, {range}")
    }

    fn date(&self, at: &ZonedDateTime) -> String {
        let of = |names: &[String], place: i8| {
            let place = usize::try_from(place.saturating_sub(1)).unwrap_or_default();
            names.get(place).cloned().unwrap_or_default()
        };
        let weekday = of(&self.forms.weekdays, at.weekday().to_monday_one_offset());
        self.forms
            .date
            .replace("{weekday}", &weekday)
            .replace("{day}", &at.day().to_string())
            .replace("{month}", &of(&self.forms.months, at.month()))
            .replace("{year}", &at.year().to_string())
    }

    fn time(&self, at: &ZonedDateTime) -> String {
        let (hour, minute) = (at.hour(), at.minute());
        if self.forms.clock == Clock::Whole {
            return format!("{hour:02}:{minute:02}");
        }
        let half = if hour < 12 { "AM" } else { "PM" };
        let hour = match hour.checked_rem(12) {
            Some(0) | None => 12,
            Some(hour) => hour,
        };
        format!("{hour}:{minute:02} {half}")
    }
}
