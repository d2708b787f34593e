//! What a checkout sells.

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

/// What a checkout sells, as its session at Stripe lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct LineItems(pub Vec<LineItem>);

/// One thing, some of which are sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// As the buyer reads it.
    pub name: String,
    /// Price of one, in minor units of the checkout's currency.
    pub unit_amount: i64,
    /// How many.
    pub quantity: i64,
}

impl LineItems {
    /// All names in one line.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|item| item.name.as_str()).collect();
        names.join(", ")
    }
}
