//! What a site sells, and its prices.

use serde::Deserialize;
use shared::{
    line_item::LineItem,
    money::{Amount, Currency},
};
use utoipa::ToSchema;

use crate::{
    hold::Pricing,
    http::error::FieldError,
    legible::{is_legible, spoils_a_line},
    order::whole_number,
};

const MOST_ITEMS: usize = 20;
const MAX_NAME_CHARS: usize = 200;
const MAX_QUANTITY: i64 = 1000;

/// One thing, some of which are sold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// As the buyer reads it: one line with a letter or digit.
    #[schema(required, value_type = String, example = "Room 7, two nights", min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Price of one, in the currency's minor unit.
    #[serde(default, deserialize_with = "whole_number::optional")]
    #[schema(required, value_type = i64, example = 18000, minimum = 0)]
    unit_amount: Option<i64>,
    /// How many, 1 to 1000.
    #[serde(default, deserialize_with = "whole_number::optional")]
    #[schema(default = 1, minimum = 1, maximum = 1000)]
    quantity: Option<i64>,
}

/// What is wrong goes to `errors`; nothing is returned without a currency.
pub fn check_pricing(
    currency: Option<&str>,
    items: Option<Vec<Item>>,
    errors: &mut Vec<FieldError>,
) -> Option<Pricing> {
    let mut wrong = |field, message| errors.push(FieldError::new(field, message));
    let items = items.unwrap_or_default();
    if !(1..=MOST_ITEMS).contains(&items.len()) {
        wrong("line_items", "Use 1 to 20 items.");
    }
    let Some(currency) = currency.and_then(|code| code.parse::<Currency>().ok()) else {
        wrong("currency", "Use a currency of three letters, such as eur.");
        return None;
    };
    let mut line_items = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().take(MOST_ITEMS).enumerate() {
        match line_item(item, &currency) {
            Ok(item) => line_items.push(item),
            Err((field, message)) => {
                let field = format!("line_items[{place}].{field}");
                errors.push(FieldError::new(field, message));
            }
        }
    }
    Some(Pricing::Site {
        currency,
        line_items,
    })
}

/// Or the field that is wrong, and what is wrong with it.
fn line_item(item: Item, currency: &Currency) -> Result<LineItem, (&'static str, &'static str)> {
    let name = item.name.unwrap_or_default().trim().to_owned();
    if !is_legible(&name)
        || name.chars().count() > MAX_NAME_CHARS
        || name.chars().any(spoils_a_line)
    {
        return Err(("name", "Use 1 to 200 characters, in one line."));
    }
    let unit_amount = item
        .unit_amount
        .ok_or(("unit_amount", "Say what one of it costs."))?;
    let price = Amount {
        minor_units: unit_amount,
        currency: currency.clone(),
    };
    if price.check_price().is_err() {
        return Err((
            "unit_amount",
            "Stripe takes no such amount in this currency.",
        ));
    }
    let quantity = item.quantity.unwrap_or(1);
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        return Err(("quantity", "Use 1 to 1000."));
    }
    Ok(LineItem {
        name,
        unit_amount,
        quantity,
    })
}
