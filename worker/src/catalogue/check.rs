//! What the fields of an offering have to be. All mistakes are named at once, but for those that another one hides.

use jiff::tz::TimeZone;
use shared::money::{Amount, Currency};

use crate::catalogue::{
    Problem,
    check_slots::{Slot, series},
    mistakes::At,
    source::RawOffering,
};

const LONGEST_KEY: usize = 63;
/// Of one file.
const MOST_SLOTS: usize = 20_000;

/// An offering as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offering {
    /// As the file calls it.
    pub key: String,
    pub name: String,
    pub description: String,
    pub price: Amount,
    pub time_zone: Option<String>,
    pub location: Option<String>,
    /// As it is, if the file does not say.
    pub closed: Option<bool>,
    pub cancellation_free_hours: Option<i32>,
    pub cancellation_late_percent: Option<i32>,
    /// All of those that have not begun, in order.
    pub slots: Vec<Slot>,
}

/// What `raw` means.
///
/// # Errors
///
/// Everything that is wrong.
pub fn check(raw: Vec<RawOffering>) -> Result<Vec<Offering>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut offerings: Vec<Offering> = Vec::new();
    for it in raw {
        let mut at = At {
            place: it.place.clone(),
            problems: &mut problems,
        };
        let offering = offering(it, &mut at);
        if let Some(offering) = offering {
            if offerings.iter().any(|it| it.key == offering.key) {
                at.wrong("key", "another offering of this file has it");
            }
            offerings.push(offering);
        }
    }
    let slots: usize = offerings.iter().map(|it| it.slots.len()).sum();
    if slots > MOST_SLOTS {
        problems.push(Problem {
            place: "the file".to_owned(),
            field: None,
            words: format!("has {slots} slots; {MOST_SLOTS} are the most"),
        });
    }
    if problems.is_empty() {
        Ok(offerings)
    } else {
        Err(problems)
    }
}

fn offering(raw: RawOffering, at: &mut At<'_>) -> Option<Offering> {
    let key = raw.key.unwrap_or_default();
    if !is_key(&key) {
        at.wrong(
            "key",
            "expected up to 63 letters in lower case, digits and dashes, such as kayak-tour",
        );
    }
    let name = at.text("name", raw.name, false);
    if name.is_none() {
        at.wrong("name", "is missing");
    }
    let description = at.text("description", raw.description, true);
    let location = at.text("location", raw.location, false);
    let price = price(raw.price.as_deref(), raw.currency.as_deref(), at);
    let zone = match &raw.time_zone {
        None => Some(TimeZone::UTC),
        Some(name) => {
            let zone = TimeZone::get(name).ok().filter(|it| !it.is_unknown());
            if zone.is_none() {
                at.wrong(
                    "time_zone",
                    format!("there is no time zone {name}; expected one such as Europe/Berlin"),
                );
            }
            zone
        }
    };
    let free_hours = at.number("cancellation_free_hours", raw.cancellation_free_hours, 8784);
    let late_percent = at.number(
        "cancellation_late_percent",
        raw.cancellation_late_percent,
        100,
    );
    if late_percent.is_some() && free_hours.is_none() {
        at.wrong(
            "cancellation_late_percent",
            "goes with cancellation_free_hours",
        );
    }
    let mut slots: Vec<Slot> = Vec::new();
    for raw in raw.slots {
        let mut at = At {
            place: raw.place.clone(),
            problems: at.problems,
        };
        if let Some(zone) = &zone {
            slots.extend(series(&raw, zone, &mut at));
        }
    }
    slots.sort_by_key(|it| it.starts_at);
    for pair in slots.windows(2) {
        if let [one, other] = pair
            && one.starts_at == other.starts_at
        {
            let mut at = At {
                place: other.place.clone(),
                problems: at.problems,
            };
            at.wrong(
                "starts_at",
                format!("{} begins at the same time", one.place),
            );
        }
    }
    Some(Offering {
        key,
        name: name?,
        description: description.unwrap_or_default(),
        price: price?,
        // As the database of zones writes it.
        time_zone: raw
            .time_zone
            .and(zone)
            .and_then(|it| it.iana_name().map(str::to_owned)),
        location,
        closed: raw.closed,
        cancellation_free_hours: free_hours,
        cancellation_late_percent: late_percent,
        slots,
    })
}

fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= LONGEST_KEY && text.bytes().all(fits)
}

fn price(price: Option<&str>, currency: Option<&str>, at: &mut At<'_>) -> Option<Amount> {
    let currency = currency.and_then(|it| it.parse::<Currency>().ok());
    let Some(currency) = currency.filter(Currency::is_known) else {
        at.wrong(
            "currency",
            "expected three letters that Stripe knows, such as eur",
        );
        return None;
    };
    let Some(price) = price.and_then(|it| Amount::parse(it.trim(), currency)) else {
        at.wrong(
            "price",
            "expected an amount such as \"49.00\", with the digits that its currency has",
        );
        return None;
    };
    if let Err(error) = price.check_chargeable() {
        at.wrong("price", format!("{price} is {error}"));
    }
    Some(price)
}
